import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Region } from '@memlane/core';
import { PAGE_SIZE, replaceSystemCall } from '@memlane/linux';
import { mappingAt, openDescriptors } from '../linux/proc.ts';
import { runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { rejectionOf, thrownBy } from '../support/speech.ts';

test('after close stale views read zeros and write nowhere; the file keeps what was stored', () => {
  using scratch = scratchFolder();
  const path = scratch.file('a');
  const region = Region.create(path, 2 * PAGE_SIZE, { maxLength: 8 * PAGE_SIZE });
  region.grow(4 * PAGE_SIZE);
  const { buffer, address, bytes } = region;
  const words = new Int32Array(buffer, 0, PAGE_SIZE);
  bytes.fill(7);
  region.close();
  expect(bytes.every((byte) => byte === 0)).toBe(true);
  words.fill(-1);
  new Uint8Array(buffer, 0, 4 * PAGE_SIZE).fill(9);
  expect(words[0]).toBe(0x09090909);
  expect(readFileSync(path).equals(Buffer.alloc(4 * PAGE_SIZE, 7))).toBe(true);
  expect(mappingAt(address)).toMatchObject({ inode: 0, permissions: 'rw-p' });
  // Keeps the memory until here.
  expect(bytes[0]).toBe(9);
});

test('a read-only region can be written to after close, which harms nobody', () => {
  using scratch = scratchFolder();
  const path = scratch.file('a');
  using writer = Region.create(path, PAGE_SIZE);
  writer.bytes.fill(7);
  const reader = Region.open(path, { access: 'read' });
  const { bytes } = reader;
  reader.close();
  expect(bytes[0]).toBe(0);
  bytes[0] = 1;
  expect(writer.bytes[0]).toBe(7);
});

test('both copies of a mirror retire', () => {
  using scratch = scratchFolder();
  const path = scratch.file('a');
  using writer = Region.create(path, 2 * PAGE_SIZE);
  writer.bytes.fill(7);
  const region = Region.open(path, { mirror: PAGE_SIZE });
  const all = new Uint8Array(region.buffer, 0, 3 * PAGE_SIZE);
  region.close();
  expect(all.every((byte) => byte === 0)).toBe(true);
  all.fill(1);
  expect(writer.bytes.every((byte) => byte === 7)).toBe(true);
});

test('close gives the descriptor back, once', () => {
  using scratch = scratchFolder();
  const before = openDescriptors();
  const region = Region.create(scratch.file('a'), PAGE_SIZE);
  const { bytes } = region;
  expect(openDescriptors().size).toBe(before.size + 1);
  region.close();
  expect(openDescriptors()).toEqual(before);
  using other = Region.open(scratch.file('a'));
  bytes[0] = 5;
  region.close();
  region[Symbol.dispose]();
  other.bytes[0] = 1;
  expect(openDescriptors().get(other.file.fd)).toBe(scratch.file('a'));
  // What a view that was left over made of its anonymous page is its own.
  expect(bytes[0]).toBe(5);
});

test('the end of the scope closes', () => {
  using scratch = scratchFolder();
  let kept: Region;
  {
    using region = Region.create(scratch.file('a'), PAGE_SIZE);
    kept = region;
    expect(region.closed).toBe(false);
  }
  expect(kept.closed).toBe(true);
});

test('a region that the kernel will not let go stays open', () => {
  using scratch = scratchFolder();
  using region = Region.create(scratch.file('a'), PAGE_SIZE);
  region.bytes[0] = 1;
  {
    using _fault = replaceSystemCall('mmap', () => () => -12);
    expect(thrownBy(() => region.close())).toMatchObject({ code: 'ENOMEM' });
  }
  expect([region.closed, region.bytes[0]]).toEqual([false, 1]);
});

describe('after close', () => {
  test('every use of the memory is ERR_MEMLANE_CLOSED, with the path', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    const region = Region.create(path, PAGE_SIZE, { maxLength: 2 * PAGE_SIZE });
    region.close();
    const closed = { code: 'ERR_MEMLANE_CLOSED', path };
    for (const use of [
      () => region.buffer,
      () => region.bytes,
      () => region.address,
      () => region.descriptor(),
      () => region.sync(),
      () => region.advise('normal'),
      () => region.residency(),
      () => region.prefault(),
      () => region.lock(),
      () => region.unlock(),
      () => region.grow(2 * PAGE_SIZE),
    ])
      expect(thrownBy(use)).toMatchObject(closed);
    expect(await rejectionOf(() => region.syncOffThread())).toMatchObject(closed);
  });

  test('what it was can still be asked', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    const region = Region.create(path, PAGE_SIZE);
    region.close();
    expect(region).toMatchObject({ path, length: PAGE_SIZE, offset: 0, access: 'readwrite', closed: true });
  });
});

describe('closing while the thread pool works on the memory', () => {
  test.each([
    ['zlib reads it', 'deflate'],
    ['it is written to another file', 'write'],
    ['random bytes are written to it', 'randomFill'],
  ])('%s: the job ends, the process lives, the file is not touched', async (_name, job) => {
    // Twice 64 MiB are more than a container's /dev/shm has.
    using scratch = scratchFolder('disk');
    const [result] = await runProgram('core-close-in-flight', { path: scratch.file('a'), job });
    expect(result).toEqual({ inFlight: true, plausible: true, fileAsAtClose: true });
  });
});

describe('with forced garbage collection', () => {
  const nodeOptions = ['--expose-gc'];

  test('20 000 regions come and go: nothing stays mapped, nothing is lost', async () => {
    using scratch = scratchFolder();
    const [result] = await runProgram<Record<string, number>>(
      'core-cycles',
      { path: scratch.file('a'), cycles: 20_000 },
      { nodeOptions },
    );
    expect(result).toMatchObject({ ofTheFile: 0, descriptors: 0, wrongBytes: 0, wrongStaleBytes: 0 });
    // Each region that stayed would be one or two more; the last hundred may, and the engine grows.
    expect(result?.mappings).toBeLessThan(1000);
  });

  test('2000 reservations of 2 GiB coexist, each with pages of its own', async () => {
    using scratch = scratchFolder();
    const [result] = await runProgram('core-reservations', { path: scratch.file('a'), count: 2000 }, { nodeOptions });
    expect(result).toEqual({ reserved: 2000 * 2 ** 31, right: 2000, left: 0 });
  });
});
