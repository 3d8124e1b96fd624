import type { WaitStrategy } from 'memlane';
import {
  APART,
  type Bed,
  CAPACITY,
  type Case,
  deepStrictEqual,
  isPending,
  ok,
  refuses,
  strictEqual,
  text,
  textsOf,
  until,
} from './bed.ts';

const BLOCKING: readonly WaitStrategy[] = ['spin', 'yield', 'park', 'adaptive'];
const AWAITING: readonly WaitStrategy[] = ['spin', 'yield', 'event', 'adaptive'];

/** Fills a ring but for nothing. */
const FILLER = text(0, CAPACITY - 8);

/** Long enough for a park, short enough for every strategy on every point of the matrix. */
const TIMEOUT_MS = 5;

/** Lets the waiting end get as far as it will: to sleep, where its strategy sleeps. */
async function settled(role: 'producer' | 'consumer', wait: WaitStrategy, { ring }: Bed): Promise<void> {
  if (wait !== 'spin' && wait !== 'yield')
    await until(() => ring.statistics()[`${role}s`][0].parks > 0, `the ${role} sleeps with ${wait}`);
  else await new Promise((resolve) => setTimeout(resolve, 3));
}

const perStrategy: Case[] = [];

for (const wait of BLOCKING)
  perStrategy.push(
    {
      name: `waitSync times out with ${wait}, not early`,
      needs: ['waiting'],
      run: async ({ open, producer, consumer }) => {
        await open({ producer: wait, consumer: wait });
        for (const timeoutMs of [0, TIMEOUT_MS]) {
          const before = performance.now();
          strictEqual(await consumer.waitSync(timeoutMs), false);
          ok(performance.now() - before >= timeoutMs, 'the consumer came back early');
        }
        await producer.writeUntilFull(FILLER);
        for (const timeoutMs of [0, TIMEOUT_MS]) {
          const before = performance.now();
          strictEqual(await producer.waitSync(timeoutMs), false);
          ok(performance.now() - before >= timeoutMs, 'the producer came back early');
        }
        strictEqual(await consumer.waitSync(TIMEOUT_MS), true);
        await consumer.takeAll();
        strictEqual(await producer.waitSync(TIMEOUT_MS, CAPACITY - 8), true);
      },
    },
    {
      name: `a message ends the consumer's waitSync with ${wait}`,
      places: APART,
      run: async (bed) => {
        const { open, producer, consumer } = bed;
        await open({ consumer: wait });
        const waiting = consumer.waitSync(20_000);
        await settled('consumer', wait, bed);
        await producer.tryWrite('x');
        strictEqual(await waiting, true);
        deepStrictEqual(textsOf(await consumer.takeAll()), ['x']);
      },
    },
    {
      name: `room ends the producer's waitSync with ${wait}`,
      needs: ['waiting'],
      places: APART,
      run: async (bed) => {
        const { open, producer, consumer } = bed;
        await open({ producer: wait });
        await producer.writeUntilFull(FILLER);
        const waiting = producer.waitSync(20_000, 100);
        await settled('producer', wait, bed);
        strictEqual((await consumer.takeAll(1)).length, 1);
        strictEqual(await waiting, true);
      },
    },
    {
      name: `the end of the stream ends the consumer's waitSync with ${wait}`,
      places: APART,
      run: async (bed) => {
        const { open, producer, consumer } = bed;
        await open({ consumer: wait });
        const waiting = consumer.waitSync(20_000);
        await settled('consumer', wait, bed);
        await producer.end();
        strictEqual(await waiting, true);
        strictEqual(await consumer.isEnded(), true);
      },
    },
  );

