import { memory } from '@memlane/core';
import { checkInteger, MemlaneError, throwArgument } from '@memlane/linux';
import type { Gate } from './gate.ts';
import { LANE } from './lane-descriptor.ts';
import { checksumOf, checksumWord, LaneHealth, type LaneMemory, type RecordView } from './lane-memory.ts';
import type { Position } from './position.ts';
import * as positions from './position.ts';
import * as records from './record-descriptor.ts';

/*
 * A lane is a byte ring with one writer. The writer fills records beyond `published`, where nobody looks, and publishes
 * them by one store of the new position; a reader handles what lies between its `consumed` and `published`, and gives
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
const { ALIGNMENT, CHECKSUM_BYTES, HEADER_BYTES, MOVED_ON, RECORD, recordBytes } = records;

const PUBLISHED = LANE.fields.published.offset >> 2;
const ENDED = LANE.fields.ended.offset >> 2;
const NOT_PUBLISHED = LANE.fields.notPublished.offset >> 2;
const TYPE = RECORD.fields.type.offset >> 2;

/** Returned by a claim for which there is no room now. */
export const FULL = -1;

/** Makes what keeps the writer from overwriting what is still needed. @param consumed as a gate before has found it. */
export type MakeGate = (lane: LaneMemory, health: LaneHealth, consumed?: Position) => Gate;

/** The writing side of a lane. One at a time; {@link Producer} sees to that. */
export class LaneWriter {
  #words: Int32Array;
  #base: number;
  #view: RecordView;
  #health: LaneHealth;
  #i32: Int32Array;
  #capacity: number;
  #mask: number;
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
  /** Position that no claim may pass, as the gate last said. */
  #limit: Position;
  #gate: Gate;
  readonly #makeGate: MakeGate;
  /** Records and payload bytes claimed since the last publish. */
  claimedRecords = 0;
  claimedBytes = 0;
  /** Largest backlog met when the gate was looked at. */
  highWaterBytes = 0;

  /**
   * @param draft private memory, mirrored like the data: claims are made in it and copied into the data by publish, so that
   *   the writer still has what the file may lose. Default: they are made in place.
   */
  constructor(memory: LaneMemory, makeGate: MakeGate, draft?: RecordView) {
    const { words, base, view, capacityBytes, checksums = false, markBytes = 0 } = memory;
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
    this.#maxLength = capacityBytes - HEADER_BYTES - this.#trailerBytes - markBytes;
    this.#published = load(words, base + PUBLISHED) as Position;
    if (this.#published % ALIGNMENT !== 0) throw this.#health.lied('published', this.#published);
    this.#claimed = this.#published;
    this.#limit = this.#published;
    this.#makeGate = makeGate;
    this.#gate = makeGate(memory, this.#health);
  }

  /** Goes on in the memory of another file, which has everything that was published here and not consumed. */
  moveTo(lane: LaneMemory): void {
    const { words, base, view, faults } = lane;
    this.#words = words;
    this.#base = base;
    this.#view = view;
    this.#health = new LaneHealth(faults);
    this.#gate = this.#makeGate(lane, this.#health, this.#gate.slowest);
    this.#limit = advance(this.#gate.slowest, this.#capacity);
  }

  /**
   * Goes on in another segment of the lane, behind a mark that says so; everything claimed is published.
   *
   * @param announce makes the segment the newer one. A death after it leaves a segment whose mark is not published: the
   *   successor does that.
   * @throws as {@link LaneHealth}, with nothing announced.
   */
  moveOn(segment: LaneMemory, announce: () => void): void {
    this.#i32[indexOf(this.#published, this.#mask) >> 2] = ~MOVED_ON;
    this.#health.expectNoFault(); // or it is not there
    const { view, capacityBytes, faults, markBytes = 0 } = segment;
    const health = new LaneHealth(faults);
    const gate = this.#makeGate(segment, health, this.#gate.slowest);
    announce();
    const begin = advance(this.#published, HEADER_BYTES);
    if (this.#checksums) store(this.#words, this.#base + NOT_PUBLISHED, ~begin);
    // pairs with: load in LaneReader.#refresh. without it: the mark could be found before the segment that it points to.
    store(this.#words, this.#base + PUBLISHED, begin);
    this.#published = begin;
    this.#claimed = begin;
    this.#view = view;
    this.#i32 = view.i32;
    this.#capacity = capacityBytes;
    this.#mask = capacityBytes - 1;
    this.#maxLength = capacityBytes - HEADER_BYTES - this.#trailerBytes - markBytes;
    this.#health = health;
    this.#gate = gate;
    this.#limit = begin; // looks at the gate at the next claim
  }

  get health(): LaneHealth {
    return this.#health;
  }

  /** Position up to which records are published, and before which nobody needed any when that was last looked at. */
  get extent(): { published: Position; consumed: Position } {
    return { published: this.#published, consumed: this.#gate.oldest };
  }

  /** As {@link Gate.retireOlder}. */
  retireOlder(): void {
    this.#gate.retireOlder?.(this.#published);
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

  /** End of the last claim. */
  get claimed(): Position {
    return this.#claimed;
  }

  /** Makes the last claim, which was of `before` bytes, shorter; returns the offset of its payload. */
  shrink(before: number, length: number): number {
    const begin = advance(this.#claimed, -recordBytes(before, this.#trailerBytes));
    const index = indexOf(begin, this.#mask);
    this.#i32[index >> 2] = ~length;
    this.#claimed = advance(begin, recordBytes(length, this.#trailerBytes));
    this.claimedBytes += length - before;
    return index + HEADER_BYTES;
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

  /** As {@link Gate.lookAtLives}. */
  lookAtLives(): void {
    this.#gate.lookAtLives?.();
  }

  /** Whether everybody who counts has handled everything published. */
  isDrained(): boolean {
    const isDrained = this.#gate.isDrained(this.#published);
    this.#health.expectNoFault();
    return isDrained;
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

  get capacityBytes(): number {
    return this.#capacity;
  }

  /** @throws ERR_MEMLANE_ENDED, ERR_MEMLANE_CLOSED */
  expectWritable(): void {
    if (this.#maxLength < 0) this.#refuse(0, 0);
  }

  #hasRoomUpTo(end: Position): boolean {
    this.#limit = this.#gate.limit(this.#published, end);
    const backlog = distance(this.#published, this.#gate.slowest);
    if (backlog > this.highWaterBytes) this.highWaterBytes = backlog;
    if (distance(end, this.#limit) <= 0) return true;
    this.#health.expectNoFault(); // or somebody could wait for room in a file that is gone
    return false;
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
