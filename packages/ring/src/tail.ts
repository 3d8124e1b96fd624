import { memory } from '@memlane/core';
import { LANE } from './lane-descriptor.ts';
import type { LaneHealth, LaneMemory, OlderSegment } from './lane-memory.ts';
import type { Position } from './position.ts';
import * as positions from './position.ts';
import { CHECKSUM_BYTES, HEADER_BYTES, recordBytes } from './record-descriptor.ts';

/*
 * Where the oldest record is that is still there. A lane that keeps what it has published for late joiners, or that
 * overwrites what slow readers have not read, moves its tail before it overwrites anything:
 *
 *   writer                                     reader, or joiner
 *   store(tail = T)                    (A)     copy a record, or store(cursor)
 *   full fence                                 full fence
 *   overwrite what lies before T               load(tail): what lies before it may have been overwritten   (B)
 *
 * The tail is always where a record begins: the writer walks from record to record. So a reader that was overtaken goes
 * on at the tail, and a joiner begins there. With it goes the number of records before it, so that who was overtaken knows
 * how many it has lost. The pair of the two is kept twice: the one that `turn` names is complete, whenever the writer may
 * have died; between (A) and the turn the pair is behind the tail, and everything between the two is still there.
 *
 * The tail of a lane that has gone on in another segment (see lanes.ts) may still be in the older one: the writer walks there
 * to the mark, which is no record, and on in the newer. The older one is given back only after the turn. Its joiners do not
 * walk, so they need not know in which of the two the tail is, nor whether that is being given back meanwhile: where nobody
 * loses anything nobody needs to know how many records there were.
 */

const { fence, load, store } = memory;
const { advance, distance, indexOf } = positions;
const { fields } = LANE;
const PUBLISHED = fields.published.offset >> 2;
const TAIL = fields.tail.offset >> 2;
const TURN = fields.turn.offset >> 2;
const TAIL_OF = [fields.tail0.offset >> 2, fields.tail1.offset >> 2] as const;
const RECORDS_OF = [fields.records0.offset >> 2, fields.records1.offset >> 2] as const;

/** A place in a lane where a record begins, and how many there were before it. */
export interface Milestone {
  readonly position: Position;
  /** Modulo 2^32. */
  readonly records: number;
}

/** What both sides know of a lane's tail. */
abstract class Tail {
  protected readonly words: Int32Array;
  protected readonly base: number;
  /** Bytes of the segment, and of all that may be in use. */
  protected readonly capacity: number;
  protected readonly most: number;
  protected readonly i32: Int32Array;
  readonly #trailerBytes: number;
  readonly #health: LaneHealth;

  constructor(lane: LaneMemory, health: LaneHealth) {
    const { words, base, view, capacityBytes, checksums = false, mostBytes = capacityBytes } = lane;
    this.words = words;
    this.base = base;
    this.capacity = capacityBytes;
    this.most = mostBytes;
    this.i32 = view.i32;
    this.#trailerBytes = checksums ? CHECKSUM_BYTES : 0;
    this.#health = health;
  }

  protected get mark(): Milestone {
    const pair = load(this.words, this.base + TURN) & 1;
    return {
      position: load(this.words, this.base + TAIL_OF[pair]) as Position,
      records: load(this.words, this.base + RECORDS_OF[pair]),
    };
  }

