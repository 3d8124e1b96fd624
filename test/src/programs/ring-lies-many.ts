// Honest ends of a ring for many, one call at a time, and a liar who overwrites any shared word between the calls:
// { seed, runs }. Whatever is written, each call works or is refused for a word that is wrong; says 'ended' with how often
// what came of it, or dies of what went wrong.
import { setFlagsFromString } from 'node:v8';
import fc from 'fast-check';
import { Action, type Consumer, createAnonymousRing, FULL, type MemlaneError, type RingShape } from 'memlane';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { locate, type Placed, peek, placesOf, poke, writeBytes } from '../ring/ring-bytes.ts';
import { parameters, say } from '../support/speech.ts';

setFlagsFromString('--no-opt'); // runs are short: compiling would take longer
const { seed, runs } = parameters<{ seed: number; runs: number }>();

const BLAMED = ['published', 'consumed', 'tail', 'length', 'nameBytes', 'retention', 'segment'];

const SHAPES: readonly RingShape[] = [
  { topology: 'mpsc', producers: 2 },
  { topology: 'broadcast', consumers: 2 },
  { topology: 'broadcast', consumers: 2, maxLagBytes: CAPACITY / 2 },
  { topology: 'broadcast', consumers: 2, overwrite: true },
  { topology: 'bus', producers: 2, consumers: 2 },
  { topology: 'bus', producers: 2, consumers: 2, overwrite: true },
];

const shift = fc.oneof(
  fc.constantFrom(-8, 8, 4, 1, 16, CAPACITY, CAPACITY + 8, -CAPACITY, -CAPACITY - 8, 2 ** 31, 2 ** 30),
  fc.integer({ min: -2 * CAPACITY, max: 2 * CAPACITY }),
  fc.integer(),
);
const which = fc.nat(1);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('write' as const), which, length: fc.nat(600), times: fc.nat(12) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('poll' as const), which, limit: fc.integer({ min: 1, max: 40 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('read' as const, 'ended' as const, 'wait' as const, 'room' as const),
      which,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('new producer' as const, 'new consumer' as const),
      which,
      name: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('statistics' as const, 'remove' as const) }) },
  // Of which structure, which field: by remainder.
  { weight: 5, arbitrary: fc.record({ do: fc.constant('lie' as const), place: fc.nat(), word: fc.nat(), shift }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('lie about a length' as const), which, ahead: fc.nat(20), value: shift }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

const outcomes: Record<string, number> = {};
fc.assert(
  fc.property(
    fc.array(step, { minLength: 12, maxLength: 60, size: 'max' }),
    fc.nat(2 ** 29 - 1),
    fc.constantFrom(...SHAPES),
    tell,
  ),
  { seed, numRuns: runs },
);
say('ended', outcomes);

function tell(steps: Step[], start: number, kind: RingShape): void {
  const shape = { ...kind, capacityBytes: CAPACITY, startPosition: start * 8 };
  using ring = createAnonymousRing(shape);
  const { path } = ring.descriptor();
  const { geometry, lanes, cursors, slots, names } = placesOf(shape);
  // What says where the others are, and the bells of the living, are not for lies: see the other tests.
  const structures: readonly Placed[] = [...lanes, ...lanes, ...cursors.flat(), ...cursors.flat(), ...names, ...slots];
  const isMany = shape.topology !== 'mpsc';
  const takeConsumer = (name: boolean): Consumer =>
    ring.consumer({ wait: 'spin', ...(isMany ? { from: 'oldest', ...(name ? { name: 'reader' } : {}) } : {}) });
  const producers = lanes.map(() => ring.producer({ wait: 'spin' }));
  const consumers = Array.from({ length: isMany ? 2 : 1 }, (_, at) => takeConsumer(at === 1));
  let handled = 0;

  const check = (offset: number, length: number, bytes: number): void => {
    handled += 1;
    if (handled > 4 * CAPACITY) throw new Error('more messages than a ring has room for');
    if (offset < 8 || length < 0 || length > CAPACITY || offset + length > bytes)
      throw new Error(`a message of ${length} bytes at ${offset}`);
  };
  const poll = (consumer: Consumer, limit: number): void => {
    consumer.poll((view, offset, length) => {
      check(offset, length, view.u8.length);
      return handled % 5 === 0 ? Action.COMMIT : Action.CONTINUE;
    }, limit);
  };

  for (const what of steps) {
    try {
      handled = 0;
      const at = 'which' in what ? what.which : 0;
      const producer = producers[at % producers.length] as (typeof producers)[number];
      const consumer = consumers[at % consumers.length] as Consumer;
      switch (what.do) {
        case 'write':
          for (let times = what.times; times >= 0; times--) {
            const offset = producer.tryClaim(what.length);
            if (offset === FULL) break;
            check(offset, what.length, producer.view.u8.length);
            producer.commit();
          }
          break;
        case 'poll':
          poll(consumer, what.limit);
          break;
        case 'read':
          check(8, consumer.tryRead()?.data.length ?? 0, 2 * CAPACITY);
          break;
        case 'ended':
          void consumer.isEnded;
          break;
        case 'wait':
          consumer.waitSync(0);
          break;
        case 'room':
          producer.waitSync(0, 500);
          producer.flushSync(0);
          break;
        case 'statistics':
          ring.statistics();
          break;
        case 'remove':
          ring.removeCursor('reader');
          break;
        case 'new producer':
          producer.close();
          producers[at % producers.length] = ring.producer({ wait: 'spin' });
          break;
        case 'new consumer':
          consumer.close();
          consumers[at % consumers.length] = takeConsumer(what.name);
          break;
        case 'lie': {
          const placed = structures[what.place % structures.length] as Placed;
          const fields = Object.keys(placed.descriptor.fields).filter((name) => locate(placed, name).type !== 'text');
          const field = fields[what.word % fields.length] as string;
          poke(path, placed, field, peek(path, placed, field) + what.shift);
          break;
        }
        case 'lie about a length': {
          const lane = at % lanes.length;
          const consumed = peek(path, cursors[lane]?.[0] as Placed, 'consumed');
          const index = (consumed + 8 * what.ahead) & (CAPACITY - 1) & -8;
          const bytes = Buffer.alloc(4);
          bytes.writeInt32LE(~what.value);
          writeBytes(path, geometry.dataOffset + lane * CAPACITY + index, bytes);
          break;
        }
      }
      count('worked');
    } catch (error) {
      const { code = '', field } = error as MemlaneError;
      count(code);
      const isExpected =
        (code === 'ERR_MEMLANE_CORRUPT' && BLAMED.includes(field ?? '')) ||
        code === 'ERR_MEMLANE_EVICTED' ||
        // Who lost its place to a lie, or whose name is somebody else's by now.
        (code === 'ERR_MEMLANE_BUSY' && ['new consumer', 'remove'].includes(what.do)) ||
        code === 'ERR_MEMLANE_CLOSED';
      if (!isExpected) throw error;
    }
  }
}

function count(outcome: string): void {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
