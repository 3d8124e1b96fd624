import { memory } from '@memlane/core';
import type { WorkCells } from './work-cells.ts';
import { WORK_WORDS } from './work-descriptor.ts';
import { CellState, HOLD_MASK, LAP_MASK, lapOf, STATE_MASK } from './work-state.ts';

/*
 * A consumer finds messages in two ways. New ones from the head on, in the order of the cells: it takes the first that is
 * ready, and helps the head past what is done with or taken; a cell that is still being written is looked past and holds
 * the head. Those that were given back, by looking at all cells, whenever the counter of returns has moved or the time has
 * come for which one was delayed. What it knows of both is its own: there is no shared hint that somebody would have to
 * clear, and could clear too early.
 */

// Constants of this module: see lane-writer.ts.
const { compareAndSet, load } = memory;
const { writing: WRITING, ready: READY, claimed: CLAIMED } = CellState;
const { free: FREE, returned: RETURNED, delayed: DELAYED, dead: DEAD } = CellState;
const TAIL = WORK_WORDS.fields.tail.offset >> 2;
const HEAD = WORK_WORDS.fields.head.offset >> 2;

/** Looks that others may spoil, by moving the head, before one gives up: only a peer that writes nonsense does. */
const MOST_TRIES = 10_000;

/** The reading side of a work queue, for one owner. */
export class WorkReader {
  readonly #cells: WorkCells;
  readonly #words: Int32Array;
  readonly #tail: number;
  readonly #head: number;
  readonly #capacity: number;
  readonly #mask: number;
  readonly #shift: number;
  /** The bits that name the owner. */
  readonly #me: number;
  /** The counter of returns when the look at all cells began that found the last of them. */
  #seenReturns: number;
  /** Cells that are still to be looked at for returns, and where to go on. */
  #unseen: number;
  #next = 0;
  /** Whether that look takes what is ready, too. */
  #takesReady = false;
  /** When the first delayed message is due, of those that the last look at all cells has met. */
  dueMs: number = Number.POSITIVE_INFINITY;

  /**
   * Whether what was taken last was all that kept the tail from passing: then a producer that waits finds room already, if
   * there is any behind it. Usually the next message keeps it, too.
   */
  madeRoom = false;

  constructor(cells: WorkCells, me: number) {
    const { words, base, capacity } = cells.memory;
    this.#cells = cells;
    this.#words = words;
    this.#tail = base + TAIL;
    this.#head = base + HEAD;
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#shift = 31 - Math.clz32(capacity);
    this.#me = me;
    this.#seenReturns = cells.returns;
    this.#unseen = capacity; // what was given back before
  }

  /** Takes a message: index of its cell, which is the owner's from here on and counted as delivered; or -1. */
  take(): number {
    this.madeRoom = false;
    const index = this.#find(true);
    if (index >= 0) this.#cells.setDeliveries(index, this.#cells.deliveriesOf(index) + 1);
    else this.#cells.health.expectNoFault(); // or somebody could wait for messages in a file that is gone
    return index;
  }

