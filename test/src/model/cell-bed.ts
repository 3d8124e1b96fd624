import { memory as coreMemory, SLOT, SlotTable } from '@memlane/core';
import { fingerprint } from './fingerprint.ts';
import { closeDescriptor, type News, newDescriptor, replaceKernel } from './kernel.ts';
import * as memory from './memory.ts';
import { wordNames } from './memory.ts';
import { place } from './places.ts';
import { run } from './run.ts';

/*
 * What the beds of rings, of the latest value and of counters have in common: a file that is none, with slots, over words
 * that the explorer keeps.
 */

if (coreMemory.load !== memory.load) throw new Error('Start this program with the module hooks of ./register.ts');

interface Fields {
  readonly [name: string]: { readonly type: string; readonly offset: number };
}

/** Names the 32-bit words of a structure at a byte of the file. */
export function nameWords(base: number, fields: Fields, of: string): void {
  for (const [name, { type, offset }] of Object.entries(fields))
    if (type === 'i32') wordNames[(base + offset) >> 2] = `${of}.${name}`;
}

const LOCK_BASE = 1n << 62n;

/** Names the slots of the file, and puts the model of the kernel in the place of the system calls; see there for `news`. */
export function layOut(slotsOffset: number, slots: readonly string[], news?: News): void {
  for (const [index, name] of slots.entries()) nameWords(slotsOffset + index * SLOT.bytes, SLOT.fields, name);
  replaceKernel(
    (index) => place(wordNames[index] as string),
    (byte) => (byte === LOCK_BASE ? 'of attaching' : `of the ${slots[Number(byte - LOCK_BASE - 1024n)]}`),
    news,
  );
}

/** A slot table whose file has an owner without being one. */
class ModelTable extends SlotTable {
  override get owner(): number {
    return 0;
  }
}

const PATH = '/file';

/** What stands for a file that is mapped. */
interface ModelFile {
  readonly region: object;
  readonly table: SlotTable;
  readonly words: Int32Array;
}

interface Extras {
  readonly sleepersOffset?: number | undefined;
  /** What else the file can do. */
  readonly file?: object;
}

/** A region and its slots, opened by the actor that runs. */
export function openModelFile(
  slotsOffset: number,
  slotCount: number,
  bytes: number,
  { sleepersOffset, file: more }: Extras = {},
): ModelFile {
  // Statistics and what else nobody else looks at is kept here.
  const words = new Int32Array(bytes >> 2);
  const file = {
    fd: newDescriptor(),
    path: PATH,
    anonymous: false,
    reopen: () => {
      const fd = newDescriptor();
      return { fd, path: PATH, expectLinked: () => {}, close: () => closeDescriptor(fd) };
    },
    ...more,
  };
  const places = { words, address: 0, slotsOffset, slotCount, fileId: 'id', sleepersOffset };
  const table = new ModelTable(file as never, places);
  const region = {
    access: 'readwrite',
    closed: false,
    path: PATH,
    file,
    buffer: words.buffer,
    close: () => {},
    verify: () => {},
  };
  return { region, table, words };
}

/** A word of the file, by its index, as a step. Not a plain one: that they race is what the protocol is there for. */
export const racy: { load(index: number): number; store(index: number, value: number): void } = {
  load: (index) => memory.load(undefined as never, index),
  store: (index, value) => memory.store(undefined as never, index, value),
};

/** Says what the actor has done. Part of its history, and invisible to the others. */
export function note(event: string, value = 0): void {
  run().notes.push({ event, value });
}

/** Between two calls of the shipped code: all that the actor's further steps depend on is in these objects and numbers. */
export function checkpoint(objects: object, ...numbers: number[]): void {
  run().checkpoint(() => `${numbers} ${fingerprint(objects)}`);
}
