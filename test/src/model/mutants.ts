import type { Edits } from '../support/mutation.ts';
import type { AnyScenarioName } from './scenario-names.ts';

/*
 * Faults planted in the compiled modules as they are loaded. Each text must fit exactly one place, so that a mutant whose
 * place has changed fails instead of passing for the original.
 */
export interface Mutant {
  readonly name: string;
  /** End of the module's URL. */
  readonly module: string;
  readonly edits: Edits;
  /** The scenario that has to find it, and how its message begins. */
  readonly scenario: AnyScenarioName;
  readonly finding: RegExp;
}

const WRITER = '/ring/dist/lane-writer.js';
const READER = '/ring/dist/lane-reader.js';
const GATE = '/ring/dist/gate.js';
const PRODUCER = '/ring/dist/producer.js';
const PARKING = '/core/dist/parking.js';
const PARTICIPANTS = '/core/dist/participants.js';
const WAITING = '/core/dist/waiting.js';

export const mutants: readonly Mutant[] = [
  {
    name: 'published before the record is written',
    module: WRITER,
    edits: [
      {
        from: 'const index = indexOf(claimed, this.#mask);\n        const i32',
        to: 'const index = indexOf(claimed, this.#mask);\n store(this.#words, this.#base + PUBLISHED, end);\n        const i32',
      },
    ],
    scenario: 'two threads',
    finding: /^data race: .*plain/,
  },
  {
    name: 'parked word looked at before the publish',
    module: PRODUCER,
    edits: [
      { from: 'commit() {\n        const lane', to: 'commit() {\n        this.wakePeers();\n        const lane' },
      { from: 'statistics[BATCHES] += 1;\n        this.wakePeers();', to: 'statistics[BATCHES] += 1;' },
    ],
    scenario: 'two threads',
    finding: /^lost wake-up: consumer/,
  },
  {
    name: 'no second look before the sleep',
    module: WAITING,
    edits: [{ from: 'const met = condition();', to: 'const met = false;' }],
    scenario: 'two threads',
    finding: /^lost wake-up/,
  },
  {
    name: 'bell looked at after the parked word is stored',
    module: PARKING,
    edits: [{ from: 'return bell;', to: 'return load(this.#words, this.#bell);' }],
    scenario: 'two threads',
    finding: /^lost wake-up/,
  },
  {
    name: 'episode not raised',
    module: PARKING,
    edits: [{ from: '>>> EPISODE_SHIFT) + 1;', to: '>>> EPISODE_SHIFT) || 1;' }],
    scenario: 'two threads',
    finding: /^lost wake-up|sleep/,
  },
  {
    name: 'space given back before the handler has run',
    module: READER,
    edits: [
      {
        from: 'const action = handler(',
        to: 'store(this.#words, this.#cursor + CONSUMED, end);\n            const action = handler(',
      },
    ],
    scenario: 'two threads',
    finding: /^data race: .*plain/,
  },
  {
    name: 'space given back before the handler has run, seen by a successor',
    module: READER,
    edits: [
      {
        from: 'const action = handler(',
        to: 'store(this.#words, this.#cursor + CONSUMED, end);\n            const action = handler(',
      },
    ],
    scenario: 'consumer killed and succeeded, with room for all',
    finding: /^consumer 2 read message 2 after 0|arrived$/,
  },
  {
    name: 'room for one record more than there is',
    module: GATE,
    edits: [
      {
        from: 'return advance(consumed, this.#capacity);',
        to: 'return advance(consumed, this.#capacity + 16);',
      },
    ],
    scenario: 'two threads',
    finding: /^data race|failed: A peer has written/,
  },
  {
    name: 'stale position believed before a sleep',
    module: READER,
    edits: [
      {
        from: 'while (this.#position !== this.#published || this.#refresh()) {',
        to: 'while (this.#position !== this.#published) {',
      },
    ],
    scenario: 'two threads',
    finding: /^lost wake-up: consumer/,
  },
  {
    name: 'limit not compared by distance',
    module: WRITER,
    edits: [
      {
        from: 'const end = advance(claimed, recordBytes(length, this.#trailerBytes));\n        if (distance(end, this.#limit) > 0',
        to: 'const end = advance(claimed, recordBytes(length, this.#trailerBytes));\n        if (end > this.#limit',
      },
    ],
    scenario: 'two threads, across 2^31',
    finding: /./,
  },
  {
    name: 'end looked at after the position',
    module: READER,
    edits: [
      {
        from: 'load(this.#words, this.#base + ENDED) === 1 && !this.hasRecord()',
        to: '!this.hasRecord() && load(this.#words, this.#base + ENDED) === 1',
      },
    ],
    scenario: 'a stream that ends',
    finding: /messages were published, \d arrived$/,
  },
  {
    name: 'death of the peer not watched',
    module: WAITING,
    edits: [{ from: '!peer.watchDeath(lookAgain) && peer.isInTransit', to: 'false' }],
    scenario: 'producer killed, event loops',
    finding: /^lost wake-up: consumer/,
  },
  {
    name: 'slot made visible before it is locked',
    module: PARTICIPANTS,
    edits: [
      {
        from: 'const slots = choose();\n',
        to: 'const slots = choose();\n const early = this.#enter(slots[0], role, own);\n',
      },
      { from: 'return this.#enter(slot, role, own);', to: 'return early;' },
    ],
    scenario: 'rivals for a slot',
    finding: /^rival \d holds the slot/,
  },
  {
    name: 'slot not locked',
    module: PARTICIPANTS,
    edits: [{ from: '(candidate) => tryLockByte(own.fd, slotByte(candidate))', to: '() => true' }],
    scenario: 'rivals for a slot',
    finding: /hold one slot$|holds the slot/,
  },
  {
    name: 'slot not recovered',
    module: PARTICIPANTS,
    edits: [{ from: 'new ParkingSpot(this.words, base, this.sleeperBit(slot)).leave();', to: '' }],
    scenario: 'rivals for a slot',
    finding: /its predecessor sleeps in it$/,
  },
  {
    name: 'generation not raised',
    module: PARTICIPANTS,
    edits: [{ from: 'load(this.words, base + GENERATION) + 1', to: 'load(this.words, base + GENERATION) || 1' }],
    scenario: 'consumer killed and succeeded, event loops',
    finding: /^lost wake-up: consumer 2/,
  },
];