  /** Whether there is a message to take now. */
  hasMessage(): boolean {
    if (this.#find(false) >= 0) return true;
    this.#cells.health.expectNoFault();
    return false;
  }

  /** The next look goes through all cells, for whatever can be taken. */
  lookEverywhere(): void {
    this.#unseen = this.#capacity;
    this.#takesReady = true;
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  /** Says that the message is done with. */
  acknowledge(index: number): void {
    this.#cells.health.expectNoFault();
    this.#cells.settle(index, this.#me | CLAIMED, FREE);
  }

  /**
   * Gives a message back, to be taken again after `delayMs`; as a dead letter when it has been delivered too often.
   *
   * @param counted whether this delivery counts.
   * @returns whether somebody may take it again.
   */
  giveBack(index: number, delayMs: number, counted: boolean): boolean {
    const cells = this.#cells;
    if (!counted) cells.setDeliveries(index, cells.deliveriesOf(index) - 1);
    else if (cells.isExhausted(index)) {
      cells.settle(index, this.#me | CLAIMED, DEAD);
      return false;
    }
    if (delayMs > 0) cells.setDue(index, Date.now() + delayMs);
    cells.settle(index, this.#me | CLAIMED, this.#me | (delayMs > 0 ? DELAYED : RETURNED));
    cells.reportReturn();
    return true;
  }

  /** Gives back everything that is the owner's, who leaves; the deliveries count. Returns whether there was anything. */
  giveAllBack(): boolean {
    let any = false;
    for (let index = 0; index < this.#capacity; index++) {
      if ((load(this.#words, this.#cells.stateAt(index)) & HOLD_MASK) !== (this.#me | CLAIMED)) continue;
      this.giveBack(index, 0, true);
      any = true;
    }
    return any;
  }

  /** Takes the first dead letter from `from` on: index of its cell, or -1. */
  takeDead(from: number): number {
    for (let index = from; index < this.#capacity; index++) {
      const at = this.#cells.stateAt(index);
      const word = load(this.#words, at);
      if ((word & STATE_MASK) === DEAD && this.#claim(at, word)) return index;
    }
    return -1;
  }

  /** Keeps a dead letter that {@link takeDead} has taken. */
  keepDead(index: number): void {
    this.#cells.settle(index, this.#me | CLAIMED, DEAD);
  }

  #claim(at: number, word: number): boolean {
    return compareAndSet(this.#words, at, word, (word & LAP_MASK) | this.#me | CLAIMED);
  }

  /** Index of a cell with a message, which is claimed if wanted; or -1. */
  #find(claiming: boolean): number {
    // pairs with: getAndAdd in WorkCells.reportReturn. without it: what was given back behind the head is never found.
    const returns = this.#cells.returns;
    if (returns !== this.#seenReturns || (this.dueMs !== Number.POSITIVE_INFINITY && this.dueMs <= Date.now())) {
      this.#seenReturns = returns;
      this.#unseen = this.#capacity;
      this.dueMs = Number.POSITIVE_INFINITY;
    }
    if (this.#unseen > 0) {
      const index = this.#findReturned(claiming);
      if (index >= 0) return index;
    }
    return this.#findNew(claiming);
  }

  /** Goes on with the look at all cells; when it has found nothing, it is over. */
  #findReturned(claiming: boolean): number {
    while (this.#unseen > 0) {
      const index = this.#next;
      const at = this.#cells.stateAt(index);
      const word = load(this.#words, at);
      const state = word & STATE_MASK;
      if (state === RETURNED || (state === READY && this.#takesReady)) {
        if (state === READY) {
          // Ready by now, and so perhaps are those before it: only what is not found in its turn is taken out of turn.
          const inTurn = this.#findNew(claiming);
          if (inTurn >= 0) return inTurn;
        }
        if (!claiming) return index;
        if (!this.#claim(at, word)) continue;
        return index;
      }
      if (state === DELAYED && this.#isDue(index)) {
        if (!claiming) return index;
        if (!this.#claim(at, word)) continue;
        if (this.#isDue(index)) return index;
        // Taken and given back again, for later, since the first look.
        this.#cells.settle(index, this.#me | CLAIMED, this.#me | DELAYED);
        this.#cells.reportReturn();
      }
      this.#unseen -= 1;
      this.#next = (index + 1) & this.#mask;
    }
    this.#takesReady = false;
    return -1;
  }

  /** Whether a delayed message may be taken; if not, when it may is remembered. */
  #isDue(index: number): boolean {
    const due = this.#cells.dueOf(index);
    if (due <= Date.now()) return true;
    if (due < this.dueMs) this.dueMs = due;
    return false;
  }

  #findNew(claiming: boolean): number {
    let head = load(this.#words, this.#head);
    let position = head;
    // Two rounds: a hint that is far behind is brought to within one of the tail on the way. Others who move it meanwhile
    // make this begin anew; nobody does so that often in the time of a round.
    const round = 2 * this.#capacity;
    /** The first that was looked past because it was still being written. */
    let writing: number | undefined;
    for (let steps = round, tries = MOST_TRIES; steps >= 0 && tries > 0; steps--) {
      const index = position & this.#mask;
      const at = this.#cells.stateAt(index);
      // pairs with: compareAndSet in WorkCells.settle. without it: a payload could be read before it is written.
      const word = load(this.#words, at);
      const lap = word & LAP_MASK;
      if (lap === lapOf(position, this.#shift)) {
        const state = word & STATE_MASK;
        if (state === READY) {
          if (!claiming) return index;
          // A producer commits its claims one after the other: what was being written may be ready by now, and comes first.
          const first = writing === undefined ? position : this.#firstReady(writing, position);
          if (first !== position) {
            position = first;
            continue;
          }
          if (!this.#claim(at, word)) continue;
          const next = (position + 1) | 0;
          if (position === head) compareAndSet(this.#words, this.#head, head, next);
          const behind = load(this.#words, this.#cells.stateAt(next & this.#mask));
          this.madeRoom = (behind & STATE_MASK) !== READY;
          return index;
        }
        const next = (position + 1) | 0;
        if (state === WRITING) writing ??= position;
        else if (position === head) {
          compareAndSet(this.#words, this.#head, head, next);
          head = next;
        }
        position = next;
        continue;
      }
      // The last lap: the queue ends here. Any other: the cell was passed, or the head is far behind the tail. But an old
      // head looks like both, and whoever believes it could sleep beside a message.
      const now = load(this.#words, this.#head);
      const moved = position === head ? now !== head : ((now - head) | 0) > 0;
      if (moved) {
        tries -= 1;
        steps = round;
        head = now;
        position = now;
        writing = undefined;
        continue;
      }
      if (lap === lapOf((position - this.#capacity) | 0, this.#shift)) return -1;
      const oldest = (load(this.#words, this.#tail) - this.#capacity) | 0;
      const next = position === head && ((oldest - position) | 0) > 0 ? oldest : (position + 1) | 0;
      if (position === head) {
        compareAndSet(this.#words, this.#head, head, next);
        head = next;
      }
      position = next;
    }
    return -1;
  }

  /** The first position from `from` on whose message is ready now; `end` when none before it is. */
  #firstReady(from: number, end: number): number {
    for (let position = from; position !== end; position = (position + 1) | 0) {
      const word = load(this.#words, this.#cells.stateAt(position & this.#mask));
      if ((word & (LAP_MASK | STATE_MASK)) === (lapOf(position, this.#shift) | READY)) return position;
    }
    return end;
  }
}
