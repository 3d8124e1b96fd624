import { LINE_BYTES, SLOT, SUPERBLOCK, signatureOf } from '@memlane/core';
import { CLASSES, chunkBytesOf, chunksASpan, mostChunks } from './size-classes.ts';

/**
 * The header of a slab, directly behind the superblock. Written once by the creator.
 *
 * ```text
 *        0               4               8              12
 *    0  | participants  | references    | recordBytes   | classes       |
 *   16  | maxBytes                      | sleepersOffset| sharesOffset  |
 *   32  | classesOffset | bitmapsOffset |               |
 *  128
 * ```
 */
export const SLAB_HEADER = {
  name: 'slabHeader',
  bytes: 128,
  fields: {
    participants: { type: 'u32', offset: 0, meaning: 'how many threads may hold buffers at a time: slots' },
    references: { type: 'u32', offset: 4, meaning: 'how many references to one buffer may be under way at a time' },
    recordBytes: { type: 'u32', offset: 8, meaning: 'from the record of one chunk to that of the next' },
    classes: { type: 'u32', offset: 12, meaning: 'size classes: chunks of 64 bytes, of 128, and so on' },
    maxBytes: { type: 'f64', offset: 16, meaning: 'space that the chunks may take of the file system' },
    sleepersOffset: { type: 'u32', offset: 24, meaning: 'where the mask of sleepers begins, one bit a slot' },
    sharesOffset: { type: 'u32', offset: 28, meaning: 'where the words of the participants begin' },
    classesOffset: { type: 'u32', offset: 32, meaning: 'where the words of the size classes begin' },
    bitmapsOffset: { type: 'u32', offset: 36, meaning: 'where the maps of free chunks begin' },
  },
} as const;

/**
 * What all chunks together take.
 *
 * ```text
 *        0
 *    0  | reservedPages |
 *  128
 * ```
 */
export const SLAB_WORDS = {
  name: 'slabWords',
  bytes: 128,
  fields: {
    reservedPages: {
      type: 'i32',
      offset: 0,
      meaning: 'pages whose space is reserved, or about to be; who dies in between leaves it too large',
    },
  },
} as const;

/**
 * One for each participant slot.
 *
 * ```text
 *        0
 *    0  | uses          |
 *  128
 * ```
 */
export const SHARE = {
  name: 'share',
  bytes: 128,
  fields: {
    uses: {
      type: 'i32',
      offset: 0,
      meaning:
        'not 0 while records of chunks may name the slot; raised when it is taken, and for each reference to its owner',
    },
  },
} as const;

/**
 * One for each size class.
 *
 * ```text
 *        0
 *    0  | chunks        |
 *  128
 * ```
 */
export const SIZE_CLASS = {
  name: 'sizeClass',
  bytes: 128,
  fields: {
    chunks: { type: 'i32', offset: 0, meaning: 'chunks that there are; the space of their records is reserved' },
  },
} as const;

/**
 * What all must agree on about one chunk. Behind these words the holders, one bit a participant slot, in words of 32; behind
 * them the references under way; together `recordBytes`. All zero: a chunk that is free and never was anything else.
 *
 * ```text
 *        0               4               8              12
 *    0  | state         | generation    | length        | reservedPages |
 *   16  | holders ...
 * ```
 */
export const CHUNK = {
  name: 'chunk',
  bytes: 16,
  fields: {
    state: {
      type: 'i32',
      offset: 0,
      meaning: 'slot * 4 + 0 free, 1 being taken by that slot, 2 live (no slot), 3 being looked at by that slot',
    },
    generation: { type: 'i32', offset: 4, meaning: 'raised each time it is taken' },
    length: { type: 'i32', offset: 8, meaning: 'bytes that were asked for' },
    reservedPages: {
      type: 'i32',
      offset: 12,
      meaning: 'of a chunk of 64 KiB or more: pages at its beginning whose space is reserved',
    },
  },
} as const;

/**
 * A reference under way. Fields but the state are valid while that says carried.
 *
 * ```text
 *        0               4               8              12
 *    0  | state         | carrier       | lane          | position      |
 *   16
 * ```
 */
export const TICKET = {
  name: 'ticket',
  bytes: 16,
  fields: {
    state: {
      type: 'i32',
      offset: 0,
      meaning: 'generation << 12 | slot << 2 | 0 free, 1 held for that slot, 2 carried by a message',
    },
    carrier: { type: 'i32', offset: 4, meaning: 'names the ring or queue that has the message' },
    lane: { type: 'i32', offset: 8, meaning: 'and its lane there' },
    position: { type: 'i32', offset: 12, meaning: 'and where it ends' },
  },
} as const;

