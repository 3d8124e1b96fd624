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
    scenario: 'work: somebody else killed',
    finding: /at a time$|^consumer \d failed|data race|handled twice/,
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
    edits: [{ from: 'if (state === WRITING || state === CLAIMED)', to: 'if (state === WRITING)' }],
    scenario: 'work: consumer killed',
    finding: /is left in state 3$|never handled/,
  },
  {
    // Either is enough, which is why both are taken away.
    name: 'work: slot not recovered before it is reused, and its owners not told apart',
    module: CELLS,
    edits: [
      { from: 'if (!isHeld(word) || slotOf(word) !== slot)', to: 'if (true)' },
      { from: '!isGeneration(word, this.generationOf(slot))', to: 'false' },
    ],
    scenario: 'work: consumer killed and succeeded',
    finding: /left in state 3$/,
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
    name: 'work: cell passed without its lap',
    module: WRITER,
    edits: [{ from: 'lap | (word & ~LAP_MASK)', to: 'word' }],
    scenario: 'work: a slow consumer',
    finding: /left in state 2$/,
  },
  {
    name: 'work: head moved past a message that is being written',
    module: READER,
    edits: [{ from: 'if (state === WRITING) {', to: 'if (false) {' }],
    scenario: 'work: two producers',
    finding: /left in state 2$/,
  },
  {
    name: 'work: messages looked at before the producers',
    module: CONSUMER,
    edits: [
      {
        from: 'if (!cells.hasAnyEnded())',
        to: 'const undone = cells.hasUndone(this.me);\n if (!cells.hasAnyEnded())',
      },
      { from: 'if (cells.hasUndone(this.me))', to: 'if (undone)' },
    ],
    scenario: 'work: a stream that ends',
    finding: /left in state 2$|never handled/,
  },
  {
    name: 'work: consumers woken before the message is ready',
    module: PRODUCER,
    edits: [
      {
        from: 'const count = this.#writer.publish();',
        to: 'this.wake(this.consumers, 9);\n const count = this.#writer.publish();',
      },
      { from: 'this.wake(this.consumers, count);', to: '' },
    ],
    scenario: 'work: one to one',
    finding: /left in state 2$|^lost wake-up/,
  },
  {
    name: 'work: order not restored',
    module: WRITER,
    edits: [
      { from: 'const sorted = passed.toSorted((one, other) => (one - other) | 0);', to: 'const sorted = passed;' },
    ],
    scenario: 'work: a batch that is passed',
    finding: /^consumer has message 1 after 2$/,
  },
  {
    name: 'work: order restored in the claims only, not in the cells',
    module: WRITER,
    edits: [{ from: 'for (const { to, bytes } of moves)', to: 'for (const { to, bytes } of [])' }],
    scenario: 'work: a batch that is passed',
    finding: /^consumer has message 1 after 2$/,
  },
  {
    name: 'work: order restored after the commit',
    module: WRITER,
    edits: [
      {
        from: 'lap | writing, lap | READY))',
        to: 'lap | writing, lap | READY) || this.commitLate(position, writing))',
      },
      {
        from: 'abort() {',
        to: `commitLate(position, writing) {
        const at = this.#cells.stateAt(position & this.#mask);
        const word = load(this.#words, at);
        compareAndSet(this.#words, at, word, (word & LAP_MASK) | READY);
        const [one, other] = this.#claims.map((claim) => (claim & this.#mask) * this.#cells.memory.strideBytes);
        const { u8 } = this.#cells.memory.view;
        const bytes = u8.slice(one, one + 64);
        u8.set(u8.slice(other, other + 64), one);
        u8.set(bytes, other);
        return true;
    }
    abort() {`,
      },
    ],
    scenario: 'work: a batch that is passed',
    finding: /^data race/,
  },
  {
    name: 'work: order by numbers, not by distance',
    module: WRITER,
    edits: [{ from: '(one, other) => (one - other) | 0', to: '(one, other) => (one >>> 0) - (other >>> 0)' }],
    scenario: 'work: a batch that is passed, across 2^32',
    finding: /^consumer has message 1 after 2$/,
  },
];
