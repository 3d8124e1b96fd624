import type { Mutant } from './mutants.ts';

/** Faults planted in the work queue, as in ./mutants.ts. */

const WRITER = '/ring/dist/work-writer.js';
const READER = '/ring/dist/work-reader.js';
const CELLS = '/ring/dist/work-cells.js';
const CONSUMER = '/ring/dist/work-consumer.js';
const PRODUCER = '/ring/dist/work-producer.js';

export const workMutants: readonly Mutant[] = [
  {
    name: 'work: ready before the message is written',
    module: WRITER,
    edits: [{ from: 'lap | this.#me | WRITING))', to: 'lap | READY))' }],
    scenario: 'work: one to one',
    finding: /^data race|^producer failed/,
  },
  {
    name: 'work: claimed without an owner',
    module: READER,
    edits: [
      { from: '(word & LAP_MASK) | this.#me | CLAIMED)', to: '(word & LAP_MASK) | (255 << 3) | CLAIMED)' },
      {
        from: 'this.#cells.settle(index, this.#me | CLAIMED, FREE)',
        to: 'this.#cells.settle(index, (255 << 3) | CLAIMED, FREE)',
      },
    ],
    scenario: 'work: consumer killed',
    finding: /at a time$|^consumer \d failed/,
  },
  {
    name: 'work: claimed by a store',
    module: READER,
    edits: [
      {
        from: 'return compareAndSet(this.#words, at, word, (word & LAP_MASK) | this.#me | CLAIMED);',
        to: 'memory.store(this.#words, at, (word & LAP_MASK) | this.#me | CLAIMED);\n return true;',
      },
    ],
    scenario: 'work: two messages for two',
    finding: /at a time$|failed|data race|taken twice/,
  },
  {
    name: 'work: what the dead had is not given back',
    module: CELLS,
    edits: [{ from: 'return state === WRITING || state === CLAIMED', to: 'return state === WRITING' }],
    scenario: 'work: consumer killed',
    finding: /is left in state 3$|never handled/,
  },
  {
    name: 'work: slot not recovered before it is reused',
    module: '/ring/dist/work-queue.js',
    edits: [{ from: '(slot) => cells.recover(slot)', to: '() => {}' }],
    scenario: 'work: consumer killed and succeeded',
    finding: /left in state|never handled|lost wake-up/,
  },
  {
    name: 'work: return reported before the state',
    module: READER,
    edits: [
      {
        from: 'this.#me | (delayMs > 0 ? DELAYED : RETURNED));\n        cells.reportReturn();',
        to: 'this.#me | (delayMs > 0 ? DELAYED : RETURNED));',
      },
      {
        from: 'if (delayMs > 0)\n            cells.setDue',
        to: 'cells.reportReturn();\n if (delayMs > 0)\n            cells.setDue',
      },
    ],
    scenario: 'work: given back',
    finding: /left in state 4$/,
  },
  {
    name: 'work: return of a dead returner not reported',
    module: CELLS,
    edits: [{ from: '&& (word & OWNER_MASK) !== NOBODY', to: '&& false' }],
    scenario: 'work: given back by one who is killed',
    finding: /left in state [45]$/,
  },
  {
    name: 'work: head moved past a message that is being written',
    module: READER,
    edits: [{ from: 'position === head && state !== WRITING', to: 'position === head' }],
    scenario: 'work: two producers',
    finding: /left in state 2$/,
  },
  {
    name: 'work: acknowledged by a store',
    module: CELLS,
    edits: [
      {
        from: 'if (compareAndSet(this.#words, at, word, (word & LAP_MASK) | to))',
        to: 'memory.store(this.#words, at, (word & LAP_MASK) | to);\n if (true)',
      },
    ],
    scenario: 'work: one to one',
    finding: /./,
  },
  {
    name: 'work: messages looked at before the producers',
    module: CONSUMER,
    edits: [
      {
        from: 'if (!cells.hasAnyEnded())\n            return false;',
        to: 'if (!cells.hasAnyEnded() && cells.hasUndone(this.me)) return false;\n if (!cells.hasAnyEnded()) return false;',
      },
    ],
    scenario: 'work: a stream that ends',
    finding: /./,
  },
  {
    name: 'work: consumers woken before the message is ready',
    module: PRODUCER,
    edits: [
      {
        from: 'const count = this.#writer.publish();',
        to: 'this.wake(this.consumers, 9);\n const count = this.#writer.publish();',
      },
    ],
    scenario: 'work: one to one',
    finding: /./,
  },
];
