import { readFileSync } from 'node:fs';
import { CHECKSUM_BYTES, HEADER_BYTES, recordBytes } from '@memlane/ring/layout';
import { createRing } from 'memlane';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { dataOffset } from '../ring/ring-bytes.ts';
import { fill } from '../ring/traffic.ts';

/** A message as it is in a ring, or came out of one. */
export interface Known {
  readonly type: number;
  readonly data: Uint8Array;
}

/** A message that lies in the file. */
export interface Stocked extends Known {
  /** Where its record begins in the file. */
  readonly recordOffset: number;
  /** Bytes that it takes there. */
  readonly recordBytes: number;
}

/** A ring file that holds messages which are known. */
export interface Stock {
  readonly bytes: Buffer;
  readonly messages: readonly Stocked[];
  readonly backlogBytes: number;
  readonly checksums: boolean;
}

/** Lengths on both sides of the padding, and what lies across the end of the data. */
const LENGTHS = [0, 1, 7, 8, 9, 16, 500, 0, 33, 1000, 40, 3, 800];
const SEED = 4711;
/** Type of what has been read before. */
export const USED_TYPE = 0x7777;

/** The message `n` of that length. */
function known(n: number, length: number): Known {
  const data = new Uint8Array(length);
  fill(data, 0, length, { seed: SEED, maxLength: length }, n);
  return { type: 0x0101_0101 * (n + 1), data };
}

/** Makes such a file at `path`; a part of the ring has been used before, and the records go over its end. */
export function stock(path: string, startPosition: number, checksums: boolean): Stock {
  using ring = createRing(path, { capacityBytes: CAPACITY, startPosition, checksums });
  using producer = ring.producer();
  using consumer = ring.consumer();
  for (let n = 0; n < 3; n++) producer.tryWrite(new Uint8Array(300).fill(0xee), USED_TYPE);
  consumer.poll(() => {});
  const bytesOf = (length: number): number => recordBytes(length, checksums ? CHECKSUM_BYTES : 0);
  const used = startPosition + 3 * bytesOf(300);
  let position = used;
  const messages = LENGTHS.map((length, n): Stocked => {
    const message = known(n, length);
    if (!producer.tryWrite(message.data, message.type)) throw new Error('the stock does not fit');
    const recordOffset = dataOffset + (position & (CAPACITY - 1));
    position += bytesOf(length);
    return { ...message, recordOffset, recordBytes: bytesOf(length) };
  });
  return { bytes: readFileSync(path), messages, backlogBytes: position - used, checksums };
}

/** Bytes of a record before its payload. */
export const RECORD_HEADER_BYTES: number = HEADER_BYTES;
