import { type FaultCounter, memory, SLOT, type SlotTable } from '@memlane/core';
import { LaneHealth, type RecordView } from './lane-memory.ts';
import { WORK_CELL, WORK_MESSAGE, WORK_WORDS } from './work-descriptor.ts';
import { CellState, HOLD_MASK, isGeneration, LAP_MASK, NOBODY, OWNER_MASK, STATE_MASK, slotOf } from './work-state.ts';

// Constants of this module: see lane-writer.ts.
const { clearBits, compareAndSet, getAndAdd, load, setBits, store } = memory;
const { free: FREE, writing: WRITING, ready: READY, claimed: CLAIMED } = CellState;
const { returned: RETURNED, delayed: DELAYED, dead: DEAD } = CellState;

const CELL_SHIFT = 2;
const DUE_SECONDS = WORK_CELL.fields.dueSeconds.offset >> 2;
const DUE_MS = WORK_CELL.fields.dueMs.offset >> 2;
const TYPE = WORK_MESSAGE.fields.type.offset >> 2;
const DELIVERIES = WORK_MESSAGE.fields.deliveries.offset >> 2;
const GENERATION = SLOT.fields.generation.offset >> 2;
const RETURNS = WORK_WORDS.fields.returns.offset >> 2;
const ENDED = WORK_WORDS.fields.ended.offset >> 2;

/** The memory of a work queue. */
export interface WorkMemory {
  /** The head of the mapping as words. */
  readonly words: Int32Array;
  /** Index of the first of the queue's own words. */
  readonly base: number;
  /** Index of the first cell's first word. */
  readonly cells: number;
  /** The messages. */
  readonly view: RecordView;
  readonly capacity: number;
  readonly messageBytes: number;
  readonly strideBytes: number;
  /** 0 for no limit. */
  readonly maxDeliveries: number;
  /** Slots of producers, which are the first ones. */
  readonly producers: number;
  /** Counts the accesses that met a page which is gone; undefined where that cannot be. */
  readonly faults?: FaultCounter | undefined;
}

/** How many cells hold what. */
export interface Census {
  readonly ready: number;
  readonly claimed: number;
  readonly returned: number;
  readonly dead: number;
}

/** The cells of a queue, and what every participant may do with them, whose ever they are. */
export class WorkCells {
  readonly memory: WorkMemory;
  readonly health: LaneHealth;
  readonly #table: SlotTable;
  readonly #words: Int32Array;
  readonly #cells: number;
  /** What the last sweep or recovery has done: cells made free, messages given back, letters found dead. */
  freed = 0;
  returned = 0;
  /** The owner that the sweep under way asked the kernel about last. */
  #asked = -1;
  #askedGone = false;

  constructor(memory: WorkMemory, table: SlotTable) {
    this.memory = memory;
    this.health = new LaneHealth(memory.faults);
    this.#table = table;
    this.#words = memory.words;
    this.#cells = memory.cells;
  }

  /** Index of the word that holds the state of a cell. */
  stateAt(index: number): number {
    return this.#cells + (index << CELL_SHIFT);
  }

  /** Offset of the payload in the view. */
  payloadAt(index: number): number {
    return index * this.memory.strideBytes + WORK_MESSAGE.bytes;
  }

