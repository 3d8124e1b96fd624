import { LINE_BYTES, SLOT, SUPERBLOCK, signatureOf } from '@memlane/core';

/**
 * The header of a file of counters, directly behind the superblock. Written once by the creator.
 *
 * ```text
 *        0               4               8              12
 *    0  | counters      | participants  |
 *  128
 * ```
 */
export const COUNTERS_HEADER = {
  name: 'countersHeader',
  bytes: 128,
  fields: {
    counters: { type: 'u32', offset: 0, meaning: 'how many there may be at a time' },
    participants: { type: 'u32', offset: 4, meaning: 'how many may count at a time: slots, and rows of cells' },
  },
} as const;

/**
 * What is said of one counter or gauge. The label follows the words, in UTF-8, to the end.
 *
 * ```text
 *        0               4               8              12
 *    0  | status        | setter        | owner         | labelBytes    |
 *   16  | allocatedAtMs                 |
 *   32  |
 *  256
 * ```
 */
export const COUNTER = {
  name: 'counter',
  bytes: 256,
  fields: {
    status: {
      type: 'i32',
      offset: 0,
      meaning:
        'generation * 4 + what it is (0 free, 1 counter, 2 gauge); the generation is raised when it is allocated',
    },
    setter: {
      type: 'i32',
      offset: 4,
      meaning: 'of a gauge: generation * 2048 + 1 + slot of whoever set it last, + 0 while nobody has',
    },
    owner: { type: 'i32', offset: 8, meaning: '1 + slot with which it is freed; 0 when it is kept' },
    labelBytes: { type: 'i32', offset: 12, meaning: 'length of the label' },
    allocatedAtMs: { type: 'f64', offset: 16, meaning: 'milliseconds since 1970' },
  },
} as const;

/**
 * What one participant has contributed to one counter, or set a gauge to. Written by the owner of the slot alone.
 *
 * ```text
 *        0               4               8              12
 *    0  | status        |               | value                         |
 *   16
 * ```
 */
export const CELL = {
  name: 'cell',
  bytes: 16,
  fields: {
    status: {
      type: 'i32',
      offset: 0,
      meaning: 'that of the counter which the value belongs to; otherwise it counts as 0',
    },
    value: { type: 'f64', offset: 8, meaning: 'all that the owners of this slot have added; or what one has set' },
  },
} as const;

/** What a counter is: the low bits of `status`. */
export const CounterKind = { free: 0, counter: 1, gauge: 2 } as const;
export const GENERATION_SHIFT = 2;
/** Bits of `setter` below the generation. */
export const SETTER_SHIFT = 11;
/** Where the label begins, and its most bytes. */
export const LABEL_OFFSET = 32;
export const MAX_LABEL_BYTES: number = COUNTER.bytes - LABEL_OFFSET;

/** Superblock and header: what is checked before anything is mapped. */
export const COUNTERS_HEAD_BYTES: number = SUPERBLOCK.bytes + COUNTERS_HEADER.bytes;

/** Refuses files of builds that lay any of these out differently. */
export const COUNTERS_SIGNATURE: number = signatureOf([SUPERBLOCK, SLOT, COUNTERS_HEADER, COUNTER, CELL]);

/** Where everything is in a file of counters. */
export interface CountersGeometry {
  readonly slotCount: number;
  readonly slotsOffset: number;
  readonly countersOffset: number;
  readonly cellsOffset: number;
  /** From one participant's cells to the next one's. */
  readonly rowBytes: number;
  readonly fileLength: number;
}

/** Derives the geometry: head, slots, counters, then a row of cells for each slot, on lines of its own. */
export function countersGeometry(counters: number, participants: number): CountersGeometry {
  const slotsOffset = align(COUNTERS_HEAD_BYTES, 1024);
  const countersOffset = slotsOffset + participants * SLOT.bytes;
  const cellsOffset = countersOffset + counters * COUNTER.bytes;
  const rowBytes = align(counters * CELL.bytes, LINE_BYTES);
  const fileLength = cellsOffset + participants * rowBytes;
  return { slotCount: participants, slotsOffset, countersOffset, cellsOffset, rowBytes, fileLength };
}

function align(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
