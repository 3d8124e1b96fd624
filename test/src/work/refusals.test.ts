import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Descriptor, SLOT, SUPERBLOCK } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { WORK_CELL, WORK_HEADER, WORK_MESSAGE, WORK_WORDS, workGeometry } from '@memlane/ring/layout';
import {
  createAnonymousWorkQueue,
  createRing,
  createWorkQueue,
  openOrCreateWorkQueue,
  openRing,
  openWorkQueue,
  removeRing,
  removeWorkQueue,
} from 'memlane';
import { type Scratch, scratchFolder } from '../support/scratch.ts';

const SHAPE = { capacity: 4, messageBytes: 16, producers: 2, consumers: 3 };
const geometry = workGeometry(SHAPE, PAGE_SIZE);

let scratch: Scratch;
let path: string;
beforeEach(() => {
  scratch = scratchFolder();
  path = scratch.file('tasks');
  createWorkQueue(path, SHAPE).close();
});
afterEach(() => scratch[Symbol.dispose]());

const thrown = (action: () => unknown): unknown => {
  try {
    action();
    return undefined;
  } catch (error) {
    const { code, field } = error as { code?: string; field?: string };
    return field === undefined ? code : `${code} ${field}`;
  }
};

/** Writes a number into the file, past every mapping: what a hostile peer or a broken disk does. */
function poke(descriptor: Descriptor, base: number, name: string, value: number): void {
  const { type, offset } = descriptor.fields[name] as { type: string; offset: number };
  const bytes = Buffer.alloc(type === 'f64' ? 8 : 4);
  if (type === 'f64') bytes.writeDoubleLE(value);
  else bytes.writeInt32LE(value | 0);
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, 0, bytes.length, base + offset);
  closeSync(fd);
}

describe('a header that no correct program writes is refused by its field', () => {
  test.each([
    ['capacity', 0],
    ['capacity', 1],
    ['capacity', 3],
    ['capacity', 2 ** 21],
    ['capacity', 2 ** 31],
    ['messageBytes', 2 ** 30 + 1],
    ['messageBytes', 2 ** 29],
    ['producers', 0],
    ['producers', 255],
    ['consumers', 0],
    ['consumers', 254],
    ['maxDeliveries', 2 ** 31],
    ['wordsOffset', 0],
    ['cellsOffset', 8],
    ['dataOffset', geometry.dataOffset + 8],
    ['strideBytes', 0],
  ])('%s %d', (field, value) => {
    poke(WORK_HEADER, SUPERBLOCK.bytes, field, value);
    expect(thrown(() => openWorkQueue(path))).toBe(`ERR_MEMLANE_CORRUPT ${field}`);
    removeWorkQueue(path);
    expect(scratch.entries()).toEqual([]);
  });

  test.each([
    ['capacity', 4096, 'dataOffset'],
    ['messageBytes', 1000, 'strideBytes'],
    ['producers', 3, 'slotCount'],
    ['consumers', 2, 'slotCount'],
  ])('%s that the rest does not follow from', (field, value, named) => {
    poke(WORK_HEADER, SUPERBLOCK.bytes, field, value);
    expect(thrown(() => openWorkQueue(path))).toBe(`ERR_MEMLANE_CORRUPT ${named}`);
  });

  test.each([
    ['pageSize', 8192],
    ['slotCount', 0],
    ['slotsOffset', 0],
    ['fileLength', geometry.fileLength - 1],
  ])('%s of the superblock', (field, value) => {
    poke(SUPERBLOCK, 0, field, value);
    expect(thrown(() => openWorkQueue(path))).toBe(`ERR_MEMLANE_CORRUPT ${field}`);
  });
});

