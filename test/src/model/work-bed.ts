import { memory as coreMemory, SLOT, SlotTable } from '@memlane/core';
import { WorkQueue } from '@memlane/ring';
import { WORK_CELL, WORK_WORDS, workGeometry } from '@memlane/ring/layout';
import { fingerprint, withoutState } from './fingerprint.ts';
import { closeDescriptor, LOCKS_DROPPED, newDescriptor, replaceKernel } from './kernel.ts';
import * as memory from './memory.ts';
import { loadPlain, storePlain, wordNames } from './memory.ts';
import { place, placesOf, type Store } from './places.ts';
import { call, run } from './run.ts';

/*
 * A work queue as the shipped code sees it, over words that the explorer keeps: as ./bed.ts does it for a ring. It has two
 * cells where nothing else is said, so that laps are what it is all about, and messages of two words.
 */

if (coreMemory.load !== memory.load) throw new Error('Start this program with the module hooks of ./register.ts');

/** Most participants of any scenario: two producers, two consumers. */
const PRODUCERS = 2;
const CONSUMERS = 2;
const SLOTS = ['producer 1 slot', 'producer 2 slot', 'consumer 1 slot', 'consumer 2 slot'];
const MOST_CELLS = 4;
export const PAYLOAD_WORDS = 2;
const SHAPE = { messageBytes: PAYLOAD_WORDS * 4, producers: PRODUCERS, consumers: CONSUMERS };
/** Of the largest queue: in a smaller one everything is in the same place. */
const geometry = workGeometry({ ...SHAPE, capacity: MOST_CELLS }, 4096);

for (const [index, slot] of SLOTS.entries())
  nameWords(geometry.slotsOffset + index * SLOT.bytes, SLOT.fields, `${slot}.`);
nameWords(geometry.wordsOffset, WORK_WORDS.fields, '');
for (let cell = 0; cell < MOST_CELLS; cell++)
  nameWords(geometry.cellsOffset + cell * WORK_CELL.bytes, WORK_CELL.fields, `cell ${cell}.`);

function nameWords(base: number, fields: Record<string, { type: string; offset: number }>, prefix: string): void {
  for (const [name, { type, offset }] of Object.entries(fields))
    if (type === 'i32') wordNames[(base + offset) >> 2] = prefix + name;
}

/** Killings and the moments at which the locks of the killed are dropped: time passes after either. */
const losses = {
  touches: () => placesOf('dead '),
  count: (store: Store) => {
    const dead = placesOf('dead ').map((at) => store[at] as number);
    return dead.filter((bits) => bits !== 0).length + dead.filter((bits) => (bits & LOCKS_DROPPED) !== 0).length;
  },
};

const LOCK_BASE = 1n << 62n;
replaceKernel(
  (index) => place(wordNames[index] as string),
  (byte) => (byte === LOCK_BASE ? 'of attaching' : `of the ${SLOTS[Number(byte - LOCK_BASE - 1024n)]}`),
  losses,
);

/** The clock stands still as long as everybody lives: whoever waits must not be helped by it. */
const SECOND = 1000;
Date.now = () => SECOND * call('look at the clock', losses.touches, losses.count);

export interface WorkShape {
  /** Default 2. */
  readonly cells?: 2 | 4;
  readonly startPosition?: number;
  readonly maxDeliveries?: number;
}

/** A lap as the state of a cell has it. */
const lapOf = (position: number, cells: number): number => (position >>> Math.log2(cells)) << 18;

/** The queue before anybody has attached. */
export function prepareQueue(store: Store, { cells = 2, startPosition = 0 }: WorkShape): void {
  store[place('tail')] = startPosition | 0;
  store[place('head')] = startPosition | 0;
  for (let position = startPosition - cells; position < startPosition; position++)
    store[place(`cell ${position & (cells - 1)}.state`)] = lapOf(position, cells);
}

/** A slot table whose file has an owner without being one. */
class ModelTable extends SlotTable {
  override get owner(): number {
    return 0;
  }
}

/** The queue, opened by the actor that runs: private objects of its own over the shared words. */
export function openModelQueue({ cells: capacity = 2, maxDeliveries = 0 }: WorkShape): WorkQueue {
  // Statistics and what else nobody else looks at is kept here.
  const words = new Int32Array(geometry.dataOffset >> 2);
  const file = {
    fd: newDescriptor(),
    path: '/queue',
    anonymous: false,
    reopen: () => {
      const fd = newDescriptor();
      return { fd, path: '/queue', expectLinked: () => {}, close: () => closeDescriptor(fd) };
    },
  };
  const { slotsOffset, slotCount, wordsOffset, cellsOffset, strideBytes } = geometry;
  const sleepersOffset = wordsOffset + WORK_WORDS.fields.sleepers.offset;
  const places = { words, address: 0, slotsOffset, slotCount, fileId: 'id', sleepersOffset };
  const table = new ModelTable(file as never, places);
  const region = { access: 'readwrite', closed: false, path: '/queue', file, close: () => {} };
  const work = {
    words,
    base: wordsOffset >> 2,
    cells: cellsOffset >> 2,
    view: messageView(),
    ...SHAPE,
    capacity,
    strideBytes,
    maxDeliveries,
  };
  return new WorkQueue({ region, table, consumers: CONSUMERS, memory: work } as never);
}

/** Says what the actor has done. Part of its history, and invisible to the others. */
export function note(event: string, value = 0): void {
  run().notes.push({ event, value });
}

/** Between two calls of the shipped code: all that the actor's further steps depend on is in these objects and numbers. */
export function checkpoint(objects: object, ...numbers: number[]): void {
  run().checkpoint(() => `${numbers} ${fingerprint(objects)}`);
}

/** Does nothing more, and lives on: until it is killed. */
export function liveOn(): void {
  call(
    'live on',
    () => [],
    () => undefined,
  );
}

/** What the state of a cell says, in the numbers of the layout. */
export function cellState(store: Store, cell: number): number {
  return (store[place(`cell ${cell}.state`)] as number) & 7;
}

/** The views of the messages whose accesses are steps, word by word. */
function messageView(): object {
  const at = (index: number): number => place(`data ${index}`);
  const i32 = new Proxy(withoutState({}), {
    get: (_, index) => loadPlain(at(Number(index))),
    set: (_, index, value) => {
      storePlain(at(Number(index)), value | 0);
      return true;
    },
  });
  const u8 = {
    set: (bytes: Uint8Array, offset: number) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let byte = 0; byte < bytes.length; byte += 4) storePlain(at((offset + byte) / 4), view.getInt32(byte, true));
    },
    slice: (from: number, to: number) => {
      const bytes = new DataView(new ArrayBuffer(to - from));
      for (let byte = from; byte < to; byte += 4) bytes.setInt32(byte - from, loadPlain(at(byte / 4)), true);
      return new Uint8Array(bytes.buffer);
    },
  };
  return withoutState({ i32, u8 });
}
