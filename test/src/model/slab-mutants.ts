import type { Mutant } from './mutants.ts';

const RECORDS = '/slab/dist/chunk-records.js';
const ALLOCATOR = '/slab/dist/chunk-allocator.js';
const SLAB = '/slab/dist/slab.js';
const GIVEN_AWAY = /was given away$|another buffer (was taken|by now)$/;
const LOST = /^the chunk is lost in state 2$/;

/** Faults planted in the slab, as in ./mutants.ts. */
export const slabMutants: readonly Mutant[] = [
  {
    name: 'slab: tickets looked at before bits',
    module: RECORDS,
    edits: [
      {
        from: '#isHeld(words, record) {',
        to: '#isHeld(words, record) {\n        const isUnderWay = this.countReferences(words, record) > 0;',
      },
      {
        from: 'return true;\n        for (let ticket = 0; ticket < this.#references; ticket++)\n            if ((load(words, this.#ticketAt(record, ticket)) & STATUS_BITS) !== TicketState.free)\n                return true;\n        return false;',
        to: 'return true;\n        return isUnderWay;',
      },
    ],
    scenario: 'slab: shared while another releases',
    finding: GIVEN_AWAY,
  },
  {
    name: 'slab: looks not stopped before a ticket is freed',
    module: RECORDS,
    edits: [
      {
        from: '#use(words, record, at, state) {\n        this.#stopLooks(words, record);',
        to: '#use(words, record, at, state) {',
      },
    ],
    scenario: 'slab: shared, released and taken',
    finding: GIVEN_AWAY,
  },
  {
    name: 'slab: looks not stopped after a carried reference was taken',
    module: RECORDS,
    edits: [{ from: 'else {\n            this.#stopLooks(words, record);', to: 'else {' }],
    scenario: 'slab: carried, taken and settled',
    finding: GIVEN_AWAY,
  },
  {
    name: 'slab: carried reference not looked at again',
    module: RECORDS,
    edits: [{ from: 'if (load(words, at) === state)\n                return true;', to: 'return true;' }],
    scenario: 'slab: carried, taken and settled',
    finding: GIVEN_AWAY,
  },
  {
    name: 'slab: a look that does not take over',
    module: RECORDS,
    edits: [
      {
        from: 'if (status === ChunkState.free || status === ChunkState.taking)',
        to: 'if (status !== ChunkState.live)',
      },
    ],
    scenario: 'slab: settled by two, a third releases',
    finding: /lost in state [23]$/,
  },
  {
    name: 'slab: a look that ends whatever it is by now',
    module: RECORDS,
    edits: [
      {
        from: 'return compareAndSet(words, record + STATE, mine, next) && next',
        to: 'store(words, record + STATE, next);\n        return next',
      },
    ],
    scenario: 'slab: shared, released and taken',
    finding: GIVEN_AWAY,
  },
  {
    name: 'slab: no look after a recovery',
    module: RECORDS,
    edits: [{ from: 'return !this.#isHeld(words, record) && this.#look(words, record);', to: 'return false;' }],
    scenario: 'slab: two release, one killed',
    finding: LOST,
  },
  {
    name: 'slab: a look after a recovery only where something was ended',
    module: RECORDS,
    edits: [
      {
        from: 'return !this.#isHeld(words, record) && this.#look(words, record);',
        to: 'return wasHeld && this.#look(words, record);',
      },
      {
        from: 'if ((load(words, record + this.#bitWord) & this.#bit) !== 0)\n            clearBits',
        to: 'const wasHeld = (load(words, record + this.#bitWord) & this.#bit) !== 0;\n        if (wasHeld)\n            clearBits',
      },
    ],
    scenario: 'slab: two release, one killed',
    finding: /lost in state [23]$/,
  },
  {
    name: 'slab: no look after a reference that another has ended',
    module: RECORDS,
    edits: [
      {
        from: 'this.#use(words, record, at, state);\n        // Also',
        to: 'if (!this.#use(words, record, at, state)) return false;\n        // Also',
      },
    ],
    scenario: 'slab: settled by two',
    finding: LOST,
  },
  {
    name: 'slab: bit set after the ticket is freed',
    module: RECORDS,
    edits: [
      { from: 'return false;\n        setBits(words, record + this.#bitWord, this.#bit);', to: 'return false;' },
      {
        from: 'if (this.#use(words, record, at, state))\n                return true;',
        to: 'if (this.#use(words, record, at, state)) {\n setBits(words, record + this.#bitWord, this.#bit);\n return true; }',
      },
      {
        from: 'else {\n            this.#stopLooks',
        to: 'else {\n setBits(words, record + this.#bitWord, this.#bit);\n this.#stopLooks',
      },
    ],
    scenario: 'slab: shared, released and taken',
    finding: GIVEN_AWAY,
  },
  {
    name: 'slab: chunk live before it is held',
    module: RECORDS,
    edits: [
      {
        from: 'setBits(words, record + this.#bitWord, this.#bit);\n        store(words, record + STATE, ChunkState.live);',
        to: 'store(words, record + STATE, ChunkState.live);\n        setBits(words, record + this.#bitWord, this.#bit);',
      },
    ],
    scenario: 'slab: a stale reference and another buffer',
    finding: GIVEN_AWAY,
  },
  {
    name: 'slab: a bit that was set in vain is left',
    module: RECORDS,
    edits: [{ from: 'if (!isHeld)\n            clearBits(words, record + this.#bitWord, this.#bit);', to: '' }],
    scenario: 'slab: settled beside a take',
    finding: /^the chunk is held by nobody who knows$/,
  },
  {
    name: 'slab: no look after a take in vain',
    module: SLAB,
    edits: [{ from: 'if (records.tidy(words, record))', to: 'if (false)' }],
    scenario: 'slab: settled beside a take',
    finding: LOST,
  },
  {
    name: 'slab: a chunk half taken is not given back',
    module: RECORDS,
    edits: [{ from: 'if (state === (this.#me | ChunkState.taking)) {', to: 'if (false) {' }],
    scenario: 'slab: owner killed and succeeded',
    finding: /lost in state 1$/,
  },
  {
    name: 'slab: what the dead has made unfindable stays so',
    module: ALLOCATOR,
    edits: [{ from: 'if (isFreed || records.isFree(words, record))', to: 'if (isFreed)' }],
    scenario: 'slab: owner killed and succeeded',
    finding: /nobody finds it$/,
  },
  {
    name: 'slab: bit of the map cleared after the chunk is taken',
    module: ALLOCATOR,
    edits: [
      { from: 'memory.markTaken(sizeClass, index);\n', to: '' },
      {
        from: 'return this.#records.begin(words, memory.recordOf(sizeClass, index));',
        to: 'const isMine = this.#records.begin(words, memory.recordOf(sizeClass, index));\n memory.markTaken(sizeClass, index);\n return isMine;',
      },
    ],
    scenario: 'slab: owner killed and succeeded',
    finding: /nobody finds it$/,
  },
  {
    name: 'slab: a place marked as unused though it was used meanwhile',
    module: ALLOCATOR,
    edits: [
      {
        from: 'compareAndSet(memory.words, this.#shareAt(slot), uses, 0);',
        to: 'memory.words === undefined || store(memory.words, this.#shareAt(slot), uses - uses);',
      },
    ],
    scenario: 'slab: sent to one who leaves',
    finding: /^the chunk is held by nobody who knows$/,
  },
];
