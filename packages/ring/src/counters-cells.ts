import { expectNoFault, type FaultCounter, lied, memory } from '@memlane/core';
import { CELL, COUNTER, CounterKind, GENERATION_SHIFT, SETTER_SHIFT } from './counters-descriptor.ts';

/*
 * A counter is a row of cells, one for each slot, that readers add up (the LongAdder of java.util.concurrent, without its
 * contended base). Only the owner of a slot writes its cells, so adding is a load and a store, without a lock, a
 * compare-and-set or a BigInt: a cell is a double, exact up to 2^53, and V8 reads and writes an aligned one in one piece.
 *
 * Nothing is ever moved from a cell to anywhere else. A cell belongs to the slot, not to its owner: the next owner of the
 * slot goes on adding to what is there. Rejected: folding the cells of the dead into a common base. It takes two stores, so
 * a death between them counts twice or not at all unless a third word says how far it came, and a reader that passes between
 * them sees a monotonic counter go back.
 *
 * A counter may be freed, and its place be given to another label, while somebody is about to add to it. So a cell says by
 * its status which counter it counts for, and counts as 0 for any other: what comes too late for the old one goes into a cell
 * that the new one does not look at, until the owner of the slot, who alone may, empties it for the new one.
 *
 *   who adds, in its own cell                    who reads
 *   load(status of the counter) is mine          load(status of the counter) is mine
 *   once: value = 0, store(status of the cell)   for each cell: load(status of the cell) is mine? add its value
 *   value += n                                   fence, load(status of the counter) is still mine
 *
 * Who may die where: anywhere. Before `value += n` nothing was added, after it everything; an emptied cell whose status is
 * still the old one counts as 0 for the new counter and belongs to an old one that is gone.
 *
 * A gauge has the value of the cell of whoever set it last, and `setter` names that one. A setter whom it names already just
 * writes its cell; otherwise it writes its cell, which nobody looks at, and then replaces the setter that it has seen by
 * itself. Where that fails, somebody else has set the gauge meanwhile: then this set came just before that one.
 *
 * Generations: a place would have to be allocated 2^30 times (and 2^21 times between two instructions of one setter) for an
 * old cell to be taken for a new one. An allocation takes some 10 us, so that is three hours (20 s) of nothing else.
 */

const { compareAndSet, fence, load, store } = memory; // constants of this module: see lane-writer.ts

const STATUS = COUNTER.fields.status.offset >> 2;
const SETTER = COUNTER.fields.setter.offset >> 2;
const COUNTER_WORDS = COUNTER.bytes >> 2;
const CELL_WORDS = CELL.bytes >> 2;
const CELL_STATUS = CELL.fields.status.offset >> 2;
const CELL_VALUE = CELL.fields.value.offset >> 3;
const SLOT_BITS = (1 << SETTER_SHIFT) - 1;

/** The memory of a file of counters. */
export interface CountersMemory {
  /** The whole file, as words, doubles and bytes. */
  readonly words: Int32Array;
  readonly f64: Float64Array;
  readonly u8: Uint8Array;
  readonly counters: number;
  readonly participants: number;
  /** Index of the first word of the first counter, and of the first cell. */
  readonly base: number;
  readonly cells: number;
  /** Words from one participant's cells to the next one's. */
  readonly rowWords: number;
  readonly faults?: FaultCounter | undefined;
}

/** Index of the first word of a counter. */
export function wordOf({ base }: CountersMemory, index: number): number {
  return base + index * COUNTER_WORDS;
}

/** What `setter` holds when that slot has set the gauge last; the slot -1 is nobody's. */
export function setterTag(status: number, slot: number): number {
  return ((status >>> GENERATION_SHIFT) << SETTER_SHIFT) | (slot + 1);
}

/**
 * The value of the counter or gauge with that status; undefined when it has been freed. Wait-free for a counter: one look at
 * each slot's cell. What is added meanwhile may be in it or not.
 */
