import { LINE_BYTES, SLOT, SUPERBLOCK, signatureOf } from '@memlane/core';
import { CURSOR, LANE } from './lane-descriptor.ts';
import { NAMED_CURSOR } from './named-cursor-descriptor.ts';
import { RECORD } from './record-descriptor.ts';

/**
 * The header of a ring file, directly behind the superblock. Written once by the creator.
 *
 * ```text
 *        0               4               8              12
 *    0  | topology      | producers     | consumers     | capacityBytes |
 *   16  | lanesOffset   | dataOffset    | startPosition | flags         |
 *   32  | streamId                                                      |
 *   48  | maxLagBytes   | namesOffset   | changesOffset | sleepersOffset|
 *   64  | maxLevel      |               |               |               |
 *  128
 * ```
 */
export const RING_HEADER = {
  name: 'ringHeader',
  bytes: 128,
  fields: {
    topology: { type: 'u32', offset: 0, meaning: '1 SPSC, 2 MPSC, 3 broadcast, 4 bus' },
    producers: { type: 'u32', offset: 4, meaning: 'lanes, each with one producer slot' },
    consumers: { type: 'u32', offset: 8, meaning: 'cursors of each lane, each with one consumer slot' },
    capacityBytes: { type: 'u32', offset: 12, meaning: 'data bytes of one lane; a power of two' },
    lanesOffset: { type: 'u32', offset: 16, meaning: 'where the lanes begin' },
    dataOffset: { type: 'u32', offset: 20, meaning: 'where the data begins; a multiple of the page size' },
    startPosition: { type: 'u32', offset: 24, meaning: 'where the positions began' },
    flags: {
      type: 'u32',
      offset: 28,
      meaning: 'bit 0: each record has a checksum; bit 1: unread records are overwritten',
    },
    streamId: { type: 'id', offset: 32, meaning: 'random; kept by a file that takes the place of a lost one' },
    maxLagBytes: { type: 'u32', offset: 48, meaning: 'a consumer further behind is passed over; 0: none is' },
    namesOffset: { type: 'u32', offset: 52, meaning: 'where the names of the consumer places begin, if they have any' },
    changesOffset: { type: 'u32', offset: 56, meaning: 'where the word is that is raised when a producer attaches' },
    sleepersOffset: {
      type: 'u32',
      offset: 60,
      meaning: 'where the mask of sleepers begins, one bit a slot, if there is one',
    },
    maxLevel: { type: 'u32', offset: 64, meaning: 'a lane may grow to capacityBytes * 2^maxLevel' },
  },
} as const;

/** Bits of `flags`. */
export const RingFlag = { checksums: 1, overwrite: 2 } as const;
/** All of them. */
export const RING_FLAGS: number = RingFlag.checksums | RingFlag.overwrite;

/** How many may write and read; the number in the file. */
export const TopologyCode = { spsc: 1, mpsc: 2, broadcast: 3, bus: 4 } as const;
export type Topology = keyof typeof TopologyCode;

/** Whether a ring of that topology has many producers, and whether every consumer reads every message. */
export const hasManyProducers = (topology: Topology): boolean => topology === 'mpsc' || topology === 'bus';
export const isBroadcast = (topology: Topology): boolean => topology === 'broadcast' || topology === 'bus';

/** Whether each lane is mapped by itself, instead of with the head. */
export const isMappedByLane = ({ topology, maxLevel }: RingScale): boolean =>
  hasManyProducers(topology) || maxLevel > 0;

/** Superblock and ring header: what is checked before anything is mapped. */
export const HEAD_BYTES: number = SUPERBLOCK.bytes + RING_HEADER.bytes;

/** Refuses rings of builds that lay any of these out differently. */
export const RING_SIGNATURE: number = signatureOf([SUPERBLOCK, SLOT, RING_HEADER, NAMED_CURSOR, LANE, CURSOR, RECORD]);

/** What the geometry of a ring file follows from. */
export interface RingScale {
  readonly topology: Topology;
  readonly producers: number;
  readonly consumers: number;
  readonly capacityBytes: number;
  /** A lane may grow to `capacityBytes * 2 ** maxLevel`. */
  readonly maxLevel: number;
}

/** Where everything is in a ring file. */
export interface RingGeometry {
  readonly slotCount: number;
  readonly slotsOffset: number;
  /** The mask of sleepers, one bit a slot; 0 where there is none. */
  readonly sleepersOffset: number;
  /** The names of the consumers' places; 0 where they have none. */
  readonly namesOffset: number;
  /** The word that is raised whenever a producer has attached. */
  readonly changesOffset: number;
  readonly lanesOffset: number;
  readonly laneBytes: number;
  readonly dataOffset: number;
  /** Bytes of the file for the data of one lane: a segment for each level. */
  readonly extentBytes: number;
  readonly fileLength: number;
}

/** Derives the geometry: head, slots (producers first), what broadcasting needs, lanes, then the data on pages of its own. */
export function ringGeometry(
  { topology, producers, consumers, capacityBytes, maxLevel }: RingScale,
  pageSize: number,
): RingGeometry {
  const slotCount = producers + consumers;
  const slotsOffset = align(HEAD_BYTES, 1024);
  const changesOffset = slotsOffset + slotCount * SLOT.bytes;
  const broadcastOffset = changesOffset + LINE_BYTES;
  const namesOffset = broadcastOffset + align(Math.ceil(slotCount / 32) * 4, LINE_BYTES);
  const lanesOffset = isBroadcast(topology) ? namesOffset + consumers * NAMED_CURSOR.bytes : broadcastOffset;
  const laneBytes = LANE.bytes + consumers * CURSOR.bytes;
  const extentBytes = segmentOffset(capacityBytes, maxLevel + 1);
  const dataOffset = align(lanesOffset + producers * laneBytes, pageSize);
  return {
    slotCount,
    slotsOffset,
    sleepersOffset: isBroadcast(topology) ? broadcastOffset : 0,
    namesOffset: isBroadcast(topology) ? namesOffset : 0,
    changesOffset,
    lanesOffset,
    laneBytes,
    dataOffset,
    extentBytes,
    fileLength: dataOffset + producers * extentBytes,
  };
}

/** Where the segment of a level begins in the data of its lane: behind those of the levels below. */
export function segmentOffset(capacityBytes: number, level: number): number {
  return capacityBytes * (2 ** level - 1);
}

/** Bytes that may be unread in one lane: of two segments, where it may grow. */
export function mostUnread({ capacityBytes, maxLevel }: RingScale): number {
  return maxLevel > 0 ? 2 * capacityBytes * 2 ** maxLevel : capacityBytes;
}

function align(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
