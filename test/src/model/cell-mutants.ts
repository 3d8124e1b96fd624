import type { Mutant } from './mutants.ts';

const CELL = '/ring/dist/latest-value-cell.js';
const WRITER = '/ring/dist/latest-value-writer.js';
const COUNTERS = '/ring/dist/counters-cells.js';
const RECORDS = '/ring/dist/counters-records.js';

/** Faults planted in the latest value and in counters: see mutants.ts. */
export const cellMutants: readonly Mutant[] = [
  {
    name: 'intent stored after the overwriting',
    module: CELL,
    edits: [
      { from: 'store(this.#words, this.#base + INTENT, next);', to: '' },
      {
        from: 'this.#begun = false;\n        this.#version',
        to: 'this.#begun = false;\n store(this.#words, this.#base + INTENT, (this.#version + 1) | 0);\n this.#version',
      },
    ],
    scenario: 'values read while they are written',
    finding: /failed: (word|version)/,
  },
  {
    name: 'intent not looked at',
    module: CELL,
    edits: [{ from: 'if ((intent - version) >>> 0 <= this.#mask)', to: 'if (intent !== undefined)' }],
    scenario: 'values in four buffers',
    finding: /failed: (word|version)/,
  },
  {
    name: 'a buffer believed that is being overwritten',
    module: CELL,
    edits: [{ from: '>>> 0 <= this.#mask)', to: '>>> 0 <= this.#mask + 1)' }],
    scenario: 'values in four buffers',
    finding: /failed: (word|version)/,
  },
  {
    name: 'versions compared by size',
    module: CELL,
    edits: [{ from: 'if ((intent - version) >>> 0 <= this.#mask)', to: 'if (intent <= version + this.#mask)' }],
    scenario: 'values read while they are written, across 2^31',
    finding: /failed: /,
  },
  {
    name: 'version stored before the value',
    module: CELL,
    edits: [
      {
        from: 'fence();\n        }\n        const offset',
        to: 'store(this.#words, this.#base + VERSION, next);\n        }\n        const offset',
      },
    ],
    scenario: 'values read while they are written',
    finding: /failed: (word|version|A peer has written)/,
  },
  {
    name: 'readers looked at before the publish',
    module: WRITER,
    edits: [
      { from: 'if (!cell.publish())', to: 'this.wakePeers();\n        if (!cell.publish())' },
      { from: 'statistics[BATCHES] += 1;\n        this.wakePeers();', to: 'statistics[BATCHES] += 1;' },
    ],
    scenario: 'a reader that sleeps',
    finding: /^lost wake-up: reader/,
  },
  {
    name: 'cell emptied after it has its status',
    module: COUNTERS,
    edits: [
      { from: 'this.#f64[this.#value] = 0;', to: '' },
      {
        from: 'store(this.#words, this.#cell + CELL_STATUS, this.#status);',
        to: 'store(this.#words, this.#cell + CELL_STATUS, this.#status);\n this.#f64[this.#value] = 0;',
      },
    ],
    scenario: 'a place for another label, adder killed',
    finding: /counter b/,
  },
  {
    name: 'status of a cell not looked at',
    module: COUNTERS,
    edits: [
      {
        from: 'if (load(words, cell + CELL_STATUS) === status)\n            total',
        to: 'if (cell > 0)\n            total',
      },
    ],
    scenario: 'a place for another label',
    finding: /counter b/,
  },
  {
    name: 'generation of a place not raised',
    module: RECORDS,
    edits: [{ from: '>>> GENERATION_SHIFT) + 1;', to: '>>> GENERATION_SHIFT) || 1;' }],
    scenario: 'a place for another label',
    finding: /counter b/,
  },
  {
    name: 'cells of a predecessor emptied',
    module: COUNTERS,
    edits: [{ from: 'if (load(this.#words, this.#cell + CELL_STATUS) === this.#status)\n            return;', to: '' }],
    scenario: 'adder killed and succeeded',
    finding: /added/,
  },
  {
    name: 'setter stored, whatever it is by now',
    module: COUNTERS,
    edits: [
      {
        from: 'compareAndSet(words, this.#counter + SETTER, setter, this.#tag)',
        to: 'store(words, this.#counter + SETTER, this.#tag)',
      },
    ],
    scenario: 'a place for another gauge',
    finding: /gauge/,
  },
  {
    name: 'setter not looked at again',
    module: COUNTERS,
    edits: [{ from: 'if (load(words, setter) === tag)', to: 'if (tag !== undefined)' }],
    scenario: 'setters and a reader',
    finding: /gauge/,
  },
  {
    name: 'counter of a dead owner not freed',
    module: RECORDS,
    edits: [{ from: 'if (owner < 0 || this.#table.isAlive(owner))', to: 'if (owner < 2)' }],
    scenario: 'owner killed, its counter freed',
    finding: /refused|failed/,
  },
  {
    name: 'counter of a dead predecessor not freed',
    module: RECORDS,
    edits: [{ from: '!== CounterKind.free && owner === slot)', to: '!== CounterKind.free && owner > 2)' }],
    scenario: 'owner killed, its counter freed',
    finding: /refused/,
  },
];
