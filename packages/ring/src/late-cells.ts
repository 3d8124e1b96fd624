import { memory } from '@memlane/core';
import type { WorkCells } from './work-cells.ts';
import { CellState, LAP_MASK, OWNER_MASK, STATE_MASK } from './work-state.ts';

const { load } = memory;
const { ready: READY } = CellState;

/**
 * Cells that a consumer has looked past because they were still being written, in the order of their positions: of all that
 * it has looked past, the only ones that can become ready in the same lap. So it needs to look at nothing else again, however
 * long a producer is stopped.
 */
export class LateCells {
  readonly #cells: WorkCells;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #positions: Int32Array;
  /** The state of each when it was looked past; {@link GONE} when it need not be looked at any more. */
  readonly #seen: Int32Array;
  #begin = 0;
  #end = 0;
  /** The one that {@link hasReady} has found. */
  #found = 0;
  /** Its state. */
  found = 0;

  constructor(cells: WorkCells) {
    const { words, capacity } = cells.memory;
    this.#cells = cells;
    this.#words = words;
    this.#mask = capacity - 1;
    // At a time no more than there are cells; as many again may have changed hands since they were last looked at.
    this.#positions = new Int32Array(2 * capacity);
    this.#seen = new Int32Array(2 * capacity);
  }

  get isEmpty(): boolean {
    return this.#begin === this.#end;
  }

  /** Position of the first of them. */
  get first(): number {
    return this.#positions[this.#begin];
  }

  /** Position of the one that {@link hasReady} has found. */
  get position(): number {
    return this.#positions[this.#found];
  }

  /** A mark for {@link forgetSince}. */
  get mark(): number {
    return this.#end;
  }

  /** Remembers a cell that is behind all others; returns whether there is room, as there is after {@link hasReady}. */
  add(position: number, word: number): boolean {
    if (this.#end === this.#positions.length) return false;
    this.#positions[this.#end] = position;
    this.#seen[this.#end] = word;
    this.#end += 1;
    return true;
  }

  /** Forgets what was added since the mark was taken. */
  forgetSince(mark: number): void {
    this.#end = mark;
  }

  clear(): void {
    this.#begin = 0;
    this.#end = 0;
  }

  /** Finds the first that is ready by now. Forgets those that nobody will commit in this lap, or somebody has taken. */
  hasReady(): boolean {
    let busy = GONE;
    for (let i = this.#begin; i < this.#end; i++) {
      const seen = this.#seen[i];
      const owner = seen & OWNER_MASK;
      // A producer commits in the order of positions: where one of its cells is not ready, those behind it are not, either.
      if (seen === GONE || owner === busy) continue;
      // pairs with: compareAndSet in WorkWriter.publish. without it: a payload could be read before it is written.
      const word = load(this.#words, this.#cells.stateAt(this.#positions[i] & this.#mask));
      if (word === seen) busy = owner;
      else if ((word & (LAP_MASK | STATE_MASK)) === ((seen & LAP_MASK) | READY)) {
        this.#found = i;
        this.found = word;
        return true;
      } else this.#forget(i);
    }
    if (this.#end > this.#mask) this.#compact();
    return false;
  }

  /** Forgets the one that {@link hasReady} has found. */
  pass(): void {
    this.#forget(this.#found);
  }

  #forget(at: number): void {
    this.#seen[at] = GONE;
    while (this.#begin < this.#end && this.#seen[this.#begin] === GONE) this.#begin += 1;
    if (this.#begin === this.#end) this.clear();
  }

  #compact(): void {
    let kept = 0;
    for (let i = this.#begin; i < this.#end; i++) {
      if (this.#seen[i] === GONE) continue;
      this.#positions[kept] = this.#positions[i];
      this.#seen[kept] = this.#seen[i];
      kept += 1;
    }
    this.#begin = 0;
    this.#end = kept;
  }
}

/** No state of a cell that is being written. */
const GONE = -1;
