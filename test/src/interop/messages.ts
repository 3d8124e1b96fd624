/*
 * Messages that can be recognised, in C too (test/interop/peer.c): message n of a producer has a length and contents that
 * follow from the two; the first eight bytes are the number of the producer and n, which is its type as well.
 */

/** Bytes of message `n` of a producer: 8 to `longest`. */
export function lengthOf(id: number, n: number, longest: number): number {
  return 8 + (((Math.imul(n, -1640531535) ^ Math.imul(id, 40503)) >>> 8) % (longest - 7));
}

/** Byte `i` of its contents, behind the first eight. */
export function byteOf(id: number, n: number, i: number): number {
  return (i * 31 + n * 7 + id * 13) & 255;
}
