import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import {
  attachSlab,
  createAnonymousSlab,
  createSlab,
  openOrCreateSlab,
  openSlab,
  removeSlab,
  type SharedReference,
  type Slab,
} from 'memlane';
import { scratchFolder } from '../support/scratch.ts';
import { rejectionOf, thrownBy } from '../support/speech.ts';
import { checkPattern, writePattern } from './pattern.ts';

const partner = fileURLToPath(new URL('../programs/slab-partner.js', import.meta.url));
const SHAPE = { maxBytes: 2 ** 24, participants: 8 };

/** Hands a buffer over by `post`, and gets another back that holds the same. */
async function exchange(
  slab: Slab,
  post: (what: object) => void,
  answer: () => Promise<SharedReference>,
): Promise<void> {
  for (const length of [0, 1, 64, 65, 70_000, 5_000_001]) {
    const buffer = slab.tryAcquire(length);
    if (buffer === null) throw new Error('there is no room');
    writePattern(buffer.data, length);
    const back = answer();
    post({ descriptor: slab.descriptor(), reference: buffer.share() });
    buffer.release();
    using copy = slab.take(await back);
    expect(copy.length).toBe(length);
    expect(checkPattern(copy.data, length)).toBe(true);
  }
}

describe.each(['memory', 'disk', 'sealed'] as const)('a slab (%s)', (medium) => {
  const make = (path: string): Slab => (medium === 'sealed' ? createAnonymousSlab(SHAPE) : createSlab(path, SHAPE));

  test('hands buffers to a worker thread by postMessage, and back; what it held when it is terminated is free', async () => {
    using scratch = scratchFolder(medium === 'disk' ? 'disk' : 'memory');
    using slab = make(scratch.file('slab'));
    const worker = new Worker(partner);
    await exchange(
      slab,
      (what) => worker.postMessage(what),
      async () => (await once(worker, 'message'))[0],
    );
    expect(slab.holders()).toHaveLength(12); // the worker keeps all that it has taken
    await worker.terminate();
    slab.sweep();
    expect(slab.holders()).toEqual([]);
  });

  test('hands buffers to a child process by send, and back; what it held when it is killed is free', async () => {
    using scratch = scratchFolder(medium === 'disk' ? 'disk' : 'memory');
    using slab = make(scratch.file('slab'));
    const child = fork(partner);
    try {
      await exchange(
        slab,
        (what) => child.send(what),
        async () => (await once(child, 'message'))[0] as SharedReference,
      );
      expect(slab.holders()).toHaveLength(12);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    slab.sweep();
    expect(slab.holders()).toEqual([]);
    expect(slab.statistics().used).toBe(0);
  });
});

test('names: created once, opened, found again, removed', () => {
  using scratch = scratchFolder();
  const path = scratch.file('slab');
  expect(thrownBy(() => openSlab(path))?.code).toBe('ENOENT');
  using slab = openOrCreateSlab(path, SHAPE);
  expect(thrownBy(() => createSlab(path, SHAPE))?.code).toBe('ERR_MEMLANE_EXISTS');
  using again = openOrCreateSlab(path, { maxBytes: 2 ** 20 });
  expect(again.statistics().maxBytes).toBe(SHAPE.maxBytes);
  using buffer = slab.tryAcquire(10);
  using same = again.take(buffer?.share() as SharedReference);
  buffer?.data.write('hello');
  expect(same.data.toString('latin1', 0, 5)).toBe('hello');
  expect(thrownBy(() => removeSlab(path))?.code).toBe('ERR_MEMLANE_BUSY');
  again.close();
  slab.close();
  expect(thrownBy(() => same.data)?.code).toBe('ERR_MEMLANE_CLOSED');
  expect(thrownBy(() => slab.tryAcquire(1))?.code).toBe('ERR_MEMLANE_CLOSED');
  removeSlab(path);
  expect(scratch.entries()).toEqual([]);
});

test('places are as many as were asked for, and free again when somebody leaves', () => {
  using slab = createAnonymousSlab({ ...SHAPE, participants: 2 });
  using second = attachSlab(slab.descriptor());
  using third = attachSlab(slab.descriptor());
  expect([slab.slot, second.slot]).toEqual([0, 1]);
  expect(thrownBy(() => third.tryAcquire(1))?.code).toBe('ERR_MEMLANE_BUSY');
  second.tryAcquire(100);
  second.close();
  expect(third.slot).toBe(1);
  expect(slab.holders()).toEqual([]);
});

test('a wait for room ends by an abort, by close, and in turn', async () => {
  using slab = createAnonymousSlab({ ...SHAPE, maxBytes: 2 ** 18 });
  const held = slab.tryAcquire(200_000);
  expect(slab.tryAcquire(200_000)).toBeNull();
  expect(slab.acquireSync(200_000, 5)).toBeNull();
  const abort = new AbortController();
  const aborted = rejectionOf(() => slab.acquire(200_000, { signal: abort.signal }));
  const order: number[] = [];
  const turns = [1, 2].map(async (turn) => {
    const buffer = await slab.acquire(200_000);
    order.push(turn);
    buffer.release();
  });
  abort.abort(new Error('enough'));
  expect((await aborted)?.message).toBe('enough');
  held?.release();
  await Promise.all(turns);
  expect(order).toEqual([1, 2]);
  using other = slab.tryAcquire(200_000);
  expect(other).not.toBeNull();
  const closed = rejectionOf(() => slab.acquire(200_000));
  slab.close();
  expect((await closed)?.code).toBe('ERR_MEMLANE_CLOSED');
});

test('who waits sees room that somebody else had taken for a moment only', async () => {
  using slab = createAnonymousSlab({ ...SHAPE, maxBytes: 2 ** 18 });
  using other = attachSlab(slab.descriptor());
  const held = slab.tryAcquire(180_000);
  const [large, small] = [slab.acquire(200_000), other.acquire(190_000)];
  held?.release();
  const first = await Promise.race([large, small]);
  first.release();
  for (const each of await Promise.all([large, small])) each.release();
  expect(slab.holders()).toEqual([]);
});

test('a class may have more chunks than are mapped at once, and all classes are of use', () => {
  using slab = createAnonymousSlab({ maxBytes: 2 ** 26, participants: 2, references: 1 });
  const buffers = Array.from({ length: 70_000 }, () => slab.tryAcquire(64));
  expect(new Set(buffers.map((buffer) => buffer?.chunk)).size).toBe(70_000);
  for (const buffer of buffers) buffer?.release();
  expect(slab.statistics()).toMatchObject({ used: 0 });
  for (let sizeClass = 1; sizeClass < 19; sizeClass++) {
    using buffer = slab.tryAcquire(64 * 2 ** sizeClass);
    expect(buffer?.length ?? -1).toBe(64 * 2 ** sizeClass);
  }
});
