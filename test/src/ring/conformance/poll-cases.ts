import { Action } from 'memlane';
import { APART, CAPACITY, type Case, deepStrictEqual, ok, strictEqual, text, textsOf, undone, until } from './bed.ts';

/** Bytes that text(n, 56) takes in a ring. */
const RECORD = 64;

/** The texts of messages `from` to `to`. */
function texts(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => text(from + i, 56));
}

export const pollCases: readonly Case[] = [
  {
    name: 'poll takes at the most its limit, and everything without one',
    run: async ({ open, producer, consumer }) => {
      await open();
      for (const message of texts(0, 9)) await producer.tryWrite(message);
      strictEqual((await consumer.poll([], 0)).count, 0);
      deepStrictEqual(textsOf((await consumer.poll([], 1)).seen), texts(0, 0));
      const three = await consumer.poll([], 3);
      strictEqual(three.count, 3);
      deepStrictEqual(textsOf(three.seen), texts(1, 3));
      deepStrictEqual(textsOf((await consumer.poll([])).seen), texts(4, 9));
      strictEqual((await consumer.poll([], 5)).count, 0);
      await producer.tryWrite('last');
      for (const limit of [-1, 0.5, Number.NaN, Number.NEGATIVE_INFINITY, '5', 5n, null, [5]] as number[]) {
        const { error, seen } = await consumer.poll([], limit);
        strictEqual(error?.code, 'ERR_MEMLANE_ARGUMENT');
        ok(error.message.startsWith('limit is '), error.message);
        strictEqual(seen.length, 0);
      }
      strictEqual((await consumer.poll([])).count, 1);
    },
  },
  {
    name: 'the space is given back after the batch, not before',
    needs: ['lanes'],
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (const message of texts(0, 3)) await producer.tryWrite(message);
      const { backlogs } = await consumer.poll([]);
      deepStrictEqual(
        backlogs,
        [4, 4, 4, 4].map((records) => records * RECORD),
      );
      strictEqual(undone(ring, RECORD), 0);
    },
  },
  {
    name: 'CONTINUE goes on, as returning nothing does',
    run: async ({ open, producer, consumer }) => {
      await open();
      for (const message of texts(0, 3)) await producer.tryWrite(message);
      const { count, seen } = await consumer.poll([Action.CONTINUE, undefined, Action.CONTINUE]);
      strictEqual(count, 4);
      deepStrictEqual(textsOf(seen), texts(0, 3));
    },
  },
  {
    name: 'BREAK stops after its message',
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (const message of texts(0, 4)) await producer.tryWrite(message);
      const { count, seen } = await consumer.poll([Action.CONTINUE, Action.BREAK]);
      strictEqual(count, 2);
      deepStrictEqual(textsOf(seen), texts(0, 1));
      strictEqual(undone(ring, RECORD), 3);
      deepStrictEqual(textsOf(await consumer.takeAll()), texts(2, 4));
    },
  },
  {
    name: 'ABORT stops before its message, which comes again',
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (const message of texts(0, 4)) await producer.tryWrite(message);
      const { count, seen } = await consumer.poll([Action.CONTINUE, Action.ABORT]);
      strictEqual(count, 1);
      deepStrictEqual(textsOf(seen), texts(0, 1));
      strictEqual(undone(ring, RECORD), 4);
      strictEqual((await consumer.poll([Action.ABORT])).count, 0);
      deepStrictEqual(textsOf(await consumer.takeAll()), texts(1, 4));
    },
  },
  {
    name: 'COMMIT gives the space back at once and goes on',
    needs: ['lanes'],
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (const message of texts(0, 4)) await producer.tryWrite(message);
      const { count, seen, backlogs } = await consumer.poll([undefined, Action.COMMIT, undefined, Action.COMMIT]);
      strictEqual(count, 5);
      deepStrictEqual(textsOf(seen), texts(0, 4));
      deepStrictEqual(
        backlogs,
        [5, 5, 3, 3, 1].map((records) => records * RECORD),
      );
      strictEqual(undone(ring, RECORD), 0);
    },
  },
  {
    name: 'a poll whose handler commits each message ends with what was there when it began',
    run: async ({ open, producer, consumer }) => {
      await open();
      for (const message of texts(0, 2)) await producer.tryWrite(message);
      const { count } = await consumer.poll([Action.COMMIT, Action.COMMIT, Action.COMMIT, Action.COMMIT]);
      strictEqual(count, 3);
      await producer.tryWrite(text(3, 56));
      strictEqual((await consumer.poll([Action.COMMIT])).count, 1);
    },
  },
  {
    name: 'COMMIT counts against the limit like any other',
    run: async ({ open, producer, consumer }) => {
      await open();
      for (const message of texts(0, 4)) await producer.tryWrite(message);
      strictEqual((await consumer.poll([Action.COMMIT, Action.COMMIT, Action.COMMIT], 2)).count, 2);
      deepStrictEqual(textsOf(await consumer.takeAll()), texts(2, 4));
    },
  },
  {
    name: 'ABORT after COMMIT takes nothing back',
    needs: ['lanes'],
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (const message of texts(0, 2)) await producer.tryWrite(message);
      const { count } = await consumer.poll([Action.COMMIT, Action.ABORT]);
      strictEqual(count, 1);
      strictEqual(undone(ring, RECORD), 2);
      deepStrictEqual(textsOf(await consumer.takeAll()), texts(1, 2));
    },
  },
  {
    name: 'COMMIT of the last message wakes a producer that waits for room',
    needs: ['waiting'],
    run: async ({ open, producer, consumer, ring }) => {
      await open({ producer: 'event' });
      const filled = await producer.writeUntilFull(text(0, CAPACITY - 8));
      const room = producer.wait({ length: 1 });
      await until(() => ring.statistics().producers[0].parks === 1, 'the producer sleeps');
      strictEqual((await consumer.poll([Action.COMMIT])).count, filled);
      await room;
    },
  },
  {
    name: 'when the handler throws, what came before counts as handled and that message comes again',
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (const message of texts(0, 4)) await producer.tryWrite(message);
      const failed = await consumer.poll([undefined, undefined, 'throw']);
      strictEqual(failed.error?.code, 'THROWN_BY_TEST');
      deepStrictEqual(textsOf(failed.seen), texts(0, 2));
      const again = await consumer.poll(['throw']);
      deepStrictEqual(textsOf(again.seen), texts(2, 2));
      const { count, seen } = await consumer.poll([]);
      strictEqual(count, 3);
      deepStrictEqual(textsOf(seen), texts(2, 4));
      strictEqual(undone(ring, RECORD), 0);
      strictEqual(ring.statistics().consumers[0].messages, 5);
    },
  },
  {
    name: 'a handler may close its consumer: the poll ends there',
    needs: ['succession', 'lanes'],
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (const message of texts(0, 3)) await producer.tryWrite(message);
      const { seen, error } = await consumer.poll([undefined, 'close']);
      strictEqual(error, undefined);
      deepStrictEqual(textsOf(seen), texts(0, 1));
      // Nothing was advanced over, for the place was given up before the batch was over.
      strictEqual(undone(ring, RECORD), 4);
      await consumer.open();
      deepStrictEqual(textsOf(await consumer.takeAll()), texts(0, 3));
    },
  },
  {
    name: 'a handler may close the whole ring: it is not handed zeros',
    places: APART, // in one thread it is the producer's ring too
    run: async ({ open, producer, consumer }) => {
      await open();
      for (const message of texts(0, 3)) await producer.tryWrite(message);
      const { seen, error } = await consumer.poll(['closeRing']);
      strictEqual(error, undefined);
      deepStrictEqual(textsOf(seen), texts(0, 0));
    },
  },
  {
    name: 'a handler that reads on by itself breaks neither order nor the ring',
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (const message of texts(0, 4)) await producer.tryWrite(message);
      const { seen, error } = await consumer.poll([undefined, 'readOn']);
      // Refused by name, or every message once and in order: nothing else will do.
      if (error === undefined) deepStrictEqual(textsOf(seen), texts(0, 4));
      else strictEqual(error.code, 'ERR_MEMLANE_CONCURRENT');
      ok(undone(ring, RECORD) >= 0);
      await consumer.takeAll();
      strictEqual(undone(ring, RECORD), 0);
      for (const message of texts(5, 6)) await producer.tryWrite(message);
      deepStrictEqual(textsOf(await consumer.takeAll()), texts(5, 6));
    },
  },
];