for (const wait of AWAITING)
  perStrategy.push(
    {
      name: `a message ends the consumer's wait with ${wait}`,
      run: async (bed) => {
        const { open, producer, consumer } = bed;
        await open({ consumer: wait });
        const waiting = consumer.wait();
        await settled('consumer', wait, bed);
        ok(await isPending(waiting));
        await producer.tryWrite('x');
        await waiting;
        deepStrictEqual(textsOf(await consumer.takeAll()), ['x']);
      },
    },
    {
      name: `room ends the producer's wait with ${wait}, enough of it`,
      needs: ['waiting', 'lanes'],
      run: async (bed) => {
        const { open, producer, consumer } = bed;
        await open({ producer: wait });
        await producer.writeUntilFull(text(0, 504));
        const waiting = producer.wait({ length: 1000 });
        await settled('producer', wait, bed);
        await consumer.takeAll(1);
        ok(await isPending(waiting));
        await consumer.takeAll(1);
        await waiting;
        ok(await producer.tryWrite(text(1, 1000)));
      },
    },
    {
      name: `the end of the stream ends the consumer's wait with ${wait}`,
      run: async (bed) => {
        const { open, producer, consumer } = bed;
        await open({ consumer: wait });
        const waiting = consumer.wait();
        await settled('consumer', wait, bed);
        await producer.end();
        await waiting;
        strictEqual(await consumer.isEnded(), true);
      },
    },
    {
      name: `an aborted wait with ${wait} ends with the reason, and the next one works`,
      needs: ['waiting'],
      run: async (bed) => {
        const { open, producer, consumer } = bed;
        await open({ consumer: wait, producer: wait });
        const waiting = consumer.wait({ key: 'stop' });
        await settled('consumer', wait, bed);
        const rejected = refuses('ABORTED_BY_TEST', waiting);
        await consumer.abortBy('stop');
        await rejected;
        await refuses('ABORTED_BY_TEST', consumer.wait({ key: 'stop' }));
        const next = consumer.wait();
        await producer.writeUntilFull(FILLER);
        await next;
        const room = producer.wait({ key: 'stop' });
        await settled('producer', wait, bed);
        const also = refuses('ABORTED_BY_TEST', room);
        await producer.abortBy('stop');
        await also;
      },
    },
    {
      name: `close() ends every kind of pending wait with ${wait}`,
      needs: ['waiting'],
      run: async (bed) => {
        const { open, producer, consumer } = bed;
        await open({ consumer: wait, producer: wait });
        const ends: Promise<void>[] = [refuses('ERR_MEMLANE_CLOSED', consumer.wait())];
        await settled('consumer', wait, bed);
        await consumer.close();
        await ends.pop();
        await consumer.open({ wait });
        ends.push(refuses('ERR_MEMLANE_CLOSED', consumer.iterate()));
        ok(await isPending(ends[0] as Promise<void>));
        await consumer.close();
        await ends.pop();
        const filled = await producer.writeUntilFull(FILLER);
        ends.push(refuses('ERR_MEMLANE_CLOSED', producer.write('first')));
        ends.push(refuses('ERR_MEMLANE_CLOSED', producer.write('second')));
        await settled('producer', wait, bed);
        await producer.close();
        await Promise.all(ends.splice(0));
        await producer.open({ wait });
        ends.push(refuses('ERR_MEMLANE_CLOSED', producer.wait()));
        ok(await isPending(ends[0] as Promise<void>));
        await producer.dispose();
        await ends.pop();
        await consumer.open();
        deepStrictEqual(textsOf(await consumer.takeAll()), Array(filled).fill(FILLER));
      },
    },
  );

