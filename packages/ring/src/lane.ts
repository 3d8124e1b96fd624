import { crc32 } from 'node:zlib';
import { type FaultCounter, memory } from '@memlane/core';
import { checkInteger, MemlaneError, throwArgument } from '@memlane/linux';
import { CURSOR, LANE } from './lane-descriptor.ts';
import type { Position } from './position.ts';
import * as positions from './position.ts';
import * as records from './record-descriptor.ts';

/*
 * A lane is a byte ring with one writer. The writer fills records beyond `published`, where nobody looks, and publishes
 * them by one store of the new position; the reader handles what lies between its `consumed` and `published`, and gives
 * the space back by one store of its own. Each side keeps a copy of the other's position and loads it again only when
 * the copy is used up (the cached-position queue of Lee, Bu and Chandranmenon's MCRingBuffer, 2010).
 *
 * Who may die where: before the store of a position its new records or its progress do not exist for anybody; after it,
 * they are complete. There is no third state, hence nothing to repair: a successor begins at the stored position.
 */

// An imported or exported binding is read from its cell at each use; a constant of the module becomes a part of the
// generated code. With these a commit of one message costs 26 ns instead of 32, a poll 29 instead of 34 (Node 20).
const { load, store } = memory;
const { advance, distance, indexOf } = positions;
const { ALIGNMENT, CHECKSUM_BYTES, checksumOffset, HEADER_BYTES, RECORD, recordBytes } = records;

const PUBLISHED = LANE.fields.published.offset >> 2;
const ENDED = LANE.fields.ended.offset >> 2;
const NOT_PUBLISHED = LANE.fields.notPublished.offset >> 2;
const CONSUMED = (LANE.bytes + CURSOR.fields.consumed.offset) >> 2;
const NOT_CONSUMED = (LANE.bytes + CURSOR.fields.notConsumed.offset) >> 2;
const TYPE = RECORD.fields.type.offset >> 2;

/** Returned by a claim for which there is no room now. */
export const FULL = -1;

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
  /**
   * Private memory, mirrored like the data: the writer's claims are made in it and copied into the data by publish; the
   * reader copies each record into it, and checks the copy, before it is handled. So the writer still has what the file
   * may lose, and the reader handles what it has checked. Default: none, everything happens in place.
   */
  readonly draft?: RecordView;
}

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

/** Whether the words of the positions are still there. */
export function hasPositions({ words, base, checksums = false }: LaneMemory): boolean {
  return !checksums || (load(words, base + NOT_PUBLISHED) !== 0 && load(words, base + NOT_CONSUMED) !== 0);
}

/** Checksum of the record at `index`: of its header and payload, and of its position, so that an old record has another. */
function checksumOf(u8: Uint8Array, index: number, length: number, position: Position): number {
  return crc32(u8.subarray(index, index + HEADER_BYTES + length), position >>> 0) | 0;
}

/** Index of the checksum among the words of the view. */
function checksumWord(index: number, length: number): number {
  return (index + HEADER_BYTES + checksumOffset(length)) >> 2;
}

/** The writing side of a lane. One at a time; {@link Producer} sees to that. */
export class LaneWriter {
  #words: Int32Array;
  #base: number;
  #view: RecordView;
  #health: LaneHealth;
  readonly #i32: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;
  readonly #checksums: boolean;
  readonly #trailerBytes: number;
  readonly #draft: RecordView | undefined;
  /** Longest payload; -1 once closed, which makes every claim take the path that says so. */
  #maxLength: number;
  #closedBy: 'ERR_MEMLANE_CLOSED' | 'ERR_MEMLANE_ENDED' = 'ERR_MEMLANE_CLOSED';
  /** End of the last claim. */
  #claimed: Position;
  /** What the shared word says. */
  #published: Position;
  /** Position that no claim may pass: the reader's, as last loaded, and one capacity. */
  #limit: Position;
  /** The reader's position, as last loaded. */
  #consumed: Position;
  /** Records and payload bytes claimed since the last publish. */
  claimedRecords = 0;
  claimedBytes = 0;
  /** Largest backlog met when the reader's position was loaded. */
  highWaterBytes = 0;

