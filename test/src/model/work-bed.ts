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
 * cells, so that laps are what it is all about, and messages of two words.
 */

if (coreMemory.load !== memory.load) throw new Error('Start this program with the module hooks of ./register.ts');

/** Most participants of any scenario: two producers, two consumers. */
const PRODUCERS = 2;
const CONSUMERS = 2;
const SLOTS = ['producer 1 slot', 'producer 2 slot', 'consumer 1 slot', 'consumer 2 slot'];
export const CELLS = 2;
export const PAYLOAD_WORDS = 2;
const SHAPE = { capacity: CELLS, messageBytes: PAYLOAD_WORDS * 4, producers: PRODUCERS, consumers: CONSUMERS };
const geometry = workGeometry(SHAPE, 4096);

for (const [index, slot] of SLOTS.entries())
  nameWords(geometry.slotsOffset + index * SLOT.bytes, SLOT.fields, `${slot}.`);
nameWords(geometry.wordsOffset, WORK_WORDS.fields, '');
for (let cell = 0; cell < CELLS; cell++)
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
  readonly startPosition?: number;
  readonly maxDeliveries?: number;
}

/** A lap as the state of a cell has it. */
const lapOf = (position: number): number => (position >>> 1) << 18;

/** The queue before anybody has attached. */
export function prepareQueue(store: Store, { startPosition = 0 }: WorkShape): void {
  store[place('tail')] = startPosition | 0;
  store[place('head')] = startPosition | 0;
  for (let position = startPosition - CELLS; position < startPosition; position++)
    store[place(`cell ${position & (CELLS - 1)}.state`)] = lapOf(position);
}

/** A slot table whose file has an owner without being one. */
class ModelTable extends SlotTable {
  override get owner(): number {
    return 0;
  }
}

/** The queue, opened by the actor that runs: private objects of its own over the shared words. */
export function openModelQueue({ maxDeliveries = 0 }: WorkShape): WorkQueue {
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

/** The view of the messages whose accesses are steps, word by word. */
function messageView(): object {
  const i32 = new Proxy(withoutState({}), {
    get: (_, index) => loadPlain(place(`data ${String(index)}`)),
    set: (_, index, value) => {
      storePlain(place(`data ${String(index)}`), value | 0);
      return true;
    },
  });
  return withoutState({ i32 });
}
