import { crc32 } from 'node:zlib';
import { type FaultCounter, memory } from '@memlane/core';
import { MemlaneError } from '@memlane/linux';
import { CURSOR, LANE } from './lane-descriptor.ts';
import { advance, distance, indexOf, type Position } from './position.ts';
import { CHECKSUM_BYTES, checksumOffset, HEADER_BYTES, recordBytes } from './record-descriptor.ts';

const { load } = memory; // a constant of this module: see lane-writer.ts

/** The data of a lane, mapped twice back to back: five views of the same bytes, all indexed from its beginning. */
export interface RecordView {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly data: DataView;
  readonly buffer: Buffer;
}

/** The memory of one lane. */
export interface LaneMemory {
  /** The head of the mapping as words. */
  readonly words: Int32Array;
  /** Index of the lane's first word. */
  readonly base: number;
  readonly view: RecordView;
  readonly capacityBytes: number;
  /** Counts the accesses that met a page which is gone; undefined where that cannot be. */
  readonly faults?: FaultCounter | undefined;
  /** Whether each record has a checksum. Default false. */
  readonly checksums?: boolean;
  /** What has the records before those that are here, while it is in use. Known to the lane's producer only. */
  readonly older?: OlderSegment | undefined;
  /** Bytes that are always left free, for the mark that says that the stream goes on elsewhere. Default 0. */
  readonly markBytes?: number;
  /** Bytes that may be published and not consumed, in all segments. Default: one capacity. */
  readonly mostBytes?: number;
}

/** The segment before the present one. */
export interface OlderSegment {
  readonly view: RecordView;
  readonly capacityBytes: number;
  /** Where the present one begins, directly behind the mark. */
  readonly end: Position;
  /** Gives it back: nobody needs what is before its end. */
  readonly retire: () => void;
}

/** Index of the first word of a lane's cursor. */
export function cursorBase(laneBase: number, cursor: number): number {
  return laneBase + ((LANE.bytes + cursor * CURSOR.bytes) >> 2);
}

/*
 * The file may be cut at any time. An access to a page that is gone ends well, with zeros, and is counted; so both sides
 * look at the counter once a batch, after their last access and before they store a position: what they store then has
 * not been zeros.
 */

/** Whether what a lane has read can be believed, and the error when not. */
export class LaneHealth {
  readonly #faults: FaultCounter | undefined;
  readonly #counters: Int32Array | undefined;
  readonly #counter: number;
  readonly #acknowledged: number;
  /** The last error that says that the lane is not what it was: tells it from those of a handler. */
  failure: Error | undefined;

  constructor(faults: FaultCounter | undefined) {
    this.#faults = faults;
    this.#counters = faults?.counters;
    this.#counter = faults?.counter ?? 0;
    this.#acknowledged = faults?.acknowledged ?? 0;
  }

  /** @throws ERR_MEMLANE_TRUNCATED, ERR_MEMLANE_NO_SPACE, ERR_MEMLANE_IO when an access has met a page that was gone. */
  expectNoFault(): void {
    if (this.#counters !== undefined && load(this.#counters, this.#counter) !== this.#acknowledged) this.#fault();
  }

  /** The error for a shared word or record header that a correct peer never writes, unless its page is gone. */
  lied(field: string, value: number): Error {
    this.expectNoFault();
    this.failure = new MemlaneError('ERR_MEMLANE_CORRUPT', `A peer has written ${value} into ${field}`, { field });
    return this.failure;
  }

  #fault(): never {
    this.failure = this.#faults?.error();
    throw this.failure;
  }
}

/*
 * A position of zero can be one, or a page that is lost. In a ring with checksums the inverse of each position stands beside
 * it, which is never zero. It is stored first: who finds the two at odds has looked in between, or has found what an owner
 * left who died there, and believes the position of a writer (its records have checksums) but not that of a reader
 * (what is believed to be consumed is forgotten).
 */

const NOT_PUBLISHED = LANE.fields.notPublished.offset >> 2;
const NOT_CONSUMED = (LANE.bytes + CURSOR.fields.notConsumed.offset) >> 2;

/** Whether the words of the positions are still there. */
export function hasPositions({ words, base, checksums = false }: LaneMemory): boolean {
  return !checksums || (load(words, base + NOT_PUBLISHED) !== 0 && load(words, base + NOT_CONSUMED) !== 0);
}

/** Checksum of the record at `index`: of its header and payload, and of its position, so that an old record has another. */
export function checksumOf(u8: Uint8Array, index: number, length: number, position: Position): number {
  return crc32(u8.subarray(index, index + HEADER_BYTES + length), position >>> 0) | 0;
}

/** Index of the checksum among the words of the view. */
export function checksumWord(index: number, length: number): number {
  return (index + HEADER_BYTES + checksumOffset(length)) >> 2;
}

/**
 * Where the first of the records from `begin` ends that reaches `wanted` or beyond it; the position before the first one that is
 * not whole, when there is such a one on the way.
 */
export function endOfWhole(view: RecordView, capacityBytes: number, begin: Position, wanted: Position): Position {
  let position = begin;
  while (distance(wanted, position) > 0) {
    const index = indexOf(position, capacityBytes - 1);
    const length = ~(view.i32[index >> 2] as number);
    const isWhole =
      length >= 0 &&
      recordBytes(length, CHECKSUM_BYTES) <= capacityBytes &&
      view.i32[checksumWord(index, length)] === checksumOf(view.u8, index, length, position);
    if (!isWhole) break;
    position = advance(position, recordBytes(length, CHECKSUM_BYTES));
  }
  return position;
}