  constructor(memory: LaneMemory) {
    const { words, base, view, capacityBytes, checksums = false, draft } = memory;
    this.#words = words;
    this.#base = base;
    this.#view = view;
    this.#health = new LaneHealth(memory.faults);
    this.#i32 = (draft ?? view).i32;
    this.#capacity = capacityBytes;
    this.#mask = capacityBytes - 1;
    this.#checksums = checksums;
    this.#trailerBytes = checksums ? CHECKSUM_BYTES : 0;
    this.#draft = draft;
    this.#maxLength = capacityBytes - HEADER_BYTES - this.#trailerBytes;
    this.#published = load(words, base + PUBLISHED) as Position;
    if (this.#published % ALIGNMENT !== 0) throw this.#health.lied('published', this.#published);
    this.#claimed = this.#published;
    this.#limit = this.#published;
    this.#consumed = load(words, base + CONSUMED) as Position;
  }

  /** Goes on in the memory of another file, which has everything that was published here and not consumed. */
  moveTo({ words, base, view, faults }: LaneMemory): void {
    this.#words = words;
    this.#base = base;
    this.#view = view;
    this.#health = new LaneHealth(faults);
    this.#limit = advance(this.#consumed, this.#capacity);
  }

  get health(): LaneHealth {
    return this.#health;
  }

  /** Position up to which records are published, and up to which the reader was last seen to have handled them. */
  get extent(): { published: Position; consumed: Position } {
    return { published: this.#published, consumed: this.#consumed };
  }

  /**
   * Claims a record: writes its header and returns the offset of its payload in the view, or {@link FULL}.
   *
   * The whole path in one function: what it touches of the shared words is at most one load, in #hasRoomUpTo.
   */
  claim(length: number, type: number): number {
    // The types first: of a BigInt or a Symbol the operators would throw an error without a name. Measured: all five
    // together cost less than 0.1 ns.
    if (
      typeof length !== 'number' ||
      typeof type !== 'number' ||
      length >>> 0 !== length ||
      length > this.#maxLength ||
      (type | 0) !== type
    )
      this.#refuse(length, type);
    const claimed = this.#claimed;
    const end = advance(claimed, recordBytes(length, this.#trailerBytes));
    if (distance(end, this.#limit) > 0 && !this.#hasRoomUpTo(end)) return FULL;
    const index = indexOf(claimed, this.#mask);
    const i32 = this.#i32;
    i32[index >> 2] = ~length;
    i32[(index >> 2) + TYPE] = type;
    this.#claimed = end;
    this.claimedRecords += 1;
    this.claimedBytes += length;
    return index + HEADER_BYTES;
  }

  /** Makes every claim since the last publish visible; returns whether there was any. @throws as {@link LaneHealth} */
  publish(): boolean {
    const claimed = this.#claimed;
    if (claimed === this.#published) return false;
    if (this.#checksums) this.#seal(claimed);
    else this.#health.expectNoFault();
    this.#published = claimed;
    // pairs with: load in LaneReader.#refresh. without it: the reader could see the position before the payload.
    store(this.#words, this.#base + PUBLISHED, claimed);
    this.claimedRecords = 0;
    this.claimedBytes = 0;
    return true;
  }

  /** Forgets every claim since the last publish. */
  abort(): void {
    this.#claimed = this.#published;
    this.claimedRecords = 0;
    this.claimedBytes = 0;
  }

  /** Forgets the last claim, which was of that length. */
  unclaim(length: number): void {
    this.#claimed = advance(this.#claimed, -recordBytes(length, this.#trailerBytes));
    this.claimedRecords -= 1;
    this.claimedBytes -= length;
  }

  /** Whether a record of `length` payload bytes would find room now. */
  hasRoomFor(length: number): boolean {
    return this.#hasRoomUpTo(advance(this.#claimed, recordBytes(length, this.#trailerBytes)));
  }

  /** Whether the reader has handled everything published. */
  isDrained(): boolean {
    this.#hasRoomUpTo(this.#claimed);
    return this.#consumed === this.#published;
  }

  /** Whether the lane ends here, or goes on again. */
  set ended(value: boolean) {
    // pairs with: load in LaneReader.isDrained. without it: the reader could take the end for before the last record.
    store(this.#words, this.#base + ENDED, value ? 1 : 0);
  }

  /** Makes every further claim throw that error. */
  close(code: 'ERR_MEMLANE_CLOSED' | 'ERR_MEMLANE_ENDED'): void {
    this.abort();
    this.#maxLength = -1;
    this.#closedBy = code;
  }

  get maxLength(): number {
    return this.#maxLength;
  }

  #hasRoomUpTo(end: Position): boolean {
    // pairs with: store in LaneReader.release. without it: the writer could overwrite what is still being read.
    const consumed = load(this.#words, this.#base + CONSUMED) as Position;
    if (this.#checksums && !this.#isConfirmed(consumed)) return distance(end, this.#limit) <= 0;
    const backlog = distance(this.#published, consumed);
    if (backlog < 0 || backlog > this.#capacity || distance(consumed, this.#consumed) < 0 || consumed % ALIGNMENT !== 0)
      throw this.#health.lied('consumed', consumed);
    this.#consumed = consumed;
    if (backlog > this.highWaterBytes) this.highWaterBytes = backlog;
    this.#limit = advance(consumed, this.#capacity);
    if (distance(end, this.#limit) <= 0) return true;
    this.#health.expectNoFault(); // or somebody could wait for room in a file that is gone
    return false;
  }

  /** Whether the reader's position is believed: see above. */
  #isConfirmed(consumed: Position): boolean {
    const inverse = load(this.#words, this.#base + NOT_CONSUMED);
    this.#health.expectNoFault();
    if (inverse === 0) throw this.#health.lied('notConsumed', inverse);
    return inverse === ~consumed;
  }

  /** Writes the checksums of what has been claimed, copies it from the draft, and announces the position. */
  #seal(claimed: Position): void {
    const { u8, i32 } = this.#draft ?? this.#view;
    for (let position = this.#published; position !== claimed; ) {
      const index = indexOf(position, this.#mask);
      const length = ~i32[index >> 2];
      const end = advance(position, recordBytes(length, this.#trailerBytes));
      // Without a draft the header is in the file, where somebody may have changed it.
      if (length >>> 0 > this.#capacity || distance(claimed, end) < 0) throw this.#health.lied('length', length);
      i32[checksumWord(index, length)] = checksumOf(u8, index, length, position);
      position = end;
    }
    if (this.#draft !== undefined) {
      const from = indexOf(this.#published, this.#mask);
      this.#view.u8.set(u8.subarray(from, from + distance(claimed, this.#published)), from);
    }
    this.#health.expectNoFault();
    store(this.#words, this.#base + NOT_PUBLISHED, ~claimed);
  }

  #refuse(length: number, type: number): never {
    if (this.#maxLength < 0) throw new MemlaneError(this.#closedBy, 'The producer takes no more messages');
    checkInteger('type', type, -(2 ** 31), 2 ** 31 - 1);
    if (!Number.isSafeInteger(length) || length < 0)
      throwArgument('length', length, `an integer from 0 to ${this.#maxLength}`);
    throw new MemlaneError(
      'ERR_MEMLANE_MESSAGE_TOO_LONG',
      `The message has ${length} bytes, but the longest that fits is ${this.#maxLength}`,
    );
  }
}

/** The reading side of a lane, through one cursor. One at a time; {@link Consumer} sees to that. */
export class LaneReader {
  #words: Int32Array;
  #base: number;
  #i32: Int32Array;
  #u8: Uint8Array;
  #health: LaneHealth;
  /** What records are handled from. */
  #view: RecordView;
  readonly #capacity: number;
  readonly #mask: number;
  readonly #checksums: boolean;
  readonly #trailerBytes: number;
  readonly #draft: RecordView | undefined;
  /** End of the last record that has been handled. */
  #position: Position;
  /** What the shared word says. */
  #consumed: Position;
  /** The writer's position, as last loaded. */
  #published: Position;
  #closed = false;
  /** Records and payload bytes handled since the last release. */
  handledRecords = 0;
  handledBytes = 0;
  /** Largest backlog met when the writer's position was loaded. */
  highWaterBytes = 0;
  /** Payload bytes of the record that {@link peek} found. Never looked up again: its writer could have changed it. */
  peekedLength = 0;

  constructor(memory: LaneMemory) {
    const { words, base, view, capacityBytes, checksums = false, draft } = memory;
    this.#words = words;
    this.#base = base;
    this.#i32 = view.i32;
    this.#u8 = view.u8;
    this.#health = new LaneHealth(memory.faults);
    this.#view = draft ?? view;
    this.#capacity = capacityBytes;
    this.#mask = capacityBytes - 1;
    this.#checksums = checksums;
    this.#trailerBytes = checksums ? CHECKSUM_BYTES : 0;
    this.#draft = draft;
    this.#consumed = load(words, base + CONSUMED) as Position;
    if (this.#consumed % ALIGNMENT !== 0) throw this.#health.lied('consumed', this.#consumed);
    this.#position = this.#consumed;
    this.#published = this.#consumed;
    // A predecessor may have died between the two.
    if (checksums) store(words, base + NOT_CONSUMED, ~this.#consumed);
  }

  /**
   * Goes on in the memory of another file of the same stream, at the record after the last one handled.
   *
   * @throws ERR_MEMLANE_CORRUPT when that record is not among those of the file.
   */
  moveTo({ words, base, view, faults }: LaneMemory): void {
    const health = new LaneHealth(faults);
    const position = this.#position;
    const published = load(words, base + PUBLISHED) as Position;
    const consumed = load(words, base + CONSUMED) as Position;
    if (distance(published, position) < 0 || distance(position, consumed) < 0) throw health.lied('consumed', consumed);
    this.#words = words;
    this.#base = base;
    this.#i32 = view.i32;
    this.#u8 = view.u8;
    this.#health = health;
    this.#view = this.#draft ?? view;
    this.#published = position;
    this.#consumed = consumed;
  }

  /** Goes on in the memory of another file, where another stream begins. */
  restartIn(memory: LaneMemory): void {
    this.#position = load(memory.words, memory.base + CONSUMED) as Position;
    this.moveTo(memory);
  }

  /** End of the last record that has been handled. */
  get position(): Position {
    return this.#position;
  }

  get health(): LaneHealth {
    return this.#health;
  }

  /**
   * Hands up to `limit` records to `handler`; returns how many were handled. The caller releases afterwards, and in
   * `giveBack`, which is called for each COMMIT.
   *
   * A handler that throws leaves its own record unhandled and those before it handled: progress is kept record by record
   * in a field, so that no `try` is needed.
   */
  poll(handler: Handler, limit: number, giveBack: () => void): number {
    let position = this.#position;
    if (position === this.#published && !this.#refresh()) return 0;
    const published = this.#published;
    const view = this.#view;
    const types = view.i32;
    const i32 = this.#i32;
    const mask = this.#mask;
    const checksums = this.#checksums;
    const trailerBytes = this.#trailerBytes;
    let count = 0;
    while (position !== published && count < limit) {
      const index = indexOf(position, mask);
      const length = ~i32[index >> 2];
      const end = advance(position, recordBytes(length, trailerBytes));
      if (length >>> 0 > this.#capacity || distance(published, end) < 0) throw this.#health.lied('length', length);
      if (checksums) this.#check(position, length);
      const action = handler(view, index + HEADER_BYTES, length, types[(index >> 2) + TYPE]);
      if (action === ABORT || this.#closed) break;
      if (this.#position !== position)
        throw new MemlaneError('ERR_MEMLANE_CONCURRENT', 'The handler of poll() has read from its own consumer');
      position = end;
      this.#position = end;
      this.handledRecords += 1;
      this.handledBytes += length;
      count += 1;
      if (action === BREAK) break;
      if (action === COMMIT) giveBack();
    }
    return count;
  }

  /** Offset of the payload of the next record, or -1; {@link peekedLength} and {@link typeAt} tell the rest. */
  peek(): number {
    if (this.#position === this.#published && !this.#refresh()) return -1;
    const index = indexOf(this.#position, this.#mask);
    const length = ~this.#i32[index >> 2];
    if (
      length >>> 0 > this.#capacity ||
      distance(this.#published, advance(this.#position, recordBytes(length, this.#trailerBytes))) < 0
    )
      throw this.#health.lied('length', length);
    if (this.#checksums) this.#check(this.#position, length);
    this.peekedLength = length;
    return index + HEADER_BYTES;
  }

  typeAt(offset: number): number {
    return this.#view.i32[((offset - HEADER_BYTES) >> 2) + TYPE];
  }

  /** Counts the record that {@link peek} found, and that has been copied, as handled. @throws as {@link LaneHealth} */
  pass(): void {
    this.#health.expectNoFault();
    const length = this.peekedLength;
    this.#position = advance(this.#position, recordBytes(length, this.#trailerBytes));
    this.handledRecords += 1;
    this.handledBytes += length;
  }

  /** Gives the space of what has been handled back to the writer; returns whether there was any. */
  release(): boolean {
    const position = this.#position;
    if (position === this.#consumed || this.#closed) return false;
    this.#health.expectNoFault();
    if (this.#checksums) store(this.#words, this.#base + NOT_CONSUMED, ~position);
    this.#consumed = position;
    // pairs with: load in LaneWriter.#hasRoomUpTo. without it: the writer could overwrite before the reads are done.
    store(this.#words, this.#base + CONSUMED, position);
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

  /** Whether there is a record to read. */
  hasRecord(): boolean {
    return this.#position !== this.#published || this.#refresh();
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
    const backlog = distance(published, this.#consumed);
    if (
      backlog < 0 ||
      backlog > this.#capacity ||
      distance(published, this.#position) < 0 ||
      published % ALIGNMENT !== 0
    )
      throw this.#health.lied('published', published);
    if (backlog > this.highWaterBytes) this.highWaterBytes = backlog;
    this.#published = published;
    if (published !== this.#position) return true;
    this.#health.expectNoFault(); // or somebody could wait for records in a file that is gone
    return false;
  }

  /** Copies a record into the draft, where there is one, and compares its checksum. */
  #check(position: Position, length: number): void {
    const index = indexOf(position, this.#mask);
    const { u8, i32 } = this.#view;
    if (this.#draft !== undefined) {
      // The header as it was believed: in the file somebody may have changed it since.
      u8.set(this.#u8.subarray(index, index + recordBytes(length, this.#trailerBytes)), index);
      i32[index >> 2] = ~length;
    }
    const checksum = i32[checksumWord(index, length)];
    if (checksum !== checksumOf(u8, index, length, position)) throw this.#health.lied('checksum', checksum);
    this.#health.expectNoFault();
  }
}
