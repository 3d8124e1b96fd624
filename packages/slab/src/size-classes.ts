/** Size classes: chunks of 64 bytes, of 128, and so on up to 1 GiB. */
export const CLASSES = 25;
const SMALLEST_SHIFT = 6;

/** Longest buffer, in bytes. */
export const MAX_LENGTH: number = 2 ** 30;

/**
 * From this size on, the space of a chunk is reserved by whoever takes it, as much as it asks for, and given back when there
 * is none left for others. Smaller ones are reserved in rows of so many bytes, and kept.
 */
export const LARGE_BYTES = 65_536;

/** Chunks of a class at the most: their number has 24 bits in a reference. */
const MOST_CHUNKS: number = 2 ** 24;
/** Bytes that are mapped at once, where more than one chunk is. */
const SPAN_BYTES: number = 2 ** 22;

/** The class whose chunks are the smallest that take `length` bytes. */
export function classOf(length: number): number {
  return length <= 1 << SMALLEST_SHIFT ? 0 : 32 - Math.clz32(length - 1) - SMALLEST_SHIFT;
}

export function chunkBytesOf(sizeClass: number): number {
  return 2 ** (sizeClass + SMALLEST_SHIFT);
}

export function chunksASpan(sizeClass: number): number {
  return Math.max(1, SPAN_BYTES / chunkBytesOf(sizeClass));
}

/** Chunks that a class may have in a slab of `maxBytes`. */
export function mostChunks(sizeClass: number, maxBytes: number): number {
  return Math.min(MOST_CHUNKS, Math.floor(maxBytes / chunkBytesOf(sizeClass)));
}

/** Chunks by which a class grows that has so many. */
export function chunksToGrowBy(sizeClass: number, chunks: number, most: number): number {
  const row = Math.max(1, LARGE_BYTES / chunkBytesOf(sizeClass));
  // The half again, so that a search that finds nothing pays off: up to a span at once.
  return Math.min(most - chunks, chunksASpan(sizeClass), Math.max(row, chunks >> 1));
}
