import { memory, type SlotTable } from '@memlane/core';
import { CURSOR, CURSOR_STATE_MASK, CursorState, LANE } from './lane-descriptor.ts';
import { cursorBase, type LaneHealth, type LaneMemory, type OlderSegment } from './lane-memory.ts';
import type { Position } from './position.ts';
import * as positions from './position.ts';
import { ALIGNMENT } from './record-descriptor.ts';
import { keptBytes, type Retention } from './retention.ts';
import { TailWriter } from './tail.ts';

const { compareAndSet, load } = memory;
const { advance, distance } = positions;
const CONSUMED = CURSOR.fields.consumed.offset >> 2;
const NOT_CONSUMED = CURSOR.fields.notConsumed.offset >> 2;
const STATE = CURSOR.fields.state.offset >> 2;
const FIRST_CURSOR = LANE.bytes >> 2;

/** What keeps a writer from overwriting what is still needed. Looked at only when what was granted before is used up. */
export interface Gate {
  /**
   * Position that no claim may pass, now that one wants to reach `end`.
   *
   * @throws ERR_MEMLANE_CORRUPT when a consumer has written a position that cannot be.
   */
  limit(published: Position, end: Position): Position;
  /** Whether everybody who counts has handled everything published. */
  isDrained(published: Position): boolean;
  /** Position before which everybody who counts has handled everything, as last looked at. */
  readonly slowest: Position;
  /** Position before which nobody needs anything, those included who come late; likewise. */
  readonly oldest: Position;
  /** Looks, and gives the older segment back if nobody needs it who counts. */
  retireOlder?(published: Position): void;
  /** Has the next look find out who is alive, however short a time ago the last one did. */
  lookAtLives?(): void;
}

/** The gate of a lane with one cursor, which counts whether it has an owner now or not. */
export class CursorGate implements Gate {
  readonly #words: Int32Array;
  readonly #cursor: number;
  readonly #capacity: number;
  readonly #most: number;
  /** The segment before, while something in it may not have been read. */
  #older: OlderSegment | undefined;
  /** Whether any position of the reader has been believed: before, there is no room. */
  #isBelieved: boolean;
  readonly #checksums: boolean;
  readonly #health: LaneHealth;
  slowest: Position;

