import { memory } from '@memlane/core';
import type { RecordView } from './lane-memory.ts';
import type { WorkCells } from './work-cells.ts';
import { CellState, LAP_MASK, STATE_MASK } from './work-state.ts';

/*
 * Whoever has written a message may take it back while nobody handles it, or find that nobody will: it claims the cell as a
 * consumer does, looks again now that the message is its own, and frees it. A death in between leaves a claim of the dead, which
 * is recovered as any other: what was ready comes again, what was a dead letter is one again.
 */

// Constants of this module: see lane-writer.ts.
const { compareAndSet, load } = memory;
const { free: FREE, ready: READY, claimed: CLAIMED } = CellState;
const { returned: RETURNED, delayed: DELAYED, dead: DEAD } = CellState;

/** Looks at a message that nobody handles: one that waits, or a dead letter. */
export type Inspector<Result> = (
  view: RecordView,
  offset: number,
  length: number,
  type: number,
  isDead: boolean,
) => Result;

/** What came of it. */
export interface Withdrawal {
  readonly taken: number;
  /** Messages that turned out to be others, and were given back. */
  readonly returned: number;
}

/**
 * Takes messages out of the cells that nobody handles.
 *
 * @param me owner bits of who takes them.
 * @param wanted which; called before the claim, when what it sees may change under it, and once more after.
 * @param taken called with each before its cell is free.
 */
export function withdraw(cells: WorkCells, me: number, wanted: Inspector<boolean>, taken: Inspector<void>): Withdrawal {
  const { words, capacity, view } = cells.memory;
  const counts = { taken: 0, returned: 0 };
  for (let index = 0; index < capacity; index++) {
    const at = cells.stateAt(index);
    const word = load(words, at);
    const state = word & STATE_MASK;
    const isDead = state === DEAD;
    if (!isDead && state !== READY && state !== RETURNED && state !== DELAYED) continue;
    const offset = cells.payloadAt(index);
    const isWanted = (): boolean => {
      const length = cells.plainLengthOf(index);
      return length >= 0 && wanted(view, offset, length, cells.typeOf(index), isDead);
    };
    // pairs with: compareAndSet in WorkReader. without it: a message could be taken back that a consumer has by now.
    if (!isWanted() || !compareAndSet(words, at, word, (word & LAP_MASK) | me | CLAIMED)) continue;
    if (!isWanted()) {
      cells.settle(index, me | CLAIMED, isDead ? DEAD : me | RETURNED);
      if (!isDead) cells.reportReturn();
      counts.returned += 1;
      continue;
    }
    try {
      taken(view, offset, cells.lengthOf(index), cells.typeOf(index), isDead);
    } finally {
      cells.settle(index, me | CLAIMED, FREE);
      counts.taken += 1;
    }
  }
  cells.health.expectNoFault();
  return counts;
}
