import type { Mutant } from './mutants.ts';

/** Faults planted in lanes that many read and that grow; see mutants.ts. */

const GATE = '/ring/dist/gate.js';
const LANES = '/ring/dist/lanes.js';
const READER = '/ring/dist/lane-reader.js';
const TAIL = '/ring/dist/tail.js';

const IS_NEEDED = 'if (distance(older.end, oldest) > 0)';
const third = 'growth: a late consumer, from the oldest, when a third segment is wanted';

export const growthMutants: readonly Mutant[] = [
  {
    name: 'older segment given back without a second look',
    module: GATE,
    edits: [{ from: 'this.consumed(published);\n        const { oldest } = this;', to: 'const { oldest } = this;' }],
    scenario: third,
    finding: /^data race|^consumer 1 failed|memory that is not reserved$/,
  },
  {
    name: 'older segment given back by what the tail says',
    module: GATE,
    edits: [{ from: IS_NEEDED, to: 'if (distance(older.end, this.#tail.position) > 0)' }],
    scenario: third,
    finding: /^data race|^consumer 1 failed|memory that is not reserved$/,
  },
  {
    name: 'older segment given back by what the cursors say',
    module: GATE,
    edits: [{ from: IS_NEEDED, to: 'if (distance(older.end, this.slowest) > 0)' }],
    scenario: 'growth: a late consumer, from the oldest, as it grows',
    finding: /^data race|^consumer 1 failed|memory that is not reserved$/,
  },
  {
    name: 'older segment given back before the tail has moved',
    module: GATE,
    edits: [
      { from: 'this.#tail.makeRoom(needed, slowest);', to: '' },
      { from: IS_NEEDED, to: 'if (distance(older.end, this.slowest) > 0)' },
      {
        from: 'older.retire();\n        return oldest;',
        to: 'older.retire();\n        this.#tail.makeRoom(needed, slowest);\n        return oldest;',
      },
    ],
    scenario: third,
    finding: /^data race|^consumer 1 failed|memory that is not reserved$/,
  },
  {
    name: 'cursors in the older segment taken for those of nobody',
    module: GATE,
    edits: [{ from: 'this.#capacityBytes + (this.#older?.capacityBytes ?? 0)', to: 'this.#capacityBytes' }],
    scenario: 'growth: consumer killed that there is no room behind',
    finding: /^data race|^consumer . failed|memory that is not reserved$/,
  },
  {
    name: 'what is unread in the older segment keeps the newer from being written',
    module: GATE,
    edits: [{ from: 'return older.end;', to: 'return oldest;' }],
    scenario: 'growth: a lane of a bus that has grown is given back',
    finding: /^producer 1 failed: no room$/,
  },
  {
    name: 'beginning of the present segment noted as what has been read',
    module: GATE,
    edits: [{ from: 'return distance(tail, this.slowest) > 0 ? this.slowest : tail;', to: 'return this.slowest;' }],
    scenario: 'growth: a late consumer, from the oldest, as it grows',
    finding: /^consumer 1 /,
  },
  {
    name: 'joiner sent to the newer segment',
    module: LANES,
    edits: [{ from: 'isBefore ? 1 - newer : newer', to: 'newer' }],
    scenario: 'growth: a late consumer, from the oldest, as it grows',
    finding: /^consumer 1 |^data race|memory that is not reserved$/,
  },
  {
    name: 'mark counted as a record',
    module: TAIL,
    edits: [
      {
        from: 'this.#older = undefined; // once and for all: 2^31 bytes further on, it would seem to be ahead\n                return;',
        to: 'this.#older = undefined; this.#records += 1; return;',
      },
    ],
    scenario: 'growth: a late consumer, from the oldest, when a third segment is wanted',
    finding: /^the tail has passed/,
  },
  {
    name: 'mark given back by nobody',
    module: READER,
    edits: [{ from: 'if (isAlone && this.release())', to: 'if (false)' }],
    scenario: 'growth: consumers that sleep',
    finding: /^lost wake-up|waits for what nobody needs$|^producer 1 failed/,
  },
];
