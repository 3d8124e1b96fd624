import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { type Descriptor, type FieldType, SLOT, SUPERBLOCK } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { CURSOR, LANE, NAMED_CURSOR, RING_HEADER, type RingGeometry, ringGeometry } from '@memlane/ring/layout';
import type { RingShape } from 'memlane';
import { unpaired } from '../support/bells.ts';

/** Slots of a ring for one producer and one consumer. */
export const PRODUCER = 0;
export const CONSUMER = 1;

/** A structure at its place in the file. */
export interface Placed {
  readonly descriptor: Descriptor;
  readonly offset: number;
}

const geometry: RingGeometry = ringGeometry(
  { topology: 'spsc', producers: 1, consumers: 1, capacityBytes: PAGE_SIZE, maxLevel: 0 },
  PAGE_SIZE,
);

export const superblock: Placed = { descriptor: SUPERBLOCK, offset: 0 };
export const ringHeader: Placed = { descriptor: RING_HEADER, offset: SUPERBLOCK.bytes };
export const lane: Placed = { descriptor: LANE, offset: geometry.lanesOffset };
export const cursor: Placed = { descriptor: CURSOR, offset: geometry.lanesOffset + LANE.bytes };
export const dataOffset: number = geometry.dataOffset;

export function slot(index: number): Placed {
  return { descriptor: SLOT, offset: geometry.slotsOffset + index * SLOT.bytes };
}

/** Where everything is in a ring of any shape. */
export interface Places {
  readonly geometry: RingGeometry;
  /** Producers first. */
  readonly slots: readonly Placed[];
  readonly lanes: readonly Placed[];
  /** By lane, then by consumer. */
  readonly cursors: readonly (readonly Placed[])[];
  /** None where consumers have no names. */
  readonly names: readonly Placed[];
}

export function placesOf({
  topology = 'spsc',
  producers = 1,
  consumers = 1,
  capacityBytes = PAGE_SIZE,
}: RingShape): Places {
  const geometry = ringGeometry({ topology, producers, consumers, capacityBytes, maxLevel: 0 }, PAGE_SIZE);
  const row = (descriptor: Descriptor, first: number, count: number, apart: number = descriptor.bytes): Placed[] =>
    Array.from({ length: count }, (_, index) => ({ descriptor, offset: first + index * apart }));
  const lanes = row(LANE, geometry.lanesOffset, producers, geometry.laneBytes);
  return {
    geometry,
    slots: row(SLOT, geometry.slotsOffset, producers + consumers),
    lanes,
    cursors: lanes.map(({ offset }) => row(CURSOR, offset + LANE.bytes, consumers)),
    names: geometry.namesOffset === 0 ? [] : row(NAMED_CURSOR, geometry.namesOffset, consumers),
  };
}

/** Where a field is in the file, and what it is. */
export function locate({ descriptor, offset }: Placed, name: string): { type: FieldType; offset: number } {
  const field = descriptor.fields[name];
  if (field === undefined) throw new Error(`${descriptor.name} has no ${name}`);
  return { type: field.type, offset: offset + field.offset };
}

/** A number of a ring file, read past every mapping. */
export function peek(path: string, placed: Placed, name: string): number {
  const { type, offset } = locate(placed, name);
  const bytes = readBytes(path, offset, type === 'f64' ? 8 : 4);
  if (type === 'f64') return bytes.readDoubleLE();
  return type === 'i32' ? bytes.readInt32LE() : bytes.readUInt32LE();
}

/** Writes a number into a ring file, past every mapping: what a hostile peer or a broken disk does. */
export function poke(path: string, placed: Placed, name: string, value: number): void {
  const { type, offset } = locate(placed, name);
  const bytes = Buffer.alloc(type === 'f64' ? 8 : 4);
  if (type === 'f64') bytes.writeDoubleLE(value);
  else bytes.writeInt32LE(value | 0);
  writeBytes(path, offset, bytes);
}

export function readBytes(path: string, offset: number, length: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(length);
    readSync(fd, bytes, 0, length, offset);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

export function writeBytes(path: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(fd);
  }
}

const ASLEEP = 2;

/** Whether the owner of a slot sleeps, or died while it did. */
export function asleep(path: string, index: number): boolean {
  return (peek(path, slot(index), 'parked') & ASLEEP) !== 0;
}

/** The bells in a folder, without what all of one file begin with: 'SLOT.GENERATION'. */
export function bellsIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.startsWith('.memlane-bell-'));
  return unpaired(names.map((name) => name.split('.').slice(2).join('.'))).sort();
}

/** Everything that tells why a ring stands still, for the message of a watchdog. */
export function ringState(path: string): string {
  const line = (placed: Placed, names: readonly string[]): string =>
    `${placed.descriptor.name} @${placed.offset}: ${names.map((name) => `${name} ${peek(path, placed, name)}`).join(', ')}`;
  const words = ['state', 'generation', 'parked', 'bell', 'pid', 'messages', 'refusals', 'parks', 'rings'];
  return [
    line(slot(PRODUCER), words),
    line(slot(CONSUMER), words),
    line(lane, ['published', 'ended']),
    line(cursor, ['consumed']),
  ].join('\n');
}
