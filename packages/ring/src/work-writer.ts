import { memory } from '@memlane/core';
import { checkInteger, MemlaneError, throwArgument } from '@memlane/linux';
import { FULL } from './lane-writer.ts';
import type { WorkCells } from './work-cells.ts';
import { WORK_WORDS } from './work-descriptor.ts';
import { CellState, HOLD_MASK, LAP_MASK, lapOf, lapsBetween, STATE_MASK } from './work-state.ts';

/*
 * A producer takes the cell at the tail, by exchanging its state, and then helps the tail forward; so does whoever finds
 * the cell taken. A cell that is still somebody's (claimed, given back, dead, being written) is given the lap of the tail
 * and passed, so that a slow consumer, or a message that waits for its time, keeps nobody from writing. Only a message that
 * nobody has taken is not passed: then the queue is full. A passed message comes a round later, so a producer that finds that
 * it was passed in the middle of a batch puts the rest of it in order again before it commits it.
 *
 * From the queue of D. Vyukov ("Bounded MPMC queue", 2010), whose cells have a sequence number in the place of lap and state.
 * There, who has moved the tail and dies before it stores the sequence stops the queue for good; here the cell comes first
 * and names its owner, and the tail is a hint.
 */

// Constants of this module: see lane-writer.ts.
const { compareAndSet, load } = memory;
const { free: FREE, writing: WRITING, ready: READY } = CellState;
const TAIL = WORK_WORDS.fields.tail.offset >> 2;

/** Tries, beside one for each cell, after which a claim gives up: only a peer that writes nonsense makes it need them. */
const MOST_TRIES = 10_000;

/** The writing side of a work queue, for one owner. */
export class WorkWriter {
  readonly #cells: WorkCells;
  readonly #words: Int32Array;
  readonly #tail: number;
  readonly #capacity: number;
  readonly #mask: number;
  readonly #shift: number;
  /** The bits that name the owner. */
  readonly #me: number;
  /** Positions claimed since the last commit, in the order of their messages. */
  readonly #claims: Int32Array;
  /** Longest payload; -1 once closed, which makes every claim take the path that says so. */
  #maxLength: number;
  #closedBy: 'ERR_MEMLANE_CLOSED' | 'ERR_MEMLANE_ENDED' = 'ERR_MEMLANE_CLOSED';
  /** Messages and payload bytes claimed since the last commit. */
  claimedMessages = 0;
  claimedBytes = 0;
  /** Payload bytes of the last of them. */
  #lastBytes = 0;

  constructor(cells: WorkCells, me: number) {
    const { words, base, capacity, messageBytes } = cells.memory;
    this.#cells = cells;
    this.#words = words;
    this.#tail = base + TAIL;
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#shift = 31 - Math.clz32(capacity);
    this.#me = me;
    this.#claims = new Int32Array(capacity);
    this.#maxLength = messageBytes;
  }

  /** Claims a message: writes its header and returns the offset of its payload in the view, or {@link FULL}. */
  claim(length: number, type: number): number {
    if (
      typeof length !== 'number' ||
      typeof type !== 'number' ||
      length >>> 0 !== length ||
      length > this.#maxLength ||
      (type | 0) !== type
    )
      this.#refuse(length, type);
    const index = this.#claimCell();
    if (index < 0) return FULL;
    const cells = this.#cells;
    cells.writeHeader(index, length, type);
    this.claimedMessages += 1;
    this.claimedBytes += length;
    this.#lastBytes = length;
    return cells.payloadAt(index);
  }