describe('a file that is something else', () => {
  test('is refused by its kind', () => {
    const ring = scratch.file('ring');
    createRing(ring).close();
    expect(thrown(() => openWorkQueue(ring))).toBe('ERR_MEMLANE_KIND');
    expect(thrown(() => removeWorkQueue(ring))).toBe('ERR_MEMLANE_KIND');
    expect(thrown(() => openOrCreateWorkQueue(ring))).toBe('ERR_MEMLANE_KIND');
    expect(thrown(() => openRing(path))).toBe('ERR_MEMLANE_KIND');
    removeRing(ring);
  });

  test('or by its signature, version or length', () => {
    poke(SUPERBLOCK, 0, 'signature', 1);
    expect(thrown(() => openWorkQueue(path))).toBe('ERR_MEMLANE_SIGNATURE');
    poke(SUPERBLOCK, 0, 'version', 99);
    expect(thrown(() => openWorkQueue(path))).toBe('ERR_MEMLANE_VERSION');
    truncateSync(path, 100);
    expect(thrown(() => openWorkQueue(path))).toBe('ERR_MEMLANE_VERSION');
    truncateSync(path, 0);
    expect(thrown(() => openWorkQueue(path))).toBe('ERR_MEMLANE_NOT_MEMLANE');
    removeWorkQueue(path);
    expect(thrown(() => openWorkQueue(path))).toBe('ENOENT');
  });
});

describe('a shape that cannot be', () => {
  test.each([
    { capacity: 1 },
    { capacity: 6 },
    { capacity: 2 ** 21 },
    { messageBytes: -1 },
    { messageBytes: 2 ** 20, capacity: 1024 },
    { producers: 0 },
    { consumers: 0 },
    { producers: 200, consumers: 56 },
    { maxDeliveries: 0 },
    { maxDeliveries: 1.5 },
    { startPosition: -1 },
    { startPosition: 2 ** 32 },
    { capacity: '8' as never },
    null as never,
  ])('%j', (shape) => {
    expect(thrown(() => createAnonymousWorkQueue(shape))).toBe('ERR_MEMLANE_ARGUMENT');
    expect(thrown(() => openOrCreateWorkQueue(path, shape))).toBe('ERR_MEMLANE_ARGUMENT');
  });
});

describe('words that a hostile peer has written', () => {
  const words = geometry.wordsOffset;
  const cell = (index: number): number => geometry.cellsOffset + index * WORK_CELL.bytes;
  const message = (index: number): number => geometry.dataOffset + index * geometry.strideBytes;

  /** Uses the queue in every way; it may fail, by name, but neither hang nor crash. */
  function useAll(): unknown[] {
    using queue = openWorkQueue(path);
    const producer = queue.producer();
    const consumer = queue.consumer();
    return [
      thrown(() => producer.tryWrite('message', 1)),
      thrown(() => consumer.poll(() => {}, 10)),
      thrown(() => consumer.tryTake()?.nack({ delayMs: 1 })),
      thrown(() => consumer.waitSync(5)),
      thrown(() => producer.waitSync(0)),
      thrown(() => consumer.isEnded),
      thrown(() => consumer.pollDead(() => {})),
      thrown(() => producer.end()),
      thrown(() => queue.statistics()),
    ];
  }

  test.each([0, 1, -1, 5, 1000, 2 ** 31 - 1, -(2 ** 31), 0x5a5a5a5a])('%d, anywhere', (value) => {
    for (const field of ['tail', 'head', 'returns', 'sleepers', 'ended']) {
      poke(WORK_WORDS, words, field, value);
      useAll();
    }
    for (let index = 0; index < SHAPE.capacity; index++)
      for (const field of ['state', 'dueSeconds', 'dueMs']) {
        poke(WORK_CELL, cell(index), field, value);
        useAll();
      }
    for (const field of ['state', 'generation', 'parked', 'role'])
      poke(SLOT, geometry.slotsOffset + 4 * SLOT.bytes, field, value);
    const found = useAll().filter((code) => code !== undefined);
    for (const code of found) expect(code).toMatch(/^ERR_MEMLANE_CORRUPT/);
  });

  test('a length that cannot be ends among the dead letters, and the queue goes on', () => {
    using queue = openWorkQueue(path);
    const producer = queue.producer();
    const consumer = queue.consumer();
    producer.tryWrite('message', 1);
    producer.tryWrite('message', 2);
    poke(WORK_MESSAGE, message(0), 'notLength', ~17);
    for (let time = 0; time < 5; time++)
      expect(thrown(() => consumer.poll(() => {}))).toBe('ERR_MEMLANE_CORRUPT length');
    expect(queue.statistics()).toMatchObject({ ready: 1, dead: 1 });
    expect(consumer.poll(() => {})).toBe(1);
  });
});
