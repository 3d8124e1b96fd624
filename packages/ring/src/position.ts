/*
 * Three numbers that are never mixed. A position only grows, modulo 2^32, and is compared by difference; an index is a
 * position masked with the capacity; an offset is where something is in memory. Positions are kept as signed 32-bit
 * integers, which is what the shared words hold and what V8 keeps unboxed.
 */

declare const kind: unique symbol;

/** Bytes written to a lane since it began, modulo 2^32. */
export type Position = number & { readonly [kind]: 'position' };

/** A position masked: where its record begins in the data of the lane, in bytes. */
export type Index = number & { readonly [kind]: 'index' };

/** The position `bytes` further on. */
export function advance(position: Position, bytes: number): Position {
  return ((position + bytes) | 0) as Position;
}

/** How far `later` is ahead of `earlier`, in bytes; negative when it is behind. Right for distances below 2^31. */
export function distance(later: Position, earlier: Position): number {
  return (later - earlier) | 0;
}

/** Where the record at `position` begins. */
export function indexOf(position: Position, mask: number): Index {
  return (position & mask) as Index;
}