  /** Makes the last claim shorter, and gives it a type. @throws ERR_MEMLANE_ARGUMENT when there is none, or it would be longer. */
  shrink(length: number, type: number): void {
    checkInteger('length', length, 0, this.claimedMessages > 0 ? this.#lastBytes : -1);
    checkInteger('type', type, -(2 ** 31), 2 ** 31 - 1);
    const index = this.#claims[this.claimedMessages - 1] & this.#mask;
    this.#cells.writeHeader(index, length, type);
    this.claimedBytes += length - this.#lastBytes;
    this.#lastBytes = length;
  }

  /** Makes every claim since the last commit visible, in their order; returns how many. @throws as {@link LaneHealth} */
  publish(): number {
    const count = this.claimedMessages;
    if (count === 0) return 0;
    const cells = this.#cells;
    cells.health.expectNoFault();
    const claims = this.#claims;
    const writing = this.#me | WRITING;
    for (let i = 0; i < count; ) {
      const position = claims[i];
      const lap = lapOf(position, this.#shift);
      // pairs with: load in WorkReader.#findNew. without it: a payload could be read before it is written.
      if (compareAndSet(this.#words, cells.stateAt(position & this.#mask), lap | writing, lap | READY)) i += 1;
      else this.#restoreOrder(i);
    }
    this.claimedMessages = 0;
    this.claimedBytes = 0;
    return count;
  }

  /**
   * The tail has passed a cell while it was being written, so that what is in it comes a round later, behind messages that
   * were claimed after it. So those that remain, from the claim `from` on, change cells until they are in the order of their
   * positions again. Should the tail pass another one meanwhile, publish() finds that out, too: what it takes for the first
   * position is the first, unless its lap was raised, for the laps of the others can only have been raised as well.
   */
  #restoreOrder(from: number): void {
    const { view, strideBytes } = this.#cells.memory;
    const claims = this.#claims.subarray(from, this.claimedMessages);
    const passed = Array.from(claims, (position) => {
      const word = load(this.#words, this.#cells.stateAt(position & this.#mask));
      if ((word & HOLD_MASK) !== (this.#me | WRITING)) throw this.#cells.health.lied('state', word);
      const rounds = lapsBetween(lapOf(position, this.#shift), word);
      return (position + (rounds << this.#shift)) | 0;
    });
    const sorted = passed.toSorted((one, other) => (one - other) | 0);
    const moves = sorted.flatMap((to, at) => {
      if (to === passed[at]) return [];
      const begin = (passed[at] & this.#mask) * strideBytes;
      return [{ to, bytes: view.u8.slice(begin, begin + strideBytes) }];
    });
    for (const { to, bytes } of moves) view.u8.set(bytes, (to & this.#mask) * strideBytes);
    this.#cells.health.expectNoFault();
    claims.set(sorted);
  }

  /** Forgets every claim since the last commit: their cells are passed in this lap. Returns how many. */
  abort(): number {
    const count = this.claimedMessages;
    this.claimedMessages = 0;
    this.claimedBytes = 0;
    for (let i = 0; i < count; i++) this.#cells.settle(this.#claims[i] & this.#mask, this.#me | WRITING, FREE);
    return count;
  }

  /** Forgets the last claim. */
  unclaim(): void {
    this.claimedMessages -= 1;
    this.claimedBytes -= this.#lastBytes;
    this.#cells.settle(this.#claims[this.claimedMessages] & this.#mask, this.#me | WRITING, FREE);
  }

  /** Whether a message would find room now. Changes nothing. */
  hasRoom(): boolean {
    for (;;) {
      const tail = load(this.#words, this.#tail);
      for (let steps = 0; steps < this.#capacity; steps++) {
        const position = (tail + steps) | 0;
        const word = load(this.#words, this.#cells.stateAt(position & this.#mask));
        if ((word & LAP_MASK) === lapOf(position, this.#shift)) continue;
        const state = word & STATE_MASK;
        if (state === FREE) return true;
        if (state === READY) break;
      }
      // What was seen from an old tail says nothing: whoever believes it could sleep with room.
      if (load(this.#words, this.#tail) === tail) break;
    }
    this.#cells.health.expectNoFault(); // or somebody could wait for room in a file that is gone
    return false;
  }

  /** Makes every further claim throw that error. */
  close(code: 'ERR_MEMLANE_CLOSED' | 'ERR_MEMLANE_ENDED'): void {
    this.#maxLength = -1;
    this.#closedBy = code;
  }

  /** Index of a cell that is the owner's now, its position noted as that of the next claim; or -1. */
  #claimCell(): number {
    let position = load(this.#words, this.#tail);
    const most = MOST_TRIES + this.#capacity;
    for (let tries = 0, searched = false; tries < most; tries++) {
      const index = position & this.#mask;
      const at = this.#cells.stateAt(index);
      // pairs with: compareAndSet in WorkCells.settle. without it: a payload could be overwritten while it is being read.
      const word = load(this.#words, at);
      const lap = lapOf(position, this.#shift);
      if ((word & LAP_MASK) === lap) {
        // Somebody has it already, and may have died before the tail was moved.
        compareAndSet(this.#words, this.#tail, position, (position + 1) | 0);
        position = load(this.#words, this.#tail);
        continue;
      }
      if ((word & LAP_MASK) !== lapOf((position - this.#capacity) | 0, this.#shift)) {
        // Neither this lap nor the last one: the tail has moved on since. If not, the cell was left out once.
        const now = load(this.#words, this.#tail);
        if (now !== position) {
          position = now;
          continue;
        }
      }
      const state = word & STATE_MASK;
      if (state === FREE) {
        if (!compareAndSet(this.#words, at, word, lap | this.#me | WRITING)) continue;
        if (this.#confirm(position)) {
          this.#claims[this.claimedMessages] = position;
          return index;
        }
        // Ahead of the tail, where nobody looks: see work-state.ts.
        this.#cells.settle(index, this.#me | WRITING, FREE);
        position = load(this.#words, this.#tail);
        continue;
      }
      // Not passed before there is room behind it: or each try of a full queue would move the tail by a round.
      if (state === READY || !searched) {
        if (!this.hasRoom()) return -1;
        searched = true;
        position = load(this.#words, this.#tail);
        if (state === READY) continue;
      }
      if (!compareAndSet(this.#words, at, word, lap | (word & ~LAP_MASK))) continue;
      if (!this.#confirm(position)) this.#cells.reportReturn();
      position = (position + 1) | 0;
    }
    return -1;
  }

  /** Helps the tail past a cell that was given the lap of `position`; returns whether that was the tail's lap. */
  #confirm(position: number): boolean {
    if (compareAndSet(this.#words, this.#tail, position, (position + 1) | 0)) return true;
    const ahead = (load(this.#words, this.#tail) - position) | 0;
    return ahead > 0 && ahead <= this.#capacity;
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
