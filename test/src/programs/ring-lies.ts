// One honest side at a time, and a liar who overwrites shared words between its calls: { seed, runs }. Whatever is
// written, each call works or says ERR_MEMLANE_CORRUPT and which word; says 'ended', or dies of what went wrong.
import fc from 'fast-check';
import { Action, createAnonymousRing, FULL, type MemlaneError } from 'memlane';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { CONSUMER, cursor, dataOffset, lane, PRODUCER, peek, poke, slot, writeBytes } from '../ring/ring-bytes.ts';
import { parameters, say } from '../support/speech.ts';

const { seed, runs } = parameters<{ seed: number; runs: number }>();

const BLAMED = ['published', 'consumed', 'length'];

/** Where a word lies relative to what it should say. */
const shift = fc.oneof(
  fc.constantFrom(-8, 8, 4, 1, 16, CAPACITY, CAPACITY + 8, -CAPACITY, -CAPACITY - 8, 2 ** 31, 2 ** 30),
  fc.integer({ min: -2 * CAPACITY, max: 2 * CAPACITY }),
  fc.integer(),
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), length: fc.nat(600) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('room' as const), length: fc.nat(CAPACITY - 8) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('poll' as const), limit: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'ended' as const, 'wait' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('lie' as const), word: fc.constantFrom('published', 'consumed'), shift }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('lie about a length' as const), ahead: fc.nat(20), value: shift }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lie about a slot' as const),
      slot: fc.constantFrom(PRODUCER, CONSUMER),
      word: fc.constantFrom('state', 'generation', 'parked', 'bell', 'pid', 'role'),
      value: fc.integer(),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

fc.assert(fc.property(fc.array(step, { minLength: 3, maxLength: 60 }), fc.nat(2 ** 29 - 1), tell), {
  seed,
  numRuns: runs,
});
say('ended');

function tell(steps: Step[], start: number): void {
  using ring = createAnonymousRing({ capacityBytes: CAPACITY, startPosition: start * 8 });
  const { path } = ring.descriptor();
  const producer = ring.producer({ wait: 'spin' });
  const consumer = ring.consumer({ wait: 'spin' });
  const { view } = producer;
  let handled = 0;

  const check = (offset: number, length: number): void => {
    handled += 1;
    if (handled > CAPACITY) throw new Error('more messages than a ring has room for');
    if (offset < 8 || length < 0 || length > CAPACITY || offset + length > view.u8.length)
      throw new Error(`a message of ${length} bytes at ${offset}`);
  };

  for (const what of steps) {
    try {
      handled = 0;
      switch (what.do) {
        case 'write': {
          const offset = producer.tryClaim(what.length);
          if (offset === FULL) break;
          check(offset, what.length);
          producer.commit();
          break;
        }
        case 'room':
          producer.waitSync(0, what.length);
          break;
        case 'poll':
          consumer.poll((_view, offset, length) => {
            check(offset, length);
            return handled % 5 === 0 ? Action.COMMIT : Action.CONTINUE;
          }, what.limit);
          break;
        case 'read':
          check(8, consumer.tryRead()?.data.length ?? 0);
          break;
        case 'ended':
          void consumer.isEnded;
          break;
        case 'wait':
          consumer.waitSync(0);
          break;
        case 'lie': {
          const placed = what.word === 'published' ? lane : cursor;
          poke(path, placed, what.word, peek(path, placed, what.word) + what.shift);
          break;
        }
        case 'lie about a length': {
          const at = (peek(path, cursor, 'consumed') + 8 * what.ahead) & (CAPACITY - 1) & -8;
          const bytes = Buffer.alloc(4);
          bytes.writeInt32LE(~what.value);
          writeBytes(path, dataOffset + at, bytes);
          break;
        }
        case 'lie about a slot':
          poke(path, slot(what.slot), what.word, what.value);
          break;
      }
    } catch (error) {
      const { code, field } = error as MemlaneError;
      if (code !== 'ERR_MEMLANE_CORRUPT' || !BLAMED.includes(field ?? '')) throw error;
    }
  }
}
