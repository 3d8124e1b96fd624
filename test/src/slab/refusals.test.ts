import { spawnSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { type Descriptor, SLOT, SUPERBLOCK } from '@memlane/core';
import { CHUNK, SHARE, SIZE_CLASS, SLAB_HEADER, SLAB_WORDS, slabGeometry, TICKET } from '@memlane/slab/layout';
import {
  createAnonymousSlab,
  createSlab,
  decodeReference,
  encodeReference,
  openOrCreateSlab,
  openRing,
  openSlab,
  REFERENCE_BYTES,
  removeSlab,
  type SharedReference,
} from 'memlane';
import { poke } from '../ring/ring-bytes.ts';
import { runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { rejectionOf, thrownBy } from '../support/speech.ts';
import { eachWrongValue, FREE_FIELDS, OWN_CODES } from '../support/wrong-values.ts';

const SHAPE = { maxBytes: 2 ** 20, participants: 4, references: 2 };
const geometry = slabGeometry(SHAPE, 4096);

test('each field of the head, with each kind of wrong value', () => {
  using scratch = scratchFolder();
  const path = scratch.file('slab');
  createSlab(path, SHAPE).close();
  let refused = 0;
  for (const placed of [
    { descriptor: SUPERBLOCK, offset: 0 },
    { descriptor: SLAB_HEADER, offset: SUPERBLOCK.bytes },
  ])
    eachWrongValue(path, placed, (field) => {
      if (FREE_FIELDS.has(field)) return;
      const error = thrownBy(() => openSlab(path).close());
      // Another number of references, or limit, from which the same layout follows.
      if ((field === 'references' || field === 'maxBytes') && error === undefined) return;
      if (error === undefined) throw new Error('it was opened');
      expect(OWN_CODES[field] ?? ['ERR_MEMLANE_CORRUPT']).toContain(error.code);
      refused += 1;
    });
  expect(refused).toBeGreaterThan(60);
  openSlab(path).close();
  expect(thrownBy(() => openRing(path))?.code).toBe('ERR_MEMLANE_KIND');
});

test('no lie in any word that all share crashes, hangs, or gets out of the memory of the buffer', () => {
  using scratch = scratchFolder();
  const path = scratch.file('slab');
  const small = geometry.classes[0];
  const large = geometry.classes[10];
  if (small === undefined || large === undefined) throw new Error('there are fewer classes');
  const places: { descriptor: Descriptor; offset: number }[] = [
    { descriptor: SLOT, offset: geometry.slotsOffset },
    { descriptor: SLAB_WORDS, offset: geometry.wordsOffset },
    { descriptor: SHARE, offset: geometry.sharesOffset },
    { descriptor: SHARE, offset: geometry.sharesOffset + SHARE.bytes },
    { descriptor: SIZE_CLASS, offset: geometry.classesOffset },
    { descriptor: SIZE_CLASS, offset: geometry.classesOffset + 10 * SIZE_CLASS.bytes },
    { descriptor: CHUNK, offset: small.spansOffset },
    { descriptor: CHUNK, offset: large.spansOffset },
    { descriptor: TICKET, offset: small.spansOffset + geometry.ticketsOffset },
    { descriptor: word('map'), offset: small.bitmapOffset },
    { descriptor: word('map'), offset: large.bitmapOffset },
    { descriptor: word('holders'), offset: small.spansOffset + CHUNK.bytes },
    { descriptor: word('holders'), offset: large.spansOffset + CHUNK.bytes },
  ];
  const codes = new Set<string>();
  for (const placed of places) {
    createSlab(path, SHAPE).close();
    using first = openSlab(path);
    using second = openSlab(path);
    const held = first.tryAcquire(10);
    first.tryAcquire(65_536)?.release();
    if (held === null) throw new Error('there is no room');
    const reference = held.share();
    eachWrongValue(path, placed, () => {
      for (const use of [
        () => second.tryAcquire(10)?.release(),
        () => second.tryAcquire(65_536)?.release(),
        () => second.take(reference).data.fill(1),
        () => second.settle({ ...reference, ticket: reference.ticket ^ 1 }),
        () => held.share(),
        () => second.settleCarried(1, () => true),
        () => void second.trim(),
        () => void second.sweep(),
        () => void second.holders(),
        () => void second.statistics(),
        () => first.tryAcquire(300_000)?.release(),
      ]) {
        const error = thrownBy(use);
        if (error !== undefined) codes.add(error.code ?? error.message);
      }
    });
    first.close();
    second.close();
    removeSlab(path);
  }
  const named = ['ARGUMENT', 'BUSY', 'CORRUPT', 'STALE'].map((name) => `ERR_MEMLANE_${name}`);
  expect([...codes].filter((code) => !named.includes(code))).toEqual([]);
  expect(codes).toContain('ERR_MEMLANE_CORRUPT');
  expect(codes).toContain('ERR_MEMLANE_STALE');
}, 60_000);

function word(name: string): Descriptor {
  return { name, bytes: 4, fields: { [name]: { type: 'i32', offset: 0, meaning: '' } } };
}

test('the count of what is reserved is found wrong, in either direction, by whoever meets the limit', () => {
  using scratch = scratchFolder();
  const path = scratch.file('slab');
  using slab = createSlab(path, SHAPE);
  const words = { descriptor: SLAB_WORDS, offset: geometry.wordsOffset };
  const reserved = (): number => slab.statistics().reservedBytes / 4096;
  slab.tryAcquire(300_000)?.release();
  const right = reserved();
  poke(path, words, 'reservedPages', 2 ** 20);
  using again = slab.tryAcquire(300_000);
  using more = slab.tryAcquire(200_000);
  expect([again?.length, more?.length]).toEqual([300_000, 200_000]);
  const now = right + 49 + 1; // and a row of records
  expect(Math.abs(reserved() - now)).toBeLessThan(3);
});

test('what is no reference, or one of something else', () => {
  using slab = createAnonymousSlab(SHAPE);
  using other = createAnonymousSlab(SHAPE);
  using buffer = slab.tryAcquire(100);
  const reference = buffer?.share() as SharedReference;
  for (const wrong of [
    null,
    7,
    {},
    { ...reference, chunk: 2 ** 31 },
    { ...reference, chunk: 5000 },
    { ...reference, chunk: -1 },
    { ...reference, slab: reference.slab ^ 1 },
    { ...reference, ticket: reference.ticket | 31 },
    { ...reference, length: 0.5 },
  ])
    expect(thrownBy(() => slab.take(wrong as SharedReference))?.code).toBe('ERR_MEMLANE_ARGUMENT');
  for (const stale of [
    { ...reference, length: 99 },
    { ...reference, generation: reference.generation + 1 },
    { ...reference, ticket: reference.ticket + 32 },
  ])
    expect(thrownBy(() => slab.take(stale))?.code).toBe('ERR_MEMLANE_STALE');
  if (other.tryAcquire(1)?.share().slab !== reference.slab)
    expect(thrownBy(() => other.take(reference))?.code).toBe('ERR_MEMLANE_ARGUMENT');
  const view = new DataView(new ArrayBuffer(40));
  encodeReference(reference, view, 24);
  expect(decodeReference(view, 24)).toEqual(reference);
  expect(thrownBy(() => encodeReference(reference, view, 40 - REFERENCE_BYTES + 1))?.code).toBe('ERR_MEMLANE_ARGUMENT');
  expect(thrownBy(() => slab.take(reference).release())).toBeUndefined();
});

test('an observer sees all, and takes no part', async () => {
  using scratch = scratchFolder();
  const path = scratch.file('slab');
  using slab = openOrCreateSlab(path, SHAPE);
  using buffer = slab.tryAcquire(100);
  const reference = buffer?.share() as SharedReference;
  using observer = openSlab(path, { access: 'read' });
  expect(observer.holders()).toMatchObject([{ length: 100, slots: [slab.slot], references: 1 }]);
  expect(observer.statistics()).toMatchObject({ used: 1, usedBytes: 100, references: 1 });
  for (const use of [() => observer.tryAcquire(1), () => observer.take(reference), () => observer.sweep()])
    expect(thrownBy(use)?.code).toBe('ERR_MEMLANE_READ_ONLY');
  expect((await rejectionOf(() => observer.acquire(1)))?.code).toBe('ERR_MEMLANE_READ_ONLY');
  expect(thrownBy(() => removeSlab(path))?.code).toBe('ERR_MEMLANE_BUSY');
});

test('a file that is cut while it is used does not come to look whole again', () => {
  for (const at of [0, geometry.headLength]) {
    using scratch = scratchFolder('disk');
    const path = scratch.file('slab');
    {
      using slab = createSlab(path, SHAPE);
      using neighbour = openSlab(path);
      const buffer = slab.tryAcquire(100);
      const reference = buffer?.share() as SharedReference;
      neighbour.take(reference).data.fill(1);
      truncateSync(path, at);
      for (const use of [
        () => slab.tryAcquire(100),
        () => slab.tryAcquire(100_000),
        () => neighbour.tryAcquire(500_000),
        () => neighbour.take(reference),
        () => slab.statistics(),
      ])
        expect(thrownBy(use)?.code).toBe('ERR_MEMLANE_TRUNCATED');
    }
    removeSlab(path);
    expect(scratch.entries()).toEqual([]);
  }
});

const mounts = spawnSync('unshare', ['--mount', 'true']).status === 0;
(mounts ? test : test.skip)('a file system that is full', async () => {
  using scratch = scratchFolder();
  const wrapper = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs -o size=1m none "$0" && exec "$@"', scratch.path];
  const [found] = await runProgram<object>('slab-full', scratch.file('slab'), { wrapper });
  expect(found).toEqual({
    refused: 'ENOSPC',
    syscall: 'fallocate',
    rejected: 'ENOSPC',
    after: 400_000,
    kept: true,
    small: 'ENOSPC',
    empty: 0,
  });
});