export const waitCases: readonly Case[] = [
  ...perStrategy,
  {
    name: 'what cannot be waited for in that way is refused by name',
    needs: ['waiting'],
    run: async ({ open, producer, consumer }) => {
      const words = ["'adaptive'"];
      await open({ producer: 'event', consumer: 'event' });
      await refuses('ERR_MEMLANE_WAIT_STRATEGY', consumer.waitSync(1), ...words);
      await producer.writeUntilFull(FILLER);
      await refuses('ERR_MEMLANE_WAIT_STRATEGY', producer.waitSync(1), ...words);
      await producer.close();
      await consumer.takeAll();
      await consumer.close();
      await open({ producer: 'park', consumer: 'park' });
      await refuses('ERR_MEMLANE_WAIT_STRATEGY', consumer.wait(), ...words);
      await refuses('ERR_MEMLANE_WAIT_STRATEGY', consumer.iterate(), ...words);
      const filled = await producer.writeUntilFull(FILLER);
      await refuses('ERR_MEMLANE_WAIT_STRATEGY', producer.wait(), ...words);
      await refuses('ERR_MEMLANE_WAIT_STRATEGY', producer.write('x'), ...words);
      // A refusal leaves everything as it was.
      deepStrictEqual(textsOf(await consumer.takeAll()), Array(filled).fill(FILLER));
      strictEqual(await producer.tryWrite('y'), true);
    },
  },
  {
    name: 'an unknown strategy is refused when the place is taken',
    run: async ({ producer, consumer }) => {
      for (const end of [producer, consumer])
        await refuses('ERR_MEMLANE_ARGUMENT', end.open({ wait: 'sleep' as WaitStrategy }), "'sleep'", 'adaptive');
      await producer.open();
      await consumer.open();
    },
  },
  {
    name: 'a second wait on one endpoint is refused while the first one lasts, whichever way',
    needs: ['waiting'],
    run: async (bed) => {
      const { open, producer, consumer, ring } = bed;
      await open({ producer: 'adaptive', consumer: 'adaptive' });
      const waiting = consumer.wait();
      await until(() => ring.statistics().consumers[0].parks > 0, 'the consumer sleeps');
      await refuses('ERR_MEMLANE_CONCURRENT', consumer.wait());
      await refuses('ERR_MEMLANE_CONCURRENT', consumer.waitSync(0));
      await producer.writeUntilFull(FILLER);
      await waiting;
      const room = producer.write('x');
      await until(() => ring.statistics().producers[0].parks > 0, 'the producer sleeps');
      await refuses('ERR_MEMLANE_CONCURRENT', producer.wait());
      await refuses('ERR_MEMLANE_CONCURRENT', producer.waitSync(0));
      strictEqual((await consumer.takeAll(1)).length, 1);
      await room;
    },
  },
  {
    name: 'a wait for more room than the ring has is refused, not begun',
    needs: ['lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      const tooLong = CAPACITY - 7;
      for (const length of [tooLong, 2 ** 32, -1, 0.5, Number.NaN]) {
        const words = [String(length), String(tooLong - 1)];
        await refuses('ERR_MEMLANE_ARGUMENT', producer.wait({ length }), ...words);
        await refuses('ERR_MEMLANE_ARGUMENT', producer.waitSync(0, length), ...words);
      }
      await producer.tryWrite('x');
      strictEqual((await consumer.takeAll(1)).length, 1);
    },
  },
  {
    name: 'a time-out that is no time is refused',
    needs: ['waiting'],
    run: async ({ open, producer, consumer }) => {
      await open({ producer: 'park', consumer: 'park' });
      await producer.writeUntilFull(FILLER);
      await consumer.takeAll();
      await producer.writeUntilFull(FILLER);
      for (const timeoutMs of [Number.NaN, -1, '5' as unknown as number])
        await refuses('ERR_MEMLANE_ARGUMENT', producer.waitSync(timeoutMs), 'timeoutMs');
      await consumer.takeAll();
      for (const timeoutMs of [Number.NaN, -1, '5' as unknown as number])
        await refuses('ERR_MEMLANE_ARGUMENT', consumer.waitSync(timeoutMs), 'timeoutMs');
    },
  },
  {
    name: 'unref() and then close() in one turn ends a pending wait',
    needs: ['waiting'],
    run: async (bed) => {
      const { open, producer, consumer, ring } = bed;
      await open({ producer: 'event', consumer: 'event' });
      const waiting = refuses('ERR_MEMLANE_CLOSED', consumer.wait());
      await until(() => ring.statistics().consumers[0].parks === 1, 'the consumer sleeps');
      await consumer.unrefAndClose();
      await waiting;
      strictEqual(ring.statistics().consumers[0].alive, false);
      await producer.writeUntilFull(FILLER);
      const room = refuses('ERR_MEMLANE_CLOSED', producer.write('x'));
      await until(() => ring.statistics().producers[0].parks === 1, 'the producer sleeps');
      await producer.unrefAndClose();
      await room;
      strictEqual(ring.statistics().producers[0].alive, false);
    },
  },
  {
    name: 'a peer that comes and goes wakes a sleeper for a look only',
    run: async ({ open, producer, consumer, ring }) => {
      await open({ consumer: 'event' });
      const waiting = consumer.wait();
      await until(() => ring.statistics().consumers[0].parks === 1, 'the consumer sleeps');
      for (let round = 0; round < 3; round++) {
        await producer.close();
        ok(await isPending(waiting));
        await producer.open();
        ok(await isPending(waiting));
      }
      await producer.tryWrite('x');
      await waiting;
    },
  },
];
