import { memory } from '@memlane/core';
import { MemlaneError } from '@memlane/linux';
import { CURSOR, LANE } from './lane-descriptor.ts';
import {
  checksumOf,
  checksumWord,
  cursorBase,
  endOfWhole,
  LaneHealth,
  type LaneMemory,
  type RecordView,
} from './lane-memory.ts';
import type { Position } from './position.ts';
import * as positions from './position.ts';
import * as records from './record-descriptor.ts';
import type { Standing } from './standing.ts';
import type { Milestone } from './tail.ts';

// Constants of this module: see lane-writer.ts, which has the protocol.
const { load, store } = memory;
const { advance, distance, indexOf } = positions;
const { ALIGNMENT, CHECKSUM_BYTES, HEADER_BYTES, MOVED_ON, RECORD, recordBytes } = records;

const PUBLISHED = LANE.fields.published.offset >> 2;
const ENDED = LANE.fields.ended.offset >> 2;
const NOT_PUBLISHED = LANE.fields.notPublished.offset >> 2;
const CONSUMED = CURSOR.fields.consumed.offset >> 2;
const NOT_CONSUMED = CURSOR.fields.notConsumed.offset >> 2;
const TYPE = RECORD.fields.type.offset >> 2;

/** What a poll handler may ask for; the verbs are those of Agrona's ControlledMessageHandler. */
export const Action = {
  /** Go on. The same as returning nothing. */
  CONTINUE: 0,
  /** Stop after this record. */
  BREAK: 1,
  /** Give the space of everything up to and including this record back now, then go on. */
  COMMIT: 2,
  /** Stop before this record: it will come again. */
  ABORT: 3,
} as const;
export type Action = (typeof Action)[keyof typeof Action];
const { ABORT, BREAK, COMMIT } = Action;

/** Handles one record in place. The memory is the record's until the handler's poll advances. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is the usual one
export type Handler = (view: RecordView, offset: number, length: number, type: number) => Action | void;

/** Private memory, mirrored like the data, which the readers of one consumer share. */
export interface Draft {
  readonly view: RecordView;
  /** Whose records are in it. */
  reader: LaneReader | undefined;
}

/** Bytes that are copied at once: one look at whether they were overwritten meanwhile is enough for all of them. */
const STRETCH_BYTES = 16_384;

/** How a reader reads. */
export interface ReaderOptions {
  /** Which of the lane's cursors is its. Default 0. */
  readonly cursor?: number;
  /** Where it begins. Default: where its cursor is. */
  readonly start?: Milestone | undefined;
  /**
   * Where records are copied to, and checked, before they are handled: so what is handled has been checked. Default: they are
   * handled in place.
   */
  readonly draft?: Draft | undefined;
  /** For a lane whose records may be overwritten before they are read; needs a draft. */
  readonly standing?: Standing | undefined;
  /** The segment that begins at that position; undefined when none does. Not beside a draft. */
  readonly next?: ((begin: Position) => LaneMemory | undefined) | undefined;
  /** Called when the reader has given space back by itself: that of a mark before which everything had been. */
  readonly gaveBack?: (() => void) | undefined;
}

/** The reading side of a lane, through one cursor. One at a time; {@link Consumer} sees to that. */
export class LaneReader {
  #words: Int32Array;
  #base: number;
  /** Index of the first word of its cursor. */
  #cursor: number;
  /** The data, where records are copied from. */
  #u8: Uint8Array;
  #health: LaneHealth;
  /** What records are handled from. */
  #view: RecordView;
  #capacity: number;
  #mask: number;
  /** Bytes that may be published and not consumed. */
  readonly #most: number;
  readonly #checksums: boolean;
  readonly #trailerBytes: number;
  readonly #draft: Draft | undefined;
  readonly #next: ReaderOptions['next'];
  readonly #gaveBack: ReaderOptions['gaveBack'];
  readonly #standing: Standing | undefined;
  /** Position up to which records have been copied into the draft, and found to be what was there. */
  #copied: Position;
  /** End of the last record that has been handled. */
  #position: Position;
  /** What the shared word says. */
  #consumed: Position;
  /** The writer's position, as last loaded. */
  #published: Position;
  #closed = false;
  /** Records handled since the lane or the reader began, modulo 2^32, and how many of them had been at the last release. */
  #records: number;
  #recordsBefore: number;
  /** Payload bytes handled since the last release. */
  #handledBytes = 0;
  /** Records and payload bytes that the last release gave back. */
  releasedRecords = 0;
  releasedBytes = 0;
  /** Whether the handler ended the last poll. */
  stopped = false;
  /** Largest backlog met when the writer's position was loaded. */
  highWaterBytes = 0;
  /** Payload bytes of the record that {@link peek} found. Never looked up again: its writer could have changed it. */
  peekedLength = 0;

