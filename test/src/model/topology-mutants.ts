import type { Mutant } from './mutants.ts';

/** Faults planted in lanes of many ends; see mutants.ts. */

const CONSUMER = '/ring/dist/consumer.js';
const GATE = '/ring/dist/gate.js';
const GROUP = '/ring/dist/lane-group.js';
const JOIN = '/ring/dist/join.js';
const LANES = '/ring/dist/lanes.js';
const PARKING = '/core/dist/parking.js';
const PARTICIPANTS = '/core/dist/participants.js';
const PRODUCER = '/ring/dist/producer.js';
const READER = '/ring/dist/lane-reader.js';
const RETENTION = '/ring/dist/retention.js';
const RING = '/ring/dist/ring.js';
const STANDING = '/ring/dist/standing.js';
const TAIL = '/ring/dist/tail.js';
const WAITING = '/core/dist/waiting.js';

const RESERVED_STORE = 'store(this.words, this.baseOf(lane) + RESERVED, 1);';

export const topologyMutants: readonly Mutant[] = [
  {
    name: 'no second look at the cursors',
    module: GATE,
    edits: [
      {
        from: 'this.consumed(published);\n        const { oldest } = this;',
        to: 'const oldest = this.#tail.position;',
      },
    ],
    scenario: 'broadcast: a late consumer, from the oldest',
    finding: /^data race/,
  },
  {
    name: 'tail not looked at by the joiner',
    module: JOIN,
    edits: [{ from: 'if (tail.isPassed(start.position))', to: 'if (false)' }],
    scenario: 'broadcast: a late consumer, from the oldest',
    finding: /^data race|^consumer 1 failed/,
  },
  {
    name: 'tail stored after the overwriting',
    module: TAIL,
    edits: [
      {
        from: 'while (distance(target, this.#position) > 0 && this.#position !== bound)\n            this.#step(bound);\n        this.#publish();',
        to: 'this.#publish();\n while (distance(target, this.#position) > 0 && this.#position !== bound)\n            this.#step(bound);',
      },
    ],
    scenario: 'lossy: lapped, from the oldest',
    finding: /^consumer 1 failed: (word|message|A peer)/,
  },
  {
    name: 'tail not looked at after the copy',
    module: READER,
    edits: [{ from: 'if (this.#isOvertaken(from))', to: 'if (false)' }],
    scenario: 'lossy: lapped, from the oldest',
    finding: /^consumer 1 failed: (word|message|A peer)/,
  },
  {
    name: 'tail looked at before the copy',
    module: READER,
    edits: [
      {
        from: 'draft.view.u8.set(this',
        to: 'const overtaken = this.#isOvertaken(from);\n        draft.view.u8.set(this',
      },
      { from: 'if (this.#isOvertaken(from))', to: 'if (overtaken)' },
    ],
    scenario: 'lossy: lapped, from the oldest',
    finding: /^consumer 1 failed: (word|message|A peer)/,
  },
  {
    name: 'turn stored before the pair',
    module: TAIL,
    edits: [
      {
        from: 'const turn = load(words, base + TURN) + 1;',
        to: 'const turn = load(words, base + TURN) + 1;\n store(words, base + TURN, turn);',
      },
      { from: 'store(words, base + TURN, turn);\n        // A store', to: '// A store' },
    ],
    scenario: 'lossy: lapped, from the oldest',
    finding: /^consumer 1 failed: A peer has written .* tail|instead of/,
  },
  {
    name: 'backlog counted from the last release, where that holds nobody up',
    module: READER,
    edits: [
      {
        from: 'distance(published, this.#standing?.isAwaited === false ? this.#position : this.#consumed)',
        to: 'distance(published, this.#consumed)',
      },
      {
        from: 'this.#consumed = resumed.position;\n        store(this.#words, this.#cursor + CONSUMED, resumed.position);',
        to: '',
      },
    ],
    scenario: 'lossy: lapped, read by copy',
    finding: /^consumer 1 failed: A peer has written/,
  },
  {
    name: 'dead consumer taken off whoever has its place by now',
    module: GATE,
    edits: [
      {
        from: 'const { compareAndSet, load } = memory;',
        to: 'const { load } = memory;\nconst compareAndSet = (words, at, _, to) => { memory.store(words, at, to); return true; };',
      },
    ],
    scenario: 'broadcast: consumer killed and succeeded',
    finding: /^data race|^consumer 2/,
  },
  {
    name: 'name not kept',
    module: GATE,
    edits: [{ from: 'keptBytes(this.#consumers.retentionOf(consumer))', to: '0' }],
    scenario: 'broadcast: a name, its consumer killed and succeeded',
    finding: /^consumer 2 failed: lost what was to be kept$/,
  },
  {
    name: 'far away taken for a lie',
    module: GATE,
    edits: [
      {
        from: 'if (backlog < 0 || backlog > most)\n                continue;\n            if (',
        to: 'if (backlog > most)\n                continue;\n            if (backlog < 0 || ',
      },
    ],
    scenario: 'broadcast: a name that was away for 2^31 bytes',
    finding: /^producer failed: A peer has written/,
  },
  {
    name: 'state not looked at after the copy',
    module: STANDING,
    edits: [{ from: 'if (load(this.#words, this.#cursor + STATE) === this.#state)', to: 'if (true)' }],
    scenario: 'broadcast: a slow consumer passed over',
    finding: /^consumer 1 failed/,
  },
  {
    name: 'dying consumer not looked at again',
    module: WAITING,
    edits: [{ from: 'if (isUnsettled)', to: 'if (false)' }],
    scenario: 'broadcast: consumer killed, event loops',
    finding: /^producer waits for room/,
  },
  {
    name: 'bit of the sleeper not set',
    module: PARKING,
    edits: [{ from: 'setBits(this.#words, this.#mask.index, this.#mask.bit);', to: ';' }],
    scenario: 'broadcast: a consumer that sleeps',
    finding: /^lost wake-up: consumer/,
  },
  {
    name: 'second look before the parked word and the bit',
    module: WAITING,
    edits: [
      {
        from: 'const bell = spot.enter(ParkKind.thread);',
        to: 'const early = condition();\n const bell = spot.enter(ParkKind.thread);',
      },
      { from: 'const met = condition();', to: 'const met = early;' },
    ],
    scenario: 'broadcast: a consumer that sleeps',
    finding: /^lost wake-up: consumer/,
  },
  {
    name: 'no second look before the punch',
    module: LANES,
    edits: [
      {
        from: 'if (!this.#isDrained(lane, table))\n                return;\n            if (this.names',
        to: 'if (this.names',
      },
    ],
    scenario: 'mpsc: producers come and go',
    finding: /^lane is gone, and not all of it was read$/,
  },
  {
    name: 'lane punched under a living producer',
    module: LANES,
    edits: [
      {
        from: 'const isVacated = table.tryVacate(lane, () => {',
        to: 'const isVacated = ((_, recover) => { recover(); return true; })(lane, () => {',
      },
    ],
    scenario: 'mpsc: producers come and go',
    finding: /^data race|memory that is not reserved$|says that it is reserved, and is not$/,
  },
  {
    name: 'said to be reserved before it is',
    module: LANES,
    edits: [
      {
        from: 'if (hasManyProducers(this.facts.topology))\n            this.#region.file.reserve',
        to: `${RESERVED_STORE}\n        if (hasManyProducers(this.facts.topology))\n            this.#region.file.reserve`,
      },
      {
        from: `store(this.words, this.baseOf(lane) + ENDED, 0);\n        ${RESERVED_STORE}`,
        to: 'store(this.words, this.baseOf(lane) + ENDED, 0);',
      },
    ],
    scenario: 'mpsc: a producer comes',
    finding: /says that it is reserved, and is not$/,
  },
  {
    name: 'who was alive a moment ago believed to be so for as long as the sleep lasts',
    module: PRODUCER,
    edits: [{ from: 'this.#lane.lookAtLives();', to: ';' }],
    scenario: 'broadcast: consumer killed, event loops, at once',
    finding: /^producer waits for room that nobody needs$/,
  },
  {
    name: 'newcomer not announced before it stores anything',
    module: PARTICIPANTS,
    edits: [{ from: 'this.#knock(slot);', to: ';' }],
    scenario: 'broadcast: a late consumer, killed, event loops',
    finding: /^producer waits for room that nobody needs$/,
  },
  {
    name: 'what is kept forgotten before something else is said',
    module: RETENTION,
    edits: [
      {
        from: "if (typeof retention === 'number')",
        to: "if (typeof retention !== 'number') this.#keptBytes(consumer)[0] = 0; else",
      },
    ],
    scenario: 'broadcast: a name, killed as it comes to be kept for longer',
    finding: /^consumer 2 failed: lost what was to be kept$/,
  },
  {
    name: 'lanes looked for only when a producer has been announced',
    module: GROUP,
    edits: [{ from: 'this.#changes = undefined;\n        this.#gather();', to: '' }],
    scenario: 'mpsc: a producer is killed as it comes',
    finding: /^lane is kept for nobody$/,
  },
  {
    name: 'nobody rung when a cursor is removed',
    module: RING,
    edits: [{ from: 'table.ringAll(lanes.facts.producers + consumer);', to: '' }],
    scenario: 'bus: a lane is kept for a name that is removed, event loop',
    finding: /^lane is kept for nobody$/,
  },
  {
    name: 'contended is taken for refused',
    module: CONSUMER,
    edits: [{ from: "if (outcome === 'contended')", to: 'if (false)' }],
    scenario: 'bus: a lane is kept for a name that is removed, event loop',
    finding: /^lane is kept for nobody$/,
  },
  {
    name: 'last look before the sleep is seen',
    module: WAITING,
    edits: [
      {
        from: 'spot.enter(ParkKind.eventLoop);',
        to: 'const early = this.#lastLook();\n spot.enter(ParkKind.eventLoop);',
      },
      { from: 'if (this.#lastLook())', to: 'if (early)' },
    ],
    scenario: 'mpsc: a lane is given back, event loop',
    finding: /^lane is kept for nobody$/,
  },
  {
    name: 'taken for watched though nobody is there to be watched',
    module: CONSUMER,
    edits: [{ from: 'peers[lane].isWatched', to: 'true' }],
    scenario: 'mpsc: a lane is given back, event loop',
    finding: /^lane is kept for nobody$/,
  },
  {
    name: 'those for whom a lane is kept not watched',
    module: CONSUMER,
    edits: [
      {
        from: 'this.#lanes.abandonDrained(lane, this.#table, watch)',
        to: 'this.#lanes.abandonDrained(lane, this.#table)',
      },
    ],
    scenario: 'bus: a lane is kept for somebody who is killed, event loops',
    finding: /^lane is kept for nobody$/,
  },
  {
    name: 'producer not announced',
    module: RING,
    edits: [{ from: 'place.ring.lanes.announce();', to: ';' }],
    scenario: 'mpsc: a producer comes',
    finding: /sleeps, and has not read all of producer 2$/,
  },
  {
    name: 'producer announced before its lane is there',
    module: RING,
    edits: [
      { from: 'place.ring.lanes.announce();', to: ';' },
      {
        from: 'const { producers } = lanes.facts;\n            if (producers === 1)',
        to: 'const { producers } = lanes.facts;\n lanes.announce();\n            if (producers === 1)',
      },
    ],
    scenario: 'mpsc: a producer comes',
    finding: /sleeps, and has not read all of producer 2$/,
  },
];
