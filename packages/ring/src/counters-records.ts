import { lied, memory, type SlotTable } from '@memlane/core';
import { MemlaneError, throwArgument } from '@memlane/linux';
import { type CountersMemory, currentValue, setterTag, wordOf } from './counters-cells.ts';
import { COUNTER, CounterKind, GENERATION_SHIFT, LABEL_OFFSET, MAX_LABEL_BYTES } from './counters-descriptor.ts';

/*
 * Which label has which place. Places are given away and taken back with the attach lock of the file, which dies with its
 * holder; reading needs none.
 *
 * A place is somebody's from one store on, that of its status, and nobody's from another: there is no third state, hence
 * nothing to repair. One that is to go with its owner names it from the first instant; it is freed by the owner, or, when that
 * is dead, by whoever takes its slot or looks for a label, whoever comes first, and none of them does it twice: a
 * compare-and-set replaces the very status that was found.
 */

const { compareAndSet, fence, load, store } = memory;

const STATUS = COUNTER.fields.status.offset >> 2;
const SETTER = COUNTER.fields.setter.offset >> 2;
const OWNER = COUNTER.fields.owner.offset >> 2;
const LABEL_BYTES = COUNTER.fields.labelBytes.offset >> 2;
const ALLOCATED_AT = COUNTER.fields.allocatedAtMs.offset >> 3;
const KIND_BITS = (1 << GENERATION_SHIFT) - 1;

/** What is counted, and how it stands. */
export interface CounterEntry {
  readonly label: string;
  readonly kind: 'counter' | 'gauge';
  readonly value: number;
  readonly allocatedAtMs: number;
  /** Process with which it goes; undefined when it is kept. */
  readonly ownerPid: number | undefined;
}

/** Where a counter is, and the status by which it is told from others there, before and after. */
export interface Allocation {
  readonly index: number;
  readonly status: number;
}

type Kind = typeof CounterKind.counter | typeof CounterKind.gauge;

/** The places of a file of counters. */
export class CounterRecords {
  readonly #file: CountersMemory;
  readonly #table: SlotTable;

  constructor(file: CountersMemory, table: SlotTable) {
    this.#file = file;
    this.#table = table;
  }

