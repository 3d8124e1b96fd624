import { memory } from '@memlane/core';
import { LateCells } from './late-cells.ts';
import type { WorkCells } from './work-cells.ts';
import { WORK_WORDS } from './work-descriptor.ts';
import { CellState, HOLD_MASK, LAP_MASK, lapOf, STATE_MASK } from './work-state.ts';

/*
 * A consumer finds messages in two ways. New ones from the head on, in the order of the cells: it takes the first that is
 * ready, and helps the head past what is done with or taken; a cell that is still being written is looked past and
 * remembered, and holds the head. Those that were given back, by looking at all cells, whenever the counter of returns has moved or the time has
 * come for which one was delayed. What it knows of both is its own: there is no shared hint that somebody would have to
 * clear, and could clear too early.
 */

// Constants of this module: see lane-writer.ts.
const { compareAndSet, load } = memory;
const { writing: WRITING, ready: READY, claimed: CLAIMED } = CellState;
const { free: FREE, returned: RETURNED, delayed: DELAYED, dead: DEAD } = CellState;
const TAIL = WORK_WORDS.fields.tail.offset >> 2;
const HEAD = WORK_WORDS.fields.head.offset >> 2;

/** The head moves by an eighth of the capacity at once. */
const HEAD_SHIFT = 3;

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
  /** The head is helped by so many messages at once: all consumers look at it for each. */
  readonly #headStep: number;
  /** The bits that name the owner. */
  readonly #me: number;
  /** The counter of returns when the look at all cells began that found the last of them. */
  #seenReturns: number;
  /** Cells that are still to be looked at for returns, and where to go on. */
  #unseen: number;
  #next = 0;
  /** Before this position there is nothing new, but for what was still being written when it was looked past. */
  #from: number;
  /** The state of the cell there, when {@link #searchNew} found that it is ready. */
  #found = 0;
  readonly #late: LateCells;
  /** Whether the last search ended for lack of room in {@link #late}. */
  #isCut = false;
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
    this.#headStep = Math.max(1, capacity >> HEAD_SHIFT);
    this.#me = me;
    this.#seenReturns = cells.returns;
    this.#unseen = capacity; // what was given back before
    this.#from = load(words, this.#head);
    this.#late = new LateCells(cells);
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

  /** Looks at new messages, from where the last look ended. */
  #findNew(claiming: boolean): number {
    const late = this.#late;
    for (let tries = MOST_TRIES; tries > 0; tries--) {
      const head = load(this.#words, this.#head);
      // Behind the head there is nothing; nor much further ahead than a round, but for one who was away for 2^31 messages.
      if ((this.#from - head) >>> 0 > this.#capacity + this.#headStep) {
        this.#from = head;
        late.clear();
      }
      const isReady = this.#searchNew();
      // A producer commits its claims one after the other: what was being written may be ready by now, and comes first.
      const position = late.hasReady() ? late.position : this.#from;
      if (!isReady && position === this.#from) {
        // From an old place the queue looks as if it ended: whoever believes that could sleep beside a message.
        if (this.#isCut || ((load(this.#words, this.#head) - position) | 0) > 0) continue;
        this.#helpHead(head);
        return -1;
      }
      const index = position & this.#mask;
      if (!claiming) return index;
      const isLate = position !== this.#from;
      if (!this.#claim(this.#cells.stateAt(index), isLate ? late.found : this.#found)) continue;
      if (isLate) late.pass();
      else this.#from = (position + 1) | 0;
      if (((this.#from - head) | 0) >= this.#headStep) this.#helpHead(head);
      const behind = load(this.#words, this.#cells.stateAt((index + 1) & this.#mask));
      this.madeRoom = (behind & STATE_MASK) !== READY;
      return index;
    }
    return -1;
  }

  /** Moves on to the next message that is ready; returns whether there is one. Without, it stays before what is being written. */
  #searchNew(): boolean {
    const late = this.#late;
    const mark = late.mark;
    let position = this.#from;
    let word = 0;
    let firstLate: number | undefined;
    let isReady = false;
    this.#isCut = false;
    // Two rounds: a place that is far behind is brought to within one of the tail on the way.
    for (let steps = 2 * this.#capacity; steps >= 0; steps--) {
      // pairs with: compareAndSet in WorkWriter.publish. without it: a payload could be read before it is written.
      word = load(this.#words, this.#cells.stateAt(position & this.#mask));
      const lap = word & LAP_MASK;
      if (lap === lapOf(position, this.#shift)) {
        const state = word & STATE_MASK;
        isReady = state === READY;
        if (isReady) break;
        if (state === WRITING) {
          this.#isCut = !late.add(position, word);
          if (this.#isCut) break;
          firstLate ??= position;
        }
      } else if (lap === lapOf((position - this.#capacity) | 0, this.#shift))
        break; // the last lap: here the queue ends
      else {
        // The cell was passed, or this place is far behind the tail.
        const oldest = (load(this.#words, this.#tail) - this.#capacity) | 0;
        if (((oldest - position) | 0) > 0) {
          position = oldest;
          continue;
        }
      }
      position = (position + 1) | 0;
    }
    if (!isReady && firstLate !== undefined) {
      late.forgetSince(mark);
      position = firstLate;
    }
    this.#from = position;
    this.#found = word;
    return isReady;
  }

  /** Moves the head to the first message that is not known to be taken. */
  #helpHead(head: number): void {
    const first = this.#late.isEmpty ? this.#from : this.#late.first;
    if (((first - head) | 0) > 0) compareAndSet(this.#words, this.#head, head, first);
  }
}