  constructor(memory: LaneMemory, { cursor = 0, start, draft, standing, next, gaveBack }: ReaderOptions = {}) {
    const { words, base, view, capacityBytes, checksums = false, mostBytes = capacityBytes } = memory;
    this.#words = words;
    this.#base = base;
    this.#cursor = cursorBase(base, cursor);
    this.#u8 = view.u8;
    this.#health = new LaneHealth(memory.faults);
    this.#view = draft?.view ?? view;
    this.#capacity = capacityBytes;
    this.#mask = capacityBytes - 1;
    this.#checksums = checksums;
    this.#trailerBytes = checksums ? CHECKSUM_BYTES : 0;
    this.#draft = draft;
    this.#most = mostBytes;
    this.#next = next;
    this.#gaveBack = gaveBack;
    this.#standing = standing;
    this.#records = start?.records ?? 0;
    this.#recordsBefore = this.#records;
    this.#consumed = start?.position ?? (load(words, this.#cursor + CONSUMED) as Position);
    if (this.#consumed % ALIGNMENT !== 0) throw this.#health.lied('consumed', this.#consumed);
    this.#position = this.#consumed;
    this.#published = this.#consumed;
    this.#copied = this.#consumed;
    // A predecessor may have died between the two.
    if (checksums) store(words, this.#cursor + NOT_CONSUMED, ~this.#consumed);
  }

  /**
   * Goes on in the memory of another file of the same stream, at the record after the last one handled.
   *
   * @throws ERR_MEMLANE_CORRUPT when that is outside the file's records, or within one.
   */
  moveTo({ words, base, view, faults }: LaneMemory): void {
    const health = new LaneHealth(faults);
    const position = this.#position;
    const published = load(words, base + PUBLISHED) as Position;
    const cursor = cursorBase(base, 0);
    const consumed = load(words, cursor + CONSUMED) as Position;
    if (distance(published, position) < 0 || distance(position, consumed) < 0) throw health.lied('consumed', consumed);
    // Where a record on the way is damaged, that can't be told; what is read next is looked at in any case.
    const end = endOfWhole(view, this.#capacity, consumed, position);
    if (distance(end, position) > 0) throw health.lied('consumed', consumed);
    this.#words = words;
    this.#base = base;
    this.#cursor = cursor;
    this.#u8 = view.u8;
    this.#health = health;
    this.#view = this.#draft?.view ?? view;
    this.#published = position;
    this.#copied = position;
    this.#consumed = consumed;
  }

  /** Goes on in the memory of another file, where another stream begins. */
  restartIn(memory: LaneMemory): void {
    this.#position = load(memory.words, cursorBase(memory.base, 0) + CONSUMED) as Position;
    this.moveTo(memory);
  }

  /** End of the last record that has been handled. */
  get position(): Position {
    return this.#position;
  }

  get health(): LaneHealth {
    return this.#health;
  }

  /** What records are handled from: the data, or the copy. */
  get view(): RecordView {
    return this.#view;
  }

  /**
   * Hands up to `limit` records to `handler`; returns how many were handled. The caller releases afterwards, and in
   * `giveBack`, which is called for each COMMIT.
   *
   * A handler that throws leaves its own record unhandled and those before it handled: progress is kept record by record
   * in a field, so that no `try` is needed.
   */
  poll(handler: Handler, limit: number, giveBack: () => void): number {
    this.stopped = false;
    if (this.#position === this.#published && !this.#refresh()) return 0;
    let position = this.#position;
    let published = this.#published;
    let view = this.#view;
    let i32 = view.i32;
    let mask = this.#mask;
    const draft = this.#draft;
    const trailerBytes = this.#trailerBytes;
    let count = 0;
    while (position !== published && count < limit) {
      if (draft !== undefined && !this.#copy(draft, STRETCH_BYTES)) {
        position = this.#position;
        published = this.#published;
        continue;
      }
      const index = indexOf(position, mask);
      const length = ~i32[index >> 2];
      const end = advance(position, recordBytes(length, trailerBytes));
      if (length >>> 0 > this.#capacity || distance(published, end) < 0) {
        this.#moveOn(length);
        position = this.#position;
        view = this.#view;
        i32 = view.i32;
        mask = this.#mask;
        continue;
      }
      const action = handler(view, index + HEADER_BYTES, length, i32[(index >> 2) + TYPE]);
      if (action === ABORT || this.#closed) {
        this.stopped = true;
        break;
      }
      if (this.#position !== position)
        throw new MemlaneError('ERR_MEMLANE_CONCURRENT', 'The handler of poll() has read from its own consumer');
      position = end;
      this.#position = end;
      this.#records = (this.#records + 1) | 0;
      this.#handledBytes += length;
      count += 1;
      if (action === BREAK) {
        this.stopped = true;
        break;
      }
      if (action === COMMIT) giveBack();
    }
    return count;
  }

  /** Offset of the payload of the next record in {@link view}, or -1; {@link peekedLength} and {@link typeAt} tell the rest. */
  peek(): number {
    for (;;) {
      if (this.#position === this.#published && !this.#refresh()) return -1;
      if (this.#draft !== undefined && !this.#copy(this.#draft, HEADER_BYTES)) continue;
      const index = indexOf(this.#position, this.#mask);
      const length = ~this.#view.i32[index >> 2];
      const end = advance(this.#position, recordBytes(length, this.#trailerBytes));
      if (length >>> 0 > this.#capacity || distance(this.#published, end) < 0) {
        this.#moveOn(length);
        continue;
      }
      this.peekedLength = length;
      return index + HEADER_BYTES;
    }
  }

  typeAt(offset: number): number {
    return this.#view.i32[((offset - HEADER_BYTES) >> 2) + TYPE];
  }

  /** Counts the record that {@link peek} found, and that has been copied, as handled. @throws as {@link LaneHealth} */
  pass(): void {
    this.#health.expectNoFault();
    const length = this.peekedLength;
    this.#position = advance(this.#position, recordBytes(length, this.#trailerBytes));
    this.#records = (this.#records + 1) | 0;
    this.#handledBytes += length;
  }

  /** Gives the space of what has been handled back to the writer; returns whether there was any. */
  release(): boolean {
    const position = this.#position;
    if (position === this.#consumed || this.#closed) return false;
    this.#health.expectNoFault();
    if (this.#checksums) store(this.#words, this.#cursor + NOT_CONSUMED, ~position);
    this.#consumed = position;
    this.releasedRecords = (this.#records - this.#recordsBefore) | 0;
    this.releasedBytes = this.#handledBytes;
    this.#recordsBefore = this.#records;
    this.#handledBytes = 0;
    // pairs with: load in CursorGate and CursorsGate.consumed. without it: the writer could overwrite before the reads are done.
    store(this.#words, this.#cursor + CONSUMED, position);
    return true;
  }

  /** Ends a poll that is under way, and keeps a reader whose place may be another's by now from storing into it. */
  close(): void {
    this.#closed = true;
  }

  /** Bytes handled but not given back. */
  get unreleasedBytes(): number {
    return distance(this.#position, this.#consumed);
  }

  /** Whether the last load of the writer's position has been used up. */
  get atBatchEnd(): boolean {
    return this.#position === this.#published;
  }

  /** Whether there is a record to read. Goes on behind a mark, which is none. */
  hasRecord(): boolean {
    while (this.#position !== this.#published || this.#refresh()) {
      if (this.#next === undefined || this.#view.i32[indexOf(this.#position, this.#mask) >> 2] !== ~MOVED_ON)
        return true;
      this.#moveOn(MOVED_ON);
    }
    return false;
  }

  /** Whether the writer has said that no more will come, and everything before that has been handled. */
  isDrained(): boolean {
    // The end first, then the position: whoever sees the end sees all that was published before it.
    // pairs with: store in LaneWriter.ended. without it: records published before the end could be missed.
    return load(this.#words, this.#base + ENDED) === 1 && !this.hasRecord();
  }

  #refresh(): boolean {
    // pairs with: store in LaneWriter.publish. without it: payloads could be read before they are written.
    const published = load(this.#words, this.#base + PUBLISHED) as Position;
    if (this.#checksums && load(this.#words, this.#base + NOT_PUBLISHED) === 0)
      throw this.#health.lied('notPublished', 0);
    const backlog = distance(published, this.#standing?.isAwaited === false ? this.#position : this.#consumed);
    if (backlog < 0 || backlog > this.#most || distance(published, this.#position) < 0 || published % ALIGNMENT !== 0)
      return this.#mislead(published);
    if (backlog > this.highWaterBytes) this.highWaterBytes = backlog;
    this.#published = published;
    if (published !== this.#position) return true;
    this.#health.expectNoFault(); // or somebody could wait for records in a file that is gone
    return false;
  }

  /** Goes on in the newer segment, if that is what a length that is none says. @throws ERR_MEMLANE_CORRUPT when it is not. */
  #moveOn(length: number): void {
    const begin = advance(this.#position, HEADER_BYTES);
    const next = length === MOVED_ON && distance(this.#published, begin) >= 0 ? this.#next?.(begin) : undefined;
    if (next === undefined) throw this.#health.lied('length', length);
    this.#health.expectNoFault();
    this.#health = new LaneHealth(next.faults);
    this.#view = next.view;
    this.#capacity = next.capacityBytes;
    this.#mask = next.capacityBytes - 1;
    // Nobody gives back what nobody was handed; while a record before it is not given back, the mark goes with that.
    const isAlone = this.#position === this.#consumed;
    this.#position = begin;
    this.#copied = begin;
    if (isAlone && this.release()) this.#gaveBack?.();
  }

  /** A position of the writer that cannot be, unless this reader was overtaken meanwhile. */
  #mislead(published: Position): boolean {
    if (!this.#isOvertaken(this.#position)) throw this.#health.lied('published', published);
    return this.#position !== this.#published;
  }

  /**
   * Has the next record in the draft, complete and checked; with it, up to `stretch` bytes of what comes next. Returns false
   * when it was overwritten meanwhile: then the reader is somewhere else.
   *
   * @throws ERR_MEMLANE_CORRUPT for a length that cannot be, or a checksum that is wrong.
   */
  #copy(draft: Draft, stretch: number): boolean {
    const position = this.#position;
    const index = indexOf(position, this.#mask);
    if (draft.reader !== this) this.#copied = position;
    draft.reader = this;
    if (distance(this.#copied, position) < HEADER_BYTES && !this.#copyTo(draft, advance(position, stretch)))
      return false;
    const length = ~draft.view.i32[index >> 2];
    const end = advance(position, recordBytes(length, this.#trailerBytes));
    if (length >>> 0 > this.#capacity || distance(this.#published, end) < 0) return true; // the caller finds out, too
    if (distance(this.#copied, end) < 0 && !this.#copyTo(draft, end)) return false;
    if (!this.#checksums) return true;
    const checksum = draft.view.i32[checksumWord(index, length)];
    if (checksum !== checksumOf(draft.view.u8, index, length, position)) throw this.#health.lied('checksum', checksum);
    this.#health.expectNoFault();
    return true;
  }

  /** Copies what has not been copied yet, up to a position; returns whether it is what was there. */
  #copyTo(draft: Draft, wanted: Position): boolean {
    const end = distance(this.#published, wanted) < 0 ? this.#published : wanted;
    const from = distance(this.#copied, this.#position) < 0 ? this.#position : this.#copied;
    const index = indexOf(from, this.#mask);
    draft.view.u8.set(this.#u8.subarray(index, index + distance(end, from)), index);
    if (this.#isOvertaken(from)) return false;
    this.#copied = end;
    return true;
  }

  /** Whether what stands at `position` may have been overwritten: then the reader has gone on to where there are records. */
  #isOvertaken(position: Position): boolean {
    const resumed = this.#standing?.overtaken(position);
    if (resumed === undefined) return false;
    this.#standing?.onLoss({
      records: (resumed.records - this.#records) | 0,
      bytes: distance(resumed.position, this.#position) >>> 0,
    });
    this.#position = resumed.position;
    this.#recordsBefore = (this.#recordsBefore + resumed.records - this.#records) | 0; // what is lost is not read
    this.#records = resumed.records;
    this.#copied = resumed.position;
    this.#published = load(this.#words, this.#base + PUBLISHED) as Position;
    if (this.#closed) return true; // by onLoss: the cursor may be another's by now
    // At once, not at the next release, which the caller may have no reason for: a backlog is counted from there.
    if (this.#checksums) store(this.#words, this.#cursor + NOT_CONSUMED, ~resumed.position);
    this.#consumed = resumed.position;
    store(this.#words, this.#cursor + CONSUMED, resumed.position);
    return true;
  }
}