  /**
   * Finds the place of a label, or gives it one. With the attach lock.
   *
   * @param owner slot with which it goes, or -1; counts for a new one.
   * @throws ERR_MEMLANE_BUSY when all places are taken; ERR_MEMLANE_ARGUMENT when the label is of the other kind.
   */
  allocate(label: string, kind: Kind, owner: number): Allocation {
    const bytes = Buffer.from(label);
    let free = -1;
    for (let index = 0; index < this.#file.counters; index++) {
      const status = this.#sweep(index);
      if ((status & KIND_BITS) === CounterKind.free) {
        if (free < 0) free = index;
      } else if (bytes.equals(this.#labelAt(index))) {
        if ((status & KIND_BITS) !== kind)
          throwArgument(
            'label',
            label,
            `that of a ${kind === CounterKind.counter ? 'counter: it is a gauge' : 'gauge: it is a counter'}`,
          );
        return { index, status };
      }
    }
    if (free < 0)
      throw new MemlaneError('ERR_MEMLANE_BUSY', `All ${this.#file.counters} counters are taken`, {
        path: this.#table.file.path,
      });
    return this.#occupy(free, bytes, kind, owner);
  }

  /** Frees what goes with the owner of a slot. By the owner, or with the attach lock when it is dead. Idempotent. */
  freeOwnedBy(slot: number): void {
    const { words, counters } = this.#file;
    for (let index = 0; index < counters; index++) {
      const status = load(words, wordOf(this.#file, index) + STATUS);
      const owner = load(words, wordOf(this.#file, index) + OWNER) - 1;
      if ((status & KIND_BITS) !== CounterKind.free && owner === slot) this.#release(index, status);
    }
  }

  /** Frees a label, whoever it belongs to; returns whether it was there. With the attach lock. */
  free(label: string): boolean {
    const index = this.indexOf(label);
    if (index < 0) return false;
    return this.#release(index, load(this.#file.words, wordOf(this.#file, index) + STATUS));
  }

  /** Where a label is, or -1. */
  indexOf(label: string): number {
    for (let index = 0; index < this.#file.counters; index++) if (this.entryAt(index)?.label === label) return index;
    return -1;
  }

  /** How the counter in a place stands; undefined for none. Without the lock. @throws ERR_MEMLANE_CORRUPT */
  entryAt(index: number): CounterEntry | undefined {
    const { words, f64, faults } = this.#file;
    const word = wordOf(this.#file, index);
    for (let look = 0; look < MOST_LOOKS; look++) {
      const status = load(words, word + STATUS);
      const kind = status & KIND_BITS;
      if (kind === CounterKind.free) return undefined;
      const owner = load(words, word + OWNER) - 1;
      const labelBytes = load(words, word + LABEL_BYTES);
      const label = this.#text(index, labelBytes);
      const allocatedAtMs = f64[(word >> 1) + ALLOCATED_AT];
      // The last load of currentValue is that of the status, behind a fence: the label has been this counter's.
      const value = currentValue(this.#file, index, status);
      if (value === undefined) continue;
      if (kind !== CounterKind.counter && kind !== CounterKind.gauge) throw lied('status', status, faults);
      this.#check(owner, labelBytes);
      if (owner >= 0 && !this.#table.isAlive(owner)) return undefined; // it has gone with it, swept or not
      const ownerPid = owner < 0 ? undefined : this.#table.pidOf(owner);
      return { label, kind: kind === CounterKind.counter ? 'counter' : 'gauge', value, allocatedAtMs, ownerPid };
    }
    return undefined; // one after the other, none for long enough to be looked at
  }

  /** The status of a place, freed if its owner is dead. */
  #sweep(index: number): number {
    const { words } = this.#file;
    const word = wordOf(this.#file, index) + STATUS;
    const status = load(words, word);
    if ((status & KIND_BITS) === CounterKind.free) return status;
    const owner = this.#ownerAt(index);
    if (owner < 0 || this.#table.isAlive(owner)) return status;
    this.#release(index, status);
    return load(words, word);
  }

  /** One store: from here on the place is nobody's, and what is added by the old status counts for nobody. */
  #release(index: number, status: number): boolean {
    // pairs with: load in OwnCell.add, OwnCell.set and currentValue. Not a store: the owner may be freeing it at this moment,
    // and another label have the place already.
    return compareAndSet(this.#file.words, wordOf(this.#file, index) + STATUS, status, status & ~KIND_BITS);
  }

  #occupy(index: number, label: Buffer, kind: Kind, owner: number): Allocation {
    const { words, f64, u8 } = this.#file;
    const word = wordOf(this.#file, index);
    const generation = (load(words, word + STATUS) >>> GENERATION_SHIFT) + 1;
    const status = (generation << GENERATION_SHIFT) | kind;
    // pairs with: fence in currentValue. without it: the new label could be seen before the old status has gone.
    fence();
    u8.set(label, word * 4 + LABEL_OFFSET);
    f64[(word >> 1) + ALLOCATED_AT] = Date.now();
    store(words, word + LABEL_BYTES, label.length);
    store(words, word + OWNER, owner + 1);
    store(words, word + SETTER, setterTag(status, -1));
    // pairs with: load in entryAt. without it: a counter is seen with another's label. Last: a death before it leaves a free
    // place.
    store(words, word + STATUS, status);
    return { index, status };
  }

  #ownerAt(index: number): number {
    const owner = load(this.#file.words, wordOf(this.#file, index) + OWNER) - 1;
    this.#check(owner, MAX_LABEL_BYTES);
    return owner;
  }

  #labelAt(index: number): Uint8Array {
    const labelBytes = load(this.#file.words, wordOf(this.#file, index) + LABEL_BYTES);
    this.#check(-1, labelBytes);
    const from = wordOf(this.#file, index) * 4 + LABEL_OFFSET;
    return this.#file.u8.subarray(from, from + labelBytes);
  }

  /** A label whose length may be anything by now; believed only after a check. */
  #text(index: number, labelBytes: number): string {
    if (labelBytes < 1 || labelBytes > MAX_LABEL_BYTES) return '';
    const from = wordOf(this.#file, index) * 4 + LABEL_OFFSET;
    return Buffer.from(this.#file.u8.subarray(from, from + labelBytes)).toString();
  }

  /** @throws ERR_MEMLANE_CORRUPT */
  #check(owner: number, labelBytes: number): void {
    const { participants, faults } = this.#file;
    if (owner < -1 || owner >= participants) throw lied('owner', owner + 1, faults);
    if (labelBytes < 1 || labelBytes > MAX_LABEL_BYTES) throw lied('labelBytes', labelBytes, faults);
  }
}

/** Looks at a place that is given away again and again. */
const MOST_LOOKS = 100;
