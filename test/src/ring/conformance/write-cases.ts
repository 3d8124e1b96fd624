import {
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

/** Fills a ring but for nothing. */
const BLOCKER = text(0, CAPACITY - 8);

export const writeCases: readonly Case[] = [
  {
    name: 'write resolves at once while there is room, and after the room was made when there was none',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.write(BLOCKER, { type: 3 });
      const waiting = producer.write('next', { type: 4 });
      ok(await isPending(waiting));
      const [first] = await consumer.takeAll(1);
      strictEqual(first?.type, 3);
      await waiting;
      const [second] = await consumer.takeAll();
      strictEqual(second?.type, 4);
      strictEqual(Buffer.from(second?.data ?? []).toString(), 'next');
    },
  },
  {
    name: 'writes that are not awaited arrive in the order in which they were begun',
    needs: ['waiting'],
    run: async ({ open, producer, consumer }) => {
      await open();
      const messages = Array.from({ length: 300 }, (_, n) => text(n, (n * 37) % 200));
      const written = producer.writeAllAtOnce(messages).then(() => producer.end());
      deepStrictEqual(textsOf(await consumer.iterate()), messages);
      await written;
    },
  },
  {
    name: 'a short write does not overtake a long one for which there is no room yet',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.write(text(0, CAPACITY - 72)); // leaves 64 bytes
      const long = producer.write(text(1, 100));
      const short = producer.write('short');
      ok(await isPending(long));
      ok(await isPending(short));
      strictEqual((await consumer.takeAll(1)).length, 1);
      await Promise.all([long, short]);
      deepStrictEqual(textsOf(await consumer.takeAll()), [text(1, 100), 'short']);
    },
  },
  {
    name: 'a write whose signal was aborted before writes nothing',
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.abortBy('early');
      await refuses('ABORTED_BY_TEST', producer.write('never', { key: 'early' }));
      await producer.write('other');
      deepStrictEqual(textsOf(await consumer.takeAll()), ['other']);
    },
  },
  {
    name: 'a write that is aborted while it waits is left out, and the others keep their order',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.writeUntilFull(BLOCKER);
      const first = producer.write('first', { key: 'first' });
      const second = producer.write('second');
      const third = producer.write('third');
      ok(await isPending(first));
      const rejected = refuses('ABORTED_BY_TEST', first);
      await producer.abortBy('first');
      await rejected;
      ok(await isPending(second));
      strictEqual((await consumer.takeAll(1)).length, 1);
      await Promise.all([second, third]);
      deepStrictEqual(textsOf(await consumer.takeAll()), ['second', 'third']);
    },
  },
  {
    name: 'a write that is aborted while it is queued is left out, and overtakes nobody',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.writeUntilFull(BLOCKER);
      const first = producer.write('first');
      const second = producer.write('second', { key: 'second' });
      const third = producer.write('third');
      const rejected = refuses('ABORTED_BY_TEST', second);
      await producer.abortBy('second');
      await rejected;
      ok(await isPending(first));
      ok(await isPending(third));
      strictEqual((await consumer.takeAll(1)).length, 1);
      await Promise.all([first, third]);
      deepStrictEqual(textsOf(await consumer.takeAll()), ['first', 'third']);
    },
  },
  {
    name: 'a write that is aborted in the turn in which it would look again is aborted all the same',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer, ring }) => {
      await open({ producer: 'event' });
      await producer.writeUntilFull(BLOCKER);
      const waiting = producer.write('never', { key: 'turn' });
      await until(() => ring.statistics().producers[0].parks === 1, 'the producer sleeps');
      const rejected = refuses('ABORTED_BY_TEST', waiting);
      await producer.unrefAndAbort('turn');
      await rejected;
      await producer.ref();
      strictEqual((await consumer.takeAll(1)).length, 1);
      await producer.write('after');
      deepStrictEqual(textsOf(await consumer.takeAll()), ['after']);
    },
  },
  {
    name: 'a queued write that can never fit fails alone',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.writeUntilFull(BLOCKER);
      const first = producer.write('first');
      const tooLong = producer.write('x'.repeat(CAPACITY));
      const noMessage = producer.write(undefined as unknown as string);
      const last = producer.write('last');
      const rejected = Promise.all([
        refuses('ERR_MEMLANE_MESSAGE_TOO_LONG', tooLong),
        refuses('ERR_MEMLANE_ARGUMENT', noMessage, 'message'),
      ]);
      strictEqual((await consumer.takeAll(1)).length, 1);
      await Promise.all([first, last, rejected]);
      deepStrictEqual(textsOf(await consumer.takeAll()), ['first', 'last']);
    },
  },
  {
    name: 'for await yields every message until end(), which commits what was claimed',
    run: async ({ open, producer, consumer }) => {
      await open();
      const all = consumer.iterate();
      for (let n = 0; n < 5; n++) await producer.write(text(n), { type: n });
      await producer.claimFor(text(5), 5);
      await producer.end();
      const messages = await all;
      deepStrictEqual(
        textsOf(messages),
        [0, 1, 2, 3, 4, 5].map((n) => text(n)),
      );
      deepStrictEqual(
        messages.map(({ type }) => type),
        [0, 1, 2, 3, 4, 5],
      );
      strictEqual(await consumer.isEnded(), true);
      strictEqual(await consumer.waitSync(0), true);
      await consumer.wait();
      strictEqual(await consumer.tryRead(), null);
      deepStrictEqual(await consumer.iterate(), []);
    },
  },
  {
    name: 'the end comes after the last message, not before',
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.write('last');
      await producer.end();
      strictEqual(await consumer.isEnded(), false);
      deepStrictEqual(textsOf(await consumer.takeAll()), ['last']);
      strictEqual(await consumer.isEnded(), true);
    },
  },
  {
    name: 'after end() the producer takes nothing more, and says so',
    run: async ({ open, producer }) => {
      await open();
      await producer.end();
      await producer.end();
      await refuses('ERR_MEMLANE_ENDED', producer.claim(1));
      await refuses('ERR_MEMLANE_ENDED', producer.tryWrite('x'));
      await refuses('ERR_MEMLANE_ENDED', producer.write('x'));
      await producer.close();
      await refuses('ERR_MEMLANE_CLOSED', producer.tryWrite('x'));
    },
  },
  {
    name: 'a write that still waits when the stream is ended is refused',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.writeUntilFull(BLOCKER);
      const waiting = Promise.all([
        refuses('ERR_MEMLANE_ENDED', producer.write('too late')),
        refuses('ERR_MEMLANE_ENDED', producer.write('later still')),
      ]);
      await producer.end();
      deepStrictEqual(textsOf(await consumer.iterate()), [BLOCKER]);
      await waiting;
    },
  },
  {
    name: 'a new producer begins a new stream after the end of one',
    run: async ({ open, producer, consumer }) => {
      await open();
      for (const stream of ['one', 'two', 'three']) {
        await producer.write(stream);
        await producer.end();
        deepStrictEqual(textsOf(await consumer.iterate()), [stream]);
        await producer.close();
        strictEqual(await consumer.isEnded(), true);
        await producer.open();
        strictEqual(await consumer.isEnded(), false);
      }
    },
  },
  {
    name: 'a message whose loop body was left comes again to the successor, and none before it',
    needs: ['succession'],
    run: async ({ open, producer, consumer }) => {
      await open();
      for (let n = 0; n < 6; n++) await producer.write(text(n));
      strictEqual((await consumer.iterate({ breakAt: 0 })).length, 1);
      await consumer.close();
      await consumer.open();
      await producer.end();
      deepStrictEqual(
        textsOf(await consumer.iterate()),
        [0, 1, 2, 3, 4, 5].map((n) => text(n)),
      );
    },
  },
  {
    name: 'the loop gives space back while it runs, so that a stream may be longer than the ring',
    needs: ['waiting'],
    run: async ({ open, producer, consumer }) => {
      await open();
      const messages = Array.from({ length: 40 }, (_, n) => text(n, CAPACITY / 4 - 8));
      const written = producer.writeAllAtOnce(messages).then(() => producer.end());
      deepStrictEqual(textsOf(await consumer.iterate()), messages);
      await written;
    },
  },
  {
    name: 'a loop whose body closes the consumer ends there, and its message comes again',
    needs: ['succession'],
    run: async ({ open, producer, consumer }) => {
      await open();
      for (let n = 0; n < 3; n++) await producer.write(text(n));
      deepStrictEqual(textsOf(await consumer.iterate({ closeAt: 1 })), [text(0), text(1)]);
      await consumer.open();
      deepStrictEqual(textsOf(await consumer.takeAll()).at(-1), text(2));
    },
  },
  {
    name: 'the loop gives space back before it has read everything that was there',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      strictEqual(await producer.writeUntilFull(text(0, CAPACITY / 8 - 8)), 8);
      strictEqual((await consumer.iterate({ breakAt: 7 })).length, 8);
      ok(ring.statistics().backlogBytes <= CAPACITY / 2, 'the space of a quarter of the ring was kept');
      ok(ring.statistics().backlogBytes > 0, 'the message in the body counted as read');
    },
  },
  {
    name: "an iteration ends with its signal's reason, and another one goes on",
    run: async ({ open, producer, consumer }) => {
      await open();
      const first = consumer.iterate({ key: 'stop' });
      ok(await isPending(first));
      const rejected = refuses('ABORTED_BY_TEST', first);
      await consumer.abortBy('stop');
      await rejected;
      await producer.write('x');
      await producer.end();
      deepStrictEqual(textsOf(await consumer.iterate()), ['x']);
    },
  },
];