export function currentValue(file: CountersMemory, index: number, status: number): number | undefined {
  const { words, faults } = file;
  const word = wordOf(file, index) + STATUS;
  // pairs with: store in CounterRecords.#release. without it: the cells of another counter are believed, see below.
  if (load(words, word) !== status) return undefined;
  const isGauge = (status & 3) === CounterKind.gauge;
  const value = isGauge ? setValue(file, index, status) : sum(file, index, status);
  // pairs with: store in OwnCell.enter, which empties a cell after it has seen the next status. without it: a sum without
  // what has been emptied is believed. The fence: the values are plain, and a load does not wait for those before it.
  fence();
  if (load(words, word) !== status) return undefined;
  expectNoFault(faults);
  return value;
}

function sum({ words, f64, cells, rowWords, participants }: CountersMemory, index: number, status: number): number {
  let total = 0;
  for (let slot = 0, cell = cells + index * CELL_WORDS; slot < participants; slot++, cell += rowWords) {
    // pairs with: store in OwnCell.enter. without it: what the cell held for another counter is added.
    if (load(words, cell + CELL_STATUS) === status) total += f64[(cell >> 1) + CELL_VALUE];
  }
  return total;
}

/** Looks at a gauge that others set all the time, before the last one will do. */
const MOST_LOOKS = 1000;

function setValue(file: CountersMemory, index: number, status: number): number {
  const { words, f64, cells, rowWords, participants } = file;
  const setter = wordOf(file, index) + SETTER;
  let value = 0;
  for (let look = 0; look < MOST_LOOKS; look++) {
    // pairs with: compareAndSet in OwnCell.set. without it: the value could be older than the setter.
    const tag = load(words, setter);
    const slot = (tag & SLOT_BITS) - 1;
    if (slot < 0) return 0; // nobody yet
    if (slot >= participants) throw lied('setter', tag, file.faults);
    const cell = cells + slot * rowWords + index * CELL_WORDS;
    if (load(words, cell + CELL_STATUS) === status) value = f64[(cell >> 1) + CELL_VALUE];
    fence();
    // Without it: what somebody is about to set is seen, then what is set now, then the former again.
    if (load(words, setter) === tag) return value;
  }
  return value;
}

/** The cell of one counter in the row of one slot, as the owner of the slot has it. */
export class OwnCell {
  readonly #words: Int32Array;
  readonly #f64: Float64Array;
  readonly #counter: number;
  readonly #cell: number;
  readonly #value: number;
  readonly #status: number;
  readonly #tag: number;
  #entered = false;

  constructor(file: CountersMemory, index: number, status: number, slot: number) {
    const { words, f64, cells, rowWords } = file;
    this.#words = words;
    this.#f64 = f64;
    this.#counter = wordOf(file, index);
    this.#cell = cells + slot * rowWords + index * CELL_WORDS;
    this.#value = (this.#cell >> 1) + CELL_VALUE;
    this.#status = status;
    this.#tag = setterTag(status, slot);
  }

  /** Adds; returns false when the counter has been freed. Wait-free. */
  add(count: number): boolean {
    // pairs with: store in CounterRecords.#release. without it: the cell may be in use for the next counter by now.
    if (load(this.#words, this.#counter + STATUS) !== this.#status) return false;
    if (!this.#entered) this.enter();
    this.#f64[this.#value] += count;
    return true;
  }

  /** Sets; returns false when the gauge has been freed. Wait-free. */
  set(value: number): boolean {
    const words = this.#words;
    const setter = load(words, this.#counter + SETTER); // before the status: of this generation, or refused below
    if (load(words, this.#counter + STATUS) !== this.#status) return false;
    if (!this.#entered) this.enter();
    this.#f64[this.#value] = value;
    // pairs with: load in setValue. without it: the value is not seen. Not a store: it would undo what a later one has set,
    // or write into the gauge that has this place by now.
    if (setter !== this.#tag) compareAndSet(words, this.#counter + SETTER, setter, this.#tag);
    return true;
  }

  /** Empties the cell of what it held for an earlier counter; keeps what predecessors in the slot added to this one. */
  enter(): void {
    this.#entered = true;
    if (load(this.#words, this.#cell + CELL_STATUS) === this.#status) return;
    this.#f64[this.#value] = 0;
    // pairs with: load in sum. without it: the cell counts with what it held before.
    store(this.#words, this.#cell + CELL_STATUS, this.#status);
  }
}
