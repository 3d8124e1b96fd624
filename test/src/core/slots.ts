import { memory, type Participant, Region, type RegionDescriptor, type SLOT, type SlotTable } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { unpaired } from '../support/bells.ts';
import { Program } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { attachTable, FILE_ID, tableOf, wordOf } from './participation.ts';

/** The byte whose lock is the attach lock; part of the layout, so that other builds keep out. */
export const ATTACH_BYTE: bigint = 1n << 62n;

/** A file with slots, and two tables of it as two processes would have them. */
export interface Slots extends Disposable {
  readonly path: string;
  readonly scratch: Scratch;
  readonly descriptor: RegionDescriptor;
  readonly table: SlotTable;
  readonly other: SlotTable;
  /** A word of a slot, read through the other table. */
  word(slot: number, field: keyof typeof SLOT.fields): number;
  /** Starts the program `core-participant`. */
  start(scene: string, slot: number, more?: object, nodeOptions?: readonly string[]): Program;
}

export function slots(): Slots {
  const scratch = scratchFolder();
  const path = scratch.file('slots');
  const region = Region.create(path, PAGE_SIZE);
  const descriptor = region.descriptor();
  const other = attachTable(descriptor);
  return {
    path,
    scratch,
    descriptor,
    table: tableOf(region),
    other: other.table,
    word: (slot, field) => memory.load(other.table.words, wordOf(slot, field)),
    start: (scene, slot, more = {}, nodeOptions = []) =>
      new Program('core-participant', { descriptor, scene, slot, ...more }, { nodeOptions }),
    [Symbol.dispose]: () => {
      other[Symbol.dispose]();
      region.close();
      scratch[Symbol.dispose]();
    },
  };
}

/** The bells in a folder, without the part of the name that they share; a sign of life only when its bell is missing. */
export const bellsIn = (scratch: Scratch): string[] =>
  unpaired(scratch.entries().flatMap((name) => name.split(`.memlane-bell-${FILE_ID}.`).slice(1)));

/** A participant that leaves at the end of the scope. */
export function leaving(participant: Participant): Disposable & { readonly it: Participant } {
  return { it: participant, [Symbol.dispose]: () => participant.leave() };
}

/** Nothing to recover. */
export const nothing = (): void => {};
