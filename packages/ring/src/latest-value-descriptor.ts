import { LINE_BYTES, SLOT, SUPERBLOCK, signatureOf } from '@memlane/core';

/**
 * The header of a latest value, directly behind the superblock. Written once by the creator.
 *
 * ```text
 *        0               4               8              12
 *    0  | valueBytes    | buffers       | readers       | startVersion  |
 *  128
 * ```
 */
export const LATEST_VALUE_HEADER = {
  name: 'latestValueHeader',
  bytes: 128,
  fields: {
    valueBytes: { type: 'u32', offset: 0, meaning: 'longest value' },
    buffers: { type: 'u32', offset: 4, meaning: 'versions kept at a time; a power of two, 4 or more' },
    readers: { type: 'u32', offset: 8, meaning: 'places for readers that wait' },
    startVersion: { type: 'u32', offset: 12, meaning: 'where the versions began' },
  },
} as const;

/**
 * The two words of the writer. Both on one line: who looks at the one looks at the other.
 *
 * ```text
 *        0               4               8              12
 *    0  | version       | intent        |
 *  128
 * ```
 */
export const LATEST_VALUE = {
  name: 'latestValue',
  bytes: 128,
  fields: {
    version: { type: 'i32', offset: 0, meaning: 'the newest complete version; writer' },
    intent: {
      type: 'i32',
      offset: 4,
      meaning: 'the version whose buffer may be being overwritten; writer, before it does',
    },
  },
} as const;

/**
 * What precedes a value in its buffer. Version v is in buffer v modulo `buffers`.
 *
 * ```text
 *        0               4
 *    0  | notLength     |               |
 *    8
 * ```
 */
export const VALUE = {
  name: 'value',
  bytes: 8,
  fields: {
    notLength: {
      type: 'i32',
      offset: 0,
      meaning: 'bytes of the value, all bits inverted; 0 where nothing was written yet',
    },
  },
} as const;

/** Slot of the writer; those of the readers follow. */
export const WRITER_SLOT = 0;

/** Superblock and header: what is checked before anything is mapped. */
export const LATEST_VALUE_HEAD_BYTES: number = SUPERBLOCK.bytes + LATEST_VALUE_HEADER.bytes;

/** Refuses files of builds that lay any of these out differently. */
export const LATEST_VALUE_SIGNATURE: number = signatureOf([SUPERBLOCK, SLOT, LATEST_VALUE_HEADER, LATEST_VALUE, VALUE]);

/** Where everything is in the file of a latest value. */
export interface LatestValueGeometry {
  readonly slotCount: number;
  readonly slotsOffset: number;
  readonly sleepersOffset: number;
  readonly wordsOffset: number;
  readonly buffersOffset: number;
  /** From one buffer to the next. */
  readonly bufferBytes: number;
  readonly fileLength: number;
}

/** Derives the geometry: head, slots (the writer's first), mask of sleepers, the writer's words, buffers. */
export function latestValueGeometry(valueBytes: number, buffers: number, readers: number): LatestValueGeometry {
  const slotCount = 1 + readers;
  const slotsOffset = align(LATEST_VALUE_HEAD_BYTES, 1024);
  const sleepersOffset = slotsOffset + slotCount * SLOT.bytes;
  const wordsOffset = sleepersOffset + align(Math.ceil(slotCount / 32) * 4, LINE_BYTES);
  const buffersOffset = wordsOffset + LATEST_VALUE.bytes;
  const bufferBytes = align(VALUE.bytes + valueBytes, LINE_BYTES);
  const fileLength = buffersOffset + buffers * bufferBytes;
  return { slotCount, slotsOffset, sleepersOffset, wordsOffset, buffersOffset, bufferBytes, fileLength };
}

function align(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