  /** The end of the record at `position`; `limit` itself where there is none that ends before it. */
  protected endOf(position: Position, limit: Position, i32: Int32Array, capacity: number): Position {
    const length = ~i32[indexOf(position, capacity - 1) >> 2];
    const end = advance(position, recordBytes(length, this.#trailerBytes));
    return length >>> 0 > capacity || distance(limit, end) < 0 ? limit : end;
  }

  protected lied(field: string, value: number): Error {
    return this.#health.lied(field, value);
  }
}

/** The writer's side. */
export class TailWriter extends Tail {
  #position: Position;
  #records: number;
  /** The segment before, while the tail is in it. */
  #older: OlderSegment | undefined;

  constructor(lane: LaneMemory, health: LaneHealth) {
    super(lane, health);
    const { position, records } = this.mark;
    this.#position = position;
    this.#records = records;
    if (lane.older !== undefined && distance(lane.older.end, position) > 0) this.#older = lane.older;
    // A predecessor that died on its way from the pair to the tail had not overwritten anything yet.
    this.moveTo(load(this.words, this.base + TAIL) as Position);
  }

  get position(): Position {
    return this.#position;
  }

  /**
   * Moves the tail to `needed`, and over some records more, so that it does not move for each of them; but not over `bound`.
   * Returns where it is now.
   */
  makeRoom(needed: Position, bound: Position): Position {
    const target = advance(needed, this.capacity >> STEPS_SHIFT);
    if (distance(target, this.#position) <= 0 || distance(bound, this.#position) <= 0) return this.#position;
    while (distance(target, this.#position) > 0 && this.#position !== bound) this.#step(bound);
    this.#publish();
    return this.#position;
  }

  /** Moves the tail to where a record begins. */
  moveTo(target: Position): void {
    if (target === this.#position) return;
    if (distance(target, this.#position) < 0 || distance(target, this.#position) > this.most)
      throw this.lied('tail', target);
    while (this.#position !== target) this.#step(target);
    this.#publish();
  }

  /** Over the next record, or the mark; not over `bound`. */
  #step(bound: Position): void {
    const position = this.#position;
    const older = this.#older;
    if (older === undefined) this.#position = this.endOf(position, bound, this.i32, this.capacity);
    else {
      const mark = advance(older.end, -HEADER_BYTES);
      if (position === mark) {
        this.#position = older.end;
        this.#older = undefined; // once and for all: 2^31 bytes further on, it would seem to be ahead
        return;
      }
      const limit = distance(bound, mark) < 0 ? bound : mark;
      this.#position = this.endOf(position, limit, older.view.i32, older.capacityBytes);
    }
    this.#records = (this.#records + 1) | 0;
  }

  #publish(): void {
    const { words, base } = this;
    const position = this.#position;
    // pairs with: load in TailReader.isPassed, (A). without it: what is being overwritten could be taken for a record.
    store(words, base + TAIL, position);
    const turn = load(words, base + TURN) + 1;
    store(words, base + TAIL_OF[turn & 1], position);
    store(words, base + RECORDS_OF[turn & 1], this.#records);
    // pairs with: load in TailReader.oldest. without it: a reader could take a pair for complete that is being written.
    store(words, base + TURN, turn);
    // A store of a position does not keep the plain stores after it from passing it; this does.
    fence();
  }
}

/** The tail moves by a 16th of the capacity at once. */
const STEPS_SHIFT = 4;

/** The side of those who read what may be overwritten, or who come late. */
export class TailReader extends Tail {
  readonly #isCounting: boolean;

  /** @param isCounting whether to say how many records there were before a place: it takes a walk over the memory. */
  constructor(lane: LaneMemory, health: LaneHealth, isCounting: boolean) {
    super(lane, health);
    this.#isCounting = isCounting;
  }

  /** Whether what stands at `position` may have been overwritten by now. Call after it was copied, or the cursor stored. */
  isPassed(position: Position): boolean {
    fence();
    // pairs with: store in TailWriter.#publish, (B). without it: as there.
    const ahead = distance(position, load(this.words, this.base + TAIL) as Position);
    // What is there is never further from the tail than that. Whoever was stopped, or away, for 2^31 bytes is.
    return ahead < 0 || ahead > this.most;
  }

  /** The oldest record that is still there. */
  oldest(): Milestone {
    return this.#expect(this.#count(() => load(this.words, this.base + TAIL) as Position));
  }

  /** The end of what is published now. */
  newest(): Milestone {
    return this.#expect(this.#count(() => load(this.words, this.base + PUBLISHED) as Position));
  }

  /** The record at `position`; undefined when it is not there any more. */
  at(position: Position): Milestone | undefined {
    if (this.isPassed(position)) return undefined;
    // Of 2^31 bytes ago: in a lane that may grow far, it seems not to be behind the tail.
    if (distance(load(this.words, this.base + PUBLISHED) as Position, position) < 0) return undefined;
    return this.#count(() => position);
  }

  #expect(found: Milestone | undefined): Milestone {
    if (found === undefined) throw this.lied('tail', this.mark.position);
    return found;
  }

  /**
   * Walks from the last pair to the place, counting; anew when the writer has overwritten the way meanwhile. undefined when
   * the place is not behind the pair.
   */
  #count(place: () => Position): Milestone | undefined {
    for (;;) {
      // pairs with: store in TailWriter.#publish. without it: half of a pair could be read.
      const turn = load(this.words, this.base + TURN);
      const { position: from, records: before } = this.mark;
      const target = place();
      let records = before;
      let position = from;
      const way = distance(target, from);
      const isSane = way >= 0 && way <= this.most;
      for (; this.#isCounting && isSane && position !== target; records = (records + 1) | 0)
        position = this.endOf(position, target, this.i32, this.capacity);
      fence();
      if (load(this.words, this.base + TURN) !== turn) continue;
      return isSane ? { position: target, records } : undefined;
    }
  }
}
