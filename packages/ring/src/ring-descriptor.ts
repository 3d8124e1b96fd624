import { LINE_BYTES, SLOT, SUPERBLOCK, signatureOf } from '@memlane/core';
import { CURSOR, LANE } from './lane-descriptor.ts';
import { RECORD } from './record-descriptor.ts';

/**
 * The header of a ring file, directly behind the superblock. Written once by the creator.
 *
 * ```text
 *        0               4               8              12
 *    0  | topology      | producers     | consumers     | capacityBytes |
 *   16  | lanesOffset   | dataOffset    | startPosition | flags         |
 *   32  | streamId                                                      |
 *  128
 * ```
 */
export const RING_HEADER = {
  name: 'ringHeader',
  bytes: 128,
  fields: {
    topology: { type: 'u32', offset: 0, meaning: '1 SPSC' },
    producers: { type: 'u32', offset: 4, meaning: 'lanes, each with one producer slot' },
    consumers: { type: 'u32', offset: 8, meaning: 'cursors of each lane, each with one consumer slot' },
    capacityBytes: { type: 'u32', offset: 12, meaning: 'data bytes of one lane; a power of two' },
    lanesOffset: { type: 'u32', offset: 16, meaning: 'where the lanes begin' },
    dataOffset: { type: 'u32', offset: 20, meaning: 'where the data begins; a multiple of the page size' },
    startPosition: { type: 'u32', offset: 24, meaning: 'where the positions began' },
    flags: { type: 'u32', offset: 28, meaning: 'bit 0: each record has a checksum' },
    streamId: { type: 'id', offset: 32, meaning: 'random; kept by a file that takes the place of a lost one' },
  },
} as const;

/** Bits of `flags`. */
export const RingFlag = { checksums: 1 } as const;

/** How many may write and read. */
export const Topology = { spsc: 1 } as const;

/** Superblock and ring header: what is checked before anything is mapped. */
export const HEAD_BYTES: number = SUPERBLOCK.bytes + RING_HEADER.bytes;

/** Refuses rings of builds that lay any of these out differently. */
export const RING_SIGNATURE: number = signatureOf([SUPERBLOCK, SLOT, RING_HEADER, LANE, CURSOR, RECORD]);

/** Where everything is in a ring file of `producers` lanes with `consumers` cursors each. */
export interface RingGeometry {
  readonly slotCount: number;
  readonly slotsOffset: number;
  readonly lanesOffset: number;
  readonly laneBytes: number;
  readonly dataOffset: number;
  readonly fileLength: number;
}

/** Derives the geometry: head, slots (producers first), lanes, then the data on a page of its own. */
export function ringGeometry(
  producers: number,
  consumers: number,
  capacityBytes: number,
  pageSize: number,
): RingGeometry {
  const slotCount = producers + consumers;
  const slotsOffset = align(HEAD_BYTES, 1024);
  const lanesOffset = align(slotsOffset + slotCount * SLOT.bytes, LINE_BYTES);
  const laneBytes = LANE.bytes + consumers * CURSOR.bytes;
  const dataOffset = align(lanesOffset + producers * laneBytes, pageSize);
  return {
    slotCount,
    slotsOffset,
    lanesOffset,
    laneBytes,
    dataOffset,
    fileLength: dataOffset + producers * capacityBytes,
  };
}

function align(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
