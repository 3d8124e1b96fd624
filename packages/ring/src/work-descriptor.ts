import { LINE_BYTES, SLOT, SUPERBLOCK, signatureOf } from '@memlane/core';

/**
 * The header of a work queue's file, directly behind the superblock. Written once by the creator.
 *
 * ```text
 *        0               4               8              12
 *    0  | capacity      | messageBytes  | producers     | consumers     |
 *   16  | maxDeliveries | startPosition | wordsOffset   | cellsOffset   |
 *   32  | dataOffset    | strideBytes   |               |               |
 *  128
 * ```
 */
export const WORK_HEADER = {
  name: 'workHeader',
  bytes: 128,
  fields: {
    capacity: { type: 'u32', offset: 0, meaning: 'cells, each with room for one message; a power of two' },
    messageBytes: { type: 'u32', offset: 4, meaning: 'payload bytes of the longest message' },
    producers: { type: 'u32', offset: 8, meaning: 'slots of producers; they come first' },
    consumers: { type: 'u32', offset: 12, meaning: 'slots of consumers' },
    maxDeliveries: { type: 'u32', offset: 16, meaning: 'deliveries before a message is a dead letter; 0 for no limit' },
    startPosition: { type: 'u32', offset: 20, meaning: 'where the positions began' },
    wordsOffset: { type: 'u32', offset: 24, meaning: 'where the words of the queue begin' },
    cellsOffset: { type: 'u32', offset: 28, meaning: 'where the cells begin' },
    dataOffset: { type: 'u32', offset: 32, meaning: 'where the messages begin; a multiple of the page size' },
    strideBytes: { type: 'u32', offset: 36, meaning: 'from one message to the next' },
  },
} as const;

/**
 * The words of a work queue that all share, each on a pair of cache lines of its own. The two masks have one bit for each
 * slot, in eight words.
 *
 * ```text
 *        0               4
 *    0  | tail          |
 *  128  | head          |
 *  256  | returns       |
 *  384  | sleepers      |
 *  512  | ended         |
 *  640
 * ```
 */
export const WORK_WORDS = {
  name: 'workWords',
  bytes: 640,
  fields: {
    tail: { type: 'i32', offset: 0, meaning: 'position of the next message; a hint that anybody may help forward' },
    head: { type: 'i32', offset: 128, meaning: 'position before which nothing is ready or written; likewise a hint' },
    returns: { type: 'i32', offset: 256, meaning: 'raised after a message has been given back' },
    sleepers: {
      type: 'i32',
      offset: 384,
      meaning: 'first of eight words: bit s is set while the owner of slot s sleeps',
    },
    ended: { type: 'i32', offset: 512, meaning: 'first of eight words: bit s is set when producer s has said end()' },
  },
} as const;

/**
 * What all must agree on about one message: four cells a cache line. One a line would keep neighbours apart (half of the
 * misses when everybody is at the same place), but whoever looks for what has been given back looks at all cells, and would
 * miss the cache at each; beside the payload it would be a page for each of the larger messages.
 *
 * ```text
 *        0               4               8              12
 *    0  | state         | dueSeconds    | dueMs         |               |
 *   16
 * ```
 */
export const WORK_CELL = {
  name: 'workCell',
  bytes: 16,
  fields: {
    state: { type: 'i32', offset: 0, meaning: 'lap << 18 | owner generation << 11 | owner slot << 3 | state' },
    dueSeconds: { type: 'i32', offset: 4, meaning: 'delayed: not before this second since 1970' },
    dueMs: { type: 'i32', offset: 8, meaning: 'delayed: and this millisecond of it' },
  },
} as const;

/**
 * One message, which belongs to whom the state of its cell names.
 *
 * ```text
 *        0               4               8
 *    0  | notLength     | type          | deliveries    |
 *   16  | payload ...
 * ```
 */
export const WORK_MESSAGE = {
  name: 'workMessage',
  bytes: 16,
  fields: {
    notLength: { type: 'i32', offset: 0, meaning: 'bytes of payload, all bits inverted' },
    type: { type: 'i32', offset: 4, meaning: "the user's; memlane gives it no meaning" },
    deliveries: { type: 'i32', offset: 8, meaning: 'times that a consumer has taken it' },
  },
} as const;

/** Superblock and header: what is checked before anything is mapped. */
export const WORK_HEAD_BYTES: number = SUPERBLOCK.bytes + WORK_HEADER.bytes;

/** Refuses files of builds that lay any of these out differently. */
export const WORK_SIGNATURE: number = signatureOf([SUPERBLOCK, SLOT, WORK_HEADER, WORK_WORDS, WORK_CELL, WORK_MESSAGE]);

/** Most participants: their number has eight bits in a state, and the last one means nobody. */
export const MAX_PARTICIPANTS = 255;

/** Messages begin at multiples of this, so that two never share a cache line. */
const MESSAGE_ALIGNMENT = 64;

/** What the geometry of a work queue follows from. */
export interface WorkShape {
  readonly capacity: number;
  readonly messageBytes: number;
  readonly producers: number;
  readonly consumers: number;
}

/** Where everything is in the file of a work queue. */
export interface WorkGeometry {
  readonly slotCount: number;
  readonly slotsOffset: number;
  readonly wordsOffset: number;
  readonly cellsOffset: number;
  readonly dataOffset: number;
  readonly strideBytes: number;
  readonly fileLength: number;
}

/** Derives the geometry: head, slots (producers first), words, cells, then the messages on a page of their own. */
export function workGeometry(shape: WorkShape, pageSize: number): WorkGeometry {
  const { capacity, messageBytes, producers, consumers } = shape;
  const slotCount = producers + consumers;
  const slotsOffset = align(WORK_HEAD_BYTES, 1024);
  const wordsOffset = align(slotsOffset + slotCount * SLOT.bytes, LINE_BYTES);
  const cellsOffset = align(wordsOffset + WORK_WORDS.bytes, LINE_BYTES);
  const dataOffset = align(cellsOffset + capacity * WORK_CELL.bytes, pageSize);
  const strideBytes = align(WORK_MESSAGE.bytes + messageBytes, MESSAGE_ALIGNMENT);
  const fileLength = align(dataOffset + capacity * strideBytes, pageSize);
  return { slotCount, slotsOffset, wordsOffset, cellsOffset, dataOffset, strideBytes, fileLength };
}

function align(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