/** Superblock and header: what is checked before anything is mapped. */
export const SLAB_HEAD_BYTES: number = SUPERBLOCK.bytes + SLAB_HEADER.bytes;

/** Refuses files of builds that lay any of these out differently. */
export const SLAB_SIGNATURE: number = signatureOf([
  SUPERBLOCK,
  SLOT,
  SLAB_HEADER,
  SLAB_WORDS,
  SHARE,
  SIZE_CLASS,
  CHUNK,
  TICKET,
]);

/** Participant slots: their number has ten bits in a state. */
export const MOST_PARTICIPANTS = 1024;
/** References under way to one buffer: their number has five bits in a reference. */
export const MOST_REFERENCES = 32;

/** What the geometry of a slab follows from. */
export interface SlabScale {
  readonly participants: number;
  readonly references: number;
  readonly maxBytes: number;
}

/** Where the chunks of a size class are. */
export interface ClassGeometry {
  readonly chunkBytes: number;
  /** Chunks that there may be at the most. */
  readonly most: number;
  /** Where its map of free chunks begins, one bit a chunk. */
  readonly bitmapOffset: number;
  /** Where its first span begins: records, then chunks. */
  readonly spansOffset: number;
  /** Chunks that are mapped together; a power of two. */
  readonly chunksASpan: number;
  /** From the beginning of a span to its first chunk. */
  readonly dataOffset: number;
  readonly spanBytes: number;
}

/** Where everything is in a slab. */
export interface SlabGeometry {
  readonly slotsOffset: number;
  readonly sleepersOffset: number;
  readonly wordsOffset: number;
  readonly sharesOffset: number;
  readonly classesOffset: number;
  readonly bitmapsOffset: number;
  readonly recordBytes: number;
  /** Where in a record the tickets begin. */
  readonly ticketsOffset: number;
  /** Bytes of the file that every participant maps. */
  readonly headLength: number;
  readonly classes: readonly ClassGeometry[];
  readonly fileLength: number;
}

/**
 * Derives the geometry: head, slots, the words of all, the maps of free chunks, then for each class its spans, one behind
 * the other. The file is as long as if each class could take everything; space is reserved only for what is in use.
 */
export function slabGeometry({ participants, references, maxBytes }: SlabScale, pageSize: number): SlabGeometry {
  const slotsOffset = align(SLAB_HEAD_BYTES, 1024);
  const sleepersOffset = slotsOffset + participants * SLOT.bytes;
  const wordsOffset = align(sleepersOffset + maskBytes(participants), LINE_BYTES);
  const sharesOffset = wordsOffset + SLAB_WORDS.bytes;
  const classesOffset = sharesOffset + participants * SHARE.bytes;
  const sizes = Array.from({ length: CLASSES }, (_, index) => chunkBytesOf(index)).filter((size) => size <= maxBytes);
  const bitmapsOffset = align(classesOffset + sizes.length * SIZE_CLASS.bytes, pageSize);
  const ticketsOffset = align(CHUNK.bytes + maskBytes(participants), TICKET.bytes);
  const recordBytes = align(ticketsOffset + references * TICKET.bytes, LINE_BYTES);
  let bitmapOffset = bitmapsOffset;
  const maps = sizes.map((chunkBytes, index) => {
    const most = mostChunks(index, maxBytes);
    const map = { chunkBytes, most, bitmapOffset };
    bitmapOffset += align(maskBytes(most), LINE_BYTES);
    return map;
  });
  const headLength = align(bitmapOffset, pageSize);
  let spansOffset = headLength;
  const classes = maps.map((map, index) => {
    const chunks = chunksASpan(index);
    const dataOffset = align(chunks * recordBytes, pageSize);
    const spanBytes = dataOffset + align(chunks * map.chunkBytes, pageSize);
    const geometry = { ...map, spansOffset, chunksASpan: chunks, dataOffset, spanBytes };
    spansOffset += Math.ceil(map.most / chunks) * spanBytes;
    return geometry;
  });
  return {
    slotsOffset,
    sleepersOffset,
    wordsOffset,
    sharesOffset,
    classesOffset,
    bitmapsOffset,
    recordBytes,
    ticketsOffset,
    headLength,
    classes,
    fileLength: spansOffset,
  };
}

/** Bytes of a mask with one bit each, in words of 32. */
function maskBytes(bits: number): number {
  return Math.ceil(bits / 32) * 4;
}

function align(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}