  /** Generation in which a slot is. */
  generationOf(slot: number): number {
    return load(this.#words, this.#table.baseOf(slot) + GENERATION);
  }

  /** Writes the header of a message whose cell is the caller's. */
  writeHeader(index: number, length: number, type: number): void {
    const { view, strideBytes } = this.memory;
    const at = (index * strideBytes) >> 2;
    view.i32[at] = ~length;
    view.i32[at + TYPE] = type;
    view.i32[at + DELIVERIES] = 0;
  }

  /** Payload bytes of a message whose cell is the caller's. @throws ERR_MEMLANE_CORRUPT; as {@link LaneHealth} */
  lengthOf(index: number): number {
    const { view, strideBytes, messageBytes } = this.memory;
    const length = ~view.i32[(index * strideBytes) >> 2];
    if (length >>> 0 > messageBytes) throw this.health.lied('length', length);
    return length;
  }

  /** Payload bytes of a message that may be anybody's; -1 when they cannot be so many. */
  plainLengthOf(index: number): number {
    const { view, strideBytes, messageBytes } = this.memory;
    const length = ~view.i32[(index * strideBytes) >> 2];
    return length >>> 0 > messageBytes ? -1 : length;
  }

  /** Calls back for each cell that is not free. */
  forEachHeld(visit: (index: number) => void): void {
    for (let index = 0; index < this.memory.capacity; index++)
      if ((load(this.#words, this.stateAt(index)) & STATE_MASK) !== FREE) visit(index);
  }

  typeOf(index: number): number {
    const { view, strideBytes } = this.memory;
    return view.i32[((index * strideBytes) >> 2) + TYPE];
  }

  deliveriesOf(index: number): number {
    const { view, strideBytes } = this.memory;
    return view.i32[((index * strideBytes) >> 2) + DELIVERIES];
  }

  setDeliveries(index: number, deliveries: number): void {
    const { view, strideBytes } = this.memory;
    view.i32[((index * strideBytes) >> 2) + DELIVERIES] = deliveries;
  }

  /** Whether a message that is about to be given back has been delivered often enough. */
  isExhausted(index: number): boolean {
    const { maxDeliveries } = this.memory;
    return maxDeliveries > 0 && this.deliveriesOf(index) >= maxDeliveries;
  }

  /** When a delayed message is due, in milliseconds since 1970. */
  dueOf(index: number): number {
    const at = this.stateAt(index);
    return load(this.#words, at + DUE_SECONDS) * 1000 + load(this.#words, at + DUE_MS);
  }

  /** Says when a message is due; its cell is the caller's. */
  setDue(index: number, dueMs: number): void {
    const at = this.stateAt(index);
    store(this.#words, at + DUE_SECONDS, Math.floor(dueMs / 1000));
    store(this.#words, at + DUE_MS, dueMs % 1000);
  }

  /**
   * Replaces the state of a cell that is the caller's; its lap stays, which others may have raised meanwhile.
   *
   * @param from owner and state that the cell must have.
   * @throws ERR_MEMLANE_CORRUPT when it is not the caller's: somebody has written into it who must not.
   */
  settle(index: number, from: number, to: number): void {
    const at = this.stateAt(index);
    for (;;) {
      const word = load(this.#words, at);
      if ((word & HOLD_MASK) !== from) throw this.health.lied('state', word);
      // pairs with: the loads of WorkReader and WorkWriter. without it: a payload could be read before it is written, or
      // overwritten before the reads are done. By exchange, not by store: whoever passes the cell raises its lap.
      if (compareAndSet(this.#words, at, word, (word & LAP_MASK) | to)) return;
    }
  }

  /** Says that something was given back. After its state: whoever sees the counter move finds it. */
  reportReturn(): void {
    // pairs with: load in WorkReader.take. without it: nobody would look at a cell that the head has passed.
    getAndAdd(this.#words, this.memory.base + RETURNS, 1);
  }

  /** What {@link reportReturn} has raised so far. */
  get returns(): number {
    return load(this.#words, this.memory.base + RETURNS);
  }

  /** Says, or takes back, that the producer in that slot will write no more. */
  setEnded(slot: number, ended: boolean): void {
    const at = this.memory.base + ENDED + (slot >> 5);
    // pairs with: load in hasEnded. without it: the end could be seen before the last message.
    if (ended) setBits(this.#words, at, 1 << (slot & 31));
    else clearBits(this.#words, at, 1 << (slot & 31));
  }

  /** Whether the producer in that slot has said that it will write no more. */
  hasEnded(slot: number): boolean {
    return (load(this.#words, this.memory.base + ENDED + (slot >> 5)) & (1 << (slot & 31))) !== 0;
  }

  /** Whether any producer has, since the last one in its slot. */
  hasAnyEnded(): boolean {
    const { base, producers } = this.memory;
    for (let slot = 0; slot < producers; slot += 32)
      if (load(this.#words, base + ENDED + (slot >> 5)) !== 0) return true;
    return false;
  }

  /** Whether a cell holds a message that is not done with and not `own`, which names an owner. Dead letters are done with. */
  hasUndone(own: number): boolean {
    for (let index = 0; index < this.memory.capacity; index++) {
      const word = load(this.#words, this.stateAt(index));
      const state = word & STATE_MASK;
      if (state === READY || state === RETURNED || state === DELAYED) return true;
      if (state === CLAIMED && (word & OWNER_MASK) !== own) return true;
    }
    return false;
  }

  census(): Census {
    const counts = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let index = 0; index < this.memory.capacity; index++)
      counts[load(this.#words, this.stateAt(index)) & STATE_MASK] += 1;
    return {
      ready: counts[READY],
      claimed: counts[CLAIMED],
      returned: counts[RETURNED] + counts[DELAYED],
      dead: counts[DEAD],
    };
  }

  /** Gives back what the dead have left in any cell. A system call for each owner of one; blocks for nothing. */
  sweep(): void {
    this.freed = 0;
    this.returned = 0;
    this.#asked = -1;
    for (let index = 0; index < this.memory.capacity; index++) {
      const word = load(this.#words, this.stateAt(index));
      if (isHeld(word) && this.#isGone(word)) this.#recoverCell(index, word);
    }
  }

  /**
   * Gives back what earlier owners of a slot have left, before a new one is visible. Idempotent; what a sweep does of it at
   * the same time is done once.
   */
  recover(slot: number): void {
    for (let index = 0; index < this.memory.capacity; index++) {
      // Again where somebody has raised the lap meanwhile: nothing may be left.
      for (;;) {
        const word = load(this.#words, this.stateAt(index));
        if (!isHeld(word) || slotOf(word) !== slot) break;
        this.#recoverCell(index, word);
      }
    }
    if (slot < this.memory.producers) this.setEnded(slot, false);
  }

  /** Whether the owner of a cell is dead, has left, or has a successor. */
  #isGone(word: number): boolean {
    const owner = word & OWNER_MASK;
    if (owner === this.#asked) return this.#askedGone;
    const slot = slotOf(word);
    this.#asked = owner;
    // In this order: a generation that has been seen is that of the owner at that time, or of an earlier one.
    this.#askedGone =
      slot >= this.#table.slotCount || !isGeneration(word, this.generationOf(slot)) || !this.#table.isAlive(slot);
    return this.#askedGone;
  }

  /**
   * Each step leaves a word that names the same dead owner, or the end of it; so several may do this at once, and die in it.
   * Fails where the cell has changed hands since it was looked at: that was somebody else's recovery.
   */
  #recoverCell(index: number, seen: number): void {
    const at = this.stateAt(index);
    const lap = seen & LAP_MASK;
    const owner = seen & OWNER_MASK;
    let word = seen;
    switch (seen & STATE_MASK) {
      case WRITING:
        if (compareAndSet(this.#words, at, word, lap | FREE)) this.freed += 1;
        return;
      case CLAIMED: {
        const next = lap | (this.isExhausted(index) ? DEAD : owner | RETURNED);
        if (!compareAndSet(this.#words, at, word, next)) return;
        if ((next & STATE_MASK) === DEAD) return;
        word = next;
      }
    }
    this.reportReturn();
    this.returned += 1;
    // Last: until here somebody still owes the report.
    compareAndSet(this.#words, at, word, (word & ~OWNER_MASK) | NOBODY);
  }
}

/** Whether somebody is in the middle of something with the cell. */
function isHeld(word: number): boolean {
  const state = word & STATE_MASK;
  if (state === WRITING || state === CLAIMED) return true;
  return (state === RETURNED || state === DELAYED) && (word & OWNER_MASK) !== NOBODY;
}
