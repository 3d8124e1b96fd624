import { memory as coreMemory, SLOT, SlotTable } from '@memlane/core';
import { Ring } from '@memlane/ring';
import { CURSOR, LANE, RECORD, ringGeometry } from '@memlane/ring/layout';
import { fingerprint, withoutState } from './fingerprint.ts';
import { closeDescriptor, newDescriptor, replaceKernel } from './kernel.ts';
import * as memory from './memory.ts';
import { loadPlain, storePlain, wordNames } from './memory.ts';
import { place, type Store } from './places.ts';
import { run } from './run.ts';

/*
 * A ring as the shipped code sees it, over words that the explorer keeps: the same layout and the same classes, but
 * without a file and with a capacity of a few records, which the check of the file's header would refuse.
 */

if (coreMemory.load !== memory.load) throw new Error('Start this program with the module hooks of ./register.ts');

const SLOTS = ['producer slot', 'consumer slot'];
const facts = { topology: 'spsc', producers: 1, consumers: 1, capacityBytes: 4096, maxLevel: 0 } as const;
const geometry = ringGeometry(facts, 4096);
const LANE_BASE = geometry.lanesOffset >> 2;

nameWords(geometry.slotsOffset, SLOT.fields, SLOTS[0] as string);
nameWords(geometry.slotsOffset + SLOT.bytes, SLOT.fields, SLOTS[1] as string);
nameWords(geometry.lanesOffset, LANE.fields, 'lane');
nameWords(geometry.lanesOffset + LANE.bytes, CURSOR.fields, 'lane');

function nameWords(base: number, fields: Record<string, { type: string; offset: number }>, of: string): void {
  for (const [name, { type, offset }] of Object.entries(fields))
    if (type === 'i32') wordNames[(base + offset) >> 2] = `${of}.${name}`;
}

/** Index of a word of the head, by the name that it has in a schedule. */
function wordIndex(name: string): number {
  const index = wordNames.indexOf(name);
  if (index < 0) throw new Error(`There is no word '${name}'`);
  return index;
}

const LOCK_BASE = 1n << 62n;
replaceKernel(
  (index) => place(wordNames[index] as string),
  (byte) => (byte === LOCK_BASE ? 'of attaching' : `of the ${SLOTS[Number(byte - LOCK_BASE - 1024n)]}`),
);

export interface Shape {
  readonly capacityBytes: number;
  readonly startPosition: number;
}

/** The ring before anybody has attached. */
export function prepareRing(store: Store, { startPosition }: Shape): void {
  store[place('lane.published')] = startPosition | 0;
  store[place('lane.consumed')] = startPosition | 0;
}

/** A slot table whose file has an owner without being one. */
class ModelTable extends SlotTable {
  override get owner(): number {
    return 0;
  }
}

/** The ring, opened by the actor that runs: private objects of its own over the shared words. */
export function openModelRing({ capacityBytes }: Shape): Ring {
  // Statistics and what else nobody else looks at is kept here.
  const words = new Int32Array(geometry.dataOffset >> 2);
  const file = {
    fd: newDescriptor(),
    path: '/ring',
    anonymous: false,
    reopen: () => {
      const fd = newDescriptor();
      return { fd, path: '/ring', expectLinked: () => {}, close: () => closeDescriptor(fd) };
    },
  };
  const { slotsOffset, slotCount } = geometry;
  const table = new ModelTable(file as never, { words, address: 0, slotsOffset, slotCount, fileId: 'id' });
  const lane = { words, base: LANE_BASE, view: recordView(capacityBytes), capacityBytes };
  const region = { access: 'readwrite', closed: false, path: '/ring', file, close: () => {} };
  const lanes = {
    facts: { ...facts, capacityBytes, checksums: false, overwrite: false, maxLagBytes: 0 },
    words,
    at: () => lane,
    holding: () => lane,
    consumedOf: () => 0,
    open: () => memory.store(words, wordIndex('lane.ended'), 0),
    announce: () => {},
  };
  return new Ring({ region, table, lanes } as never);
}

/** Says what the actor has done. Part of its history, and invisible to the others. */
export function note(event: string, value = 0): void {
  run().notes.push({ event, value });
}

/** Between two calls of the shipped code: all that the actor's further steps depend on is in these objects and numbers. */
export function checkpoint(objects: object, ...numbers: number[]): void {
  run().checkpoint(() => `${numbers} ${fingerprint(objects)}`);
}

/** Loads a word of the head, as a step. */
export function loadWord(name: string): number {
  return memory.load(undefined as never, wordIndex(name));
}

/** The views of the lane's data whose accesses are steps, word by word, mapped twice as in a file. */
function recordView(capacityBytes: number): object {
  const at = (index: number): number => place(`data ${(index * 4) % capacityBytes}`);
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
    subarray: (from: number, to: number) => {
      const bytes = new DataView(new ArrayBuffer(to - from));
      for (let byte = from; byte < to; byte += 4) bytes.setInt32(byte - from, loadPlain(at(byte / 4)), true);
      return new Uint8Array(bytes.buffer);
    },
  };
  return withoutState({ i32, u8 });
}

/** Bytes of a record's header: what precedes the payload. */
export const HEADER_BYTES: number = RECORD.bytes;