  constructor(lane: LaneMemory, health: LaneHealth, consumed?: Position) {
    const { words, base, capacityBytes, checksums = false, markBytes = 0, mostBytes = capacityBytes, older } = lane;
    this.#words = words;
    this.#cursor = base + FIRST_CURSOR;
    this.#capacity = capacityBytes - markBytes;
    this.#most = mostBytes;
    this.#older = older;
    this.#isBelieved = consumed !== undefined;
    this.#checksums = checksums;
    this.#health = health;
    this.slowest = consumed ?? (load(words, this.#cursor + CONSUMED) as Position);
  }

  limit(published: Position): Position {
    const consumed = this.consumed(published);
    if (!this.#isBelieved) return published;
    const older = this.#older;
    // What is still unread in the segment before takes no room in this one.
    if (older !== undefined && distance(older.end, consumed) > 0) return advance(older.end, this.#capacity);
    if (older !== undefined) {
      // Once and for all: 2^31 bytes further on, the difference of the two would say the opposite.
      this.#older = undefined;
      older.retire();
    }
    return advance(consumed, this.#capacity);
  }

  retireOlder(published: Position): void {
    this.limit(published);
  }

  get oldest(): Position {
    return this.slowest;
  }

  isDrained(published: Position): boolean {
    return this.consumed(published) === published;
  }

  consumed(published: Position): Position {
    // pairs with: store in LaneReader.release. without it: the writer could overwrite what is still being read.
    const consumed = load(this.#words, this.#cursor + CONSUMED) as Position;
    if (this.#checksums && !this.#isConfirmed(consumed)) return this.slowest;
    const backlog = distance(published, consumed);
    if (backlog < 0 || backlog > this.#most || distance(consumed, this.slowest) < 0 || consumed % ALIGNMENT !== 0)
      throw this.#health.lied('consumed', consumed);
    this.slowest = consumed;
    this.#isBelieved = true;
    return consumed;
  }

  /** Whether the reader's position is believed: see lane-memory.ts. */
  #isConfirmed(consumed: Position): boolean {
    const inverse = load(this.#words, this.#cursor + NOT_CONSUMED);
    this.#health.expectNoFault();
    if (inverse === 0) throw this.#health.lied('notConsumed', inverse);
    return inverse === ~consumed;
  }
}

/** What a gate knows of the consumers of a ring: slot and retention of each. */
export interface Consumers {
  readonly table: SlotTable;
  readonly firstSlot: number;
  readonly count: number;
  /** Bytes that a consumer may be behind before it is passed over; 0 for any number. */
  readonly maxLagBytes: number;
  /** What is kept for a consumer that is not attached. */
  retentionOf(consumer: number): Retention;
}

/*
 * The gate of a lane that everybody reads who cares to. It holds the writer for the slowest cursor that is present:
 *
 *   writer                                     joiner
 *   moves the tail, as far as nobody is behind stores its cursor, then its state: present   (C)
 *   looks at all cursors again         (D)     looks at the tail: has it passed the cursor? then anew from the tail
 *
 * Both have stored before they look, so either the writer sees the joiner or the joiner sees the tail. A writer goes by
 * what the second look finds, which may be behind the tail: then a joiner was in time.
 *
 * Who holds it up and is dead is taken off, by CAS on the very state that was seen before it was found dead: a successor
 * has another. One that is to be kept though its owner is gone (a named cursor) stays; one that is alive but too far behind
 * is passed over, likewise, and is told so when it next looks at its state.
 *
 * In a lane that has gone on in another segment (see lanes.ts) cursors and tail may still be in the older one, where they
 * take no room in the newer, and so hold nobody up as long as that has room for one capacity. The older one is given back by
 * the same rule: when the tail is past its end, and the second look, after that, finds nobody before it. A joiner that has
 * stored a cursor in it either was seen, and holds it, or finds that the tail has passed it, and begins at the tail. What is
 * kept there for nobody but those who come late is given up when as much has been written since as the newer segment holds,
 * or for the sake of a third one.
 *
 * Who may die where: a producer that has moved the tail, and not given the older segment back, leaves that to its successor;
 * one that has said it is not in use, and not punched it, likewise. A consumer that dies in the older segment holds it until
 * somebody needs the room behind it, or a third segment, and then finds it dead.
 */

/** How long a consumer that was found alive, and not too far behind, is taken to be so. */
const LIVES_MS = 1;

/** The gate of a lane with any number of cursors that come and go. */
export class CursorsGate implements Gate {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #capacityBytes: number;
  /** Bytes that may be in use of them. */
  readonly #capacity: number;
  readonly #health: LaneHealth;
  readonly #consumers: Consumers;
  readonly #tail: TailWriter;
  /** The segment before, while somebody may need what is in it. */
  #older: OlderSegment | undefined;
  /** When it was looked who is alive. */
  #lookedMs = Number.NEGATIVE_INFINITY;
  slowest: Position;

  constructor(lane: LaneMemory, health: LaneHealth, consumers: Consumers) {
    this.#words = lane.words;
    this.#base = lane.base;
    this.#capacityBytes = lane.capacityBytes;
    this.#capacity = lane.capacityBytes - (lane.markBytes ?? 0);
    this.#older = lane.older;
    this.#health = health;
    this.#consumers = consumers;
    this.#tail = new TailWriter(lane, health);
    this.slowest = this.#tail.position;
  }

  limit(published: Position, end: Position): Position {
    return advance(this.#clear(published, advance(end, -this.#capacity)), this.#capacity);
  }

  retireOlder(published: Position): void {
    this.lookAtLives();
    if (this.#older === undefined) this.consumed(published);
    else this.#clear(published, this.#older.end);
  }

  get oldest(): Position {
    const tail = this.#tail.position;
    return distance(tail, this.slowest) > 0 ? this.slowest : tail;
  }

  /** Gives up what is before `needed`, as far as that can be; returns before which position nobody needs this segment. */
  #clear(published: Position, needed: Position): Position {
    const older = this.#older;
    let slowest = this.consumed(published);
    const isHeldUp = distance(needed, slowest) > 0 && (older === undefined || distance(needed, older.end) >= 0);
    if (isHeldUp && this.#passOver(published, needed)) slowest = this.consumed(published);
    this.#tail.makeRoom(needed, slowest);
    // pairs with: store in joinLane, (D). without it: the writer could overwrite what a newcomer has just begun to read.
    this.consumed(published);
    const { oldest } = this;
    if (older === undefined) return oldest;
    if (distance(older.end, oldest) > 0) return older.end;
    this.#older = undefined; // once and for all: see CursorGate
    older.retire();
    return oldest;
  }

  isDrained(published: Position): boolean {
    if (this.consumed(published) === published) return true;
    return this.#passOver(published, published) && this.consumed(published) === published;
  }

  consumed(published: Position): Position {
    const { count } = this.#consumers;
    const most = this.#capacityBytes + (this.#older?.capacityBytes ?? 0);
    let slowest = published;
    for (let consumer = 0, at = this.#base + FIRST_CURSOR; consumer < count; consumer++, at += CURSOR.bytes >> 2) {
      if ((load(this.#words, at + STATE) & CURSOR_STATE_MASK) !== CursorState.present) continue;
      const consumed = load(this.#words, at + CONSUMED) as Position;
      const backlog = distance(published, consumed);
      // Further back than there is room, perhaps by 2^31 and more, which looks as if it were ahead: a joiner that has been
      // overtaken, and is about to find out. Not an error: it may have been stopped, or be of a name that was long away.
      if (backlog < 0 || backlog > most) continue;
      if (consumed % ALIGNMENT !== 0) throw this.#health.lied('consumed', consumed);
      if (distance(slowest, consumed) > 0) slowest = consumed;
    }
    this.slowest = slowest;
    return slowest;
  }

  lookAtLives(): void {
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  /** Takes those off who are before `needed` and need not be waited for; returns whether there were any. */
  #passOver(published: Position, needed: Position): boolean {
    // Not at each look of a producer that spins, or tries again and again: it would hardly do anything but ask the kernel.
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < LIVES_MS) return false;
    this.#lookedMs = nowMs;
    const { table, firstSlot, count, maxLagBytes } = this.#consumers;
    let changed = false;
    for (let consumer = 0; consumer < count; consumer++) {
      const at = cursorBase(this.#base, consumer);
      const state = load(this.#words, at + STATE);
      const consumed = load(this.#words, at + CONSUMED) as Position;
      if ((state & CURSOR_STATE_MASK) !== CursorState.present || distance(needed, consumed) <= 0) continue;
      const isAlive = table.isAlive(firstSlot + consumer);
      const keptFor = isAlive
        ? maxLagBytes || Number.POSITIVE_INFINITY
        : keptBytes(this.#consumers.retentionOf(consumer));
      if (distance(published, consumed) <= keptFor && keptFor > 0) continue;
      const now = isAlive || keptFor > 0 ? CursorState.passedOver : CursorState.absent;
      if (compareAndSet(this.#words, at + STATE, state, (state & ~CURSOR_STATE_MASK) | now)) changed = true;
    }
    return changed;
  }
}

/** The gate of a lane that overwrites what has not been read: it never keeps anybody waiting. */
export class OpenGate implements Gate {
  readonly #capacity: number;
  readonly #tail: TailWriter;
  slowest: Position;

  constructor(lane: LaneMemory, health: LaneHealth) {
    this.#capacity = lane.capacityBytes;
    this.#tail = new TailWriter(lane, health);
    this.slowest = this.#tail.position;
  }

  limit(published: Position, end: Position): Position {
    this.slowest = published;
    // Not beyond what is published: claims that are not committed are nobody's to overwrite.
    return advance(this.#tail.makeRoom(advance(end, -this.#capacity), published), this.#capacity);
  }

  get oldest(): Position {
    return this.#tail.position;
  }

  isDrained(): boolean {
    return true;
  }
}
