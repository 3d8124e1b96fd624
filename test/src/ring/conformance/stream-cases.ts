import type { WaitStrategy } from 'memlane';
import { chooseSeed } from '../../support/random.ts';
import { APART, CAPACITY, type Case, strictEqual } from './bed.ts';

const COUNT = 300;

/** Strategies that sleep and wake, and that do not, each against each. */
const PAIRS: readonly [producer: WaitStrategy, consumer: WaitStrategy, blocking: boolean][] = [
  ['park', 'park', true],
  ['adaptive', 'adaptive', true],
  ['yield', 'park', true],
  ['park', 'yield', true],
  ['spin', 'adaptive', true],
  ['adaptive', 'spin', true],
  ['event', 'event', false],
  ['adaptive', 'adaptive', false],
  ['yield', 'event', false],
  ['spin', 'adaptive', false],
];

/** A stream of messages of every length through the smallest ring: each one whole, in its place, once. */
export const streamCases: readonly Case[] = PAIRS.map(([producing, consuming, blocking]) => ({
  name: `${COUNT} messages, ${producing} to ${consuming}, ${blocking ? 'blocking' : 'awaiting'}`,
  needs: ['waiting'],
  ...(blocking ? { places: APART } : {}),
  run: async ({ open, producer, consumer, ring }) => {
    const traffic = { seed: chooseSeed(), maxLength: CAPACITY - 8 };
    await open({ producer: producing, consumer: consuming });
    const plan = { traffic, count: COUNT, blocking, maxBatch: 9 };
    try {
      const [count] = await Promise.all([consumer.verify(plan), producer.stream(plan)]);
      strictEqual(count, COUNT);
      const {
        producers: [wrote],
        consumers: [read],
      } = ring.statistics();
      strictEqual(wrote.messages, COUNT);
      strictEqual(read.messages, COUNT);
      strictEqual(read.bytes, wrote.bytes);
    } catch (error) {
      (error as Error).message += `; MEMLANE_SEED=${traffic.seed}`;
      throw error;
    }
  },
}));
