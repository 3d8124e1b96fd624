/**
 * One record in the data of a lane: a header, the payload, and padding to the next multiple of eight bytes. The data is
 * mapped twice back to back, so a record that wraps around the end is contiguous all the same; there is no padding
 * record, and nothing in a record says whether it is published: the lane's position does.
 *
 * ```text
 *        0               4
 *    0  | notLength     | type          |
 *    8  | payload ...
 * ```
 *
 * The length is stored as its complement: a header of zeros, which is what a page that has been lost reads as, is none.
 * A length of -2 is a mark, without payload: the stream goes on in the newer segment of the lane, at the next position.
 * In a ring with checksums four more bytes stand behind the payload, at the next multiple of four.
 */
export const RECORD = {
  name: 'record',
  bytes: 8,
  fields: {
    notLength: { type: 'i32', offset: 0, meaning: 'bytes of payload, all bits inverted' },
    type: { type: 'i32', offset: 4, meaning: "the user's; memlane gives it no meaning" },
  },
} as const;

/** Bytes before the payload. */
export const HEADER_BYTES: number = RECORD.bytes;

/** Records begin at multiples of this, so that payloads are aligned for every type of view. */
export const ALIGNMENT = 8;

// Unexported, hence constants in the generated code: see lane-writer.ts.
const alignment = ALIGNMENT;
const roundingUp = HEADER_BYTES + ALIGNMENT - 1;

/** The length of a mark behind which the stream goes on in another segment. */
export const MOVED_ON = -2;

/** Bytes behind the payload, in a ring with checksums. */
export const CHECKSUM_BYTES = 4;

/** Where the checksum begins, counted from the payload's beginning. */
export function checksumOffset(length: number): number {
  return (length + 3) & -4;
}

/** Bytes that a record of `length` payload bytes takes in the lane; `trailerBytes` is {@link CHECKSUM_BYTES} or 0. */
export function recordBytes(length: number, trailerBytes: number): number {
  return (length + trailerBytes + roundingUp) & -alignment;
}
