import {
  attach,
  CAPACITY,
  type Case,
  deepStrictEqual,
  ok,
  refuses,
  strictEqual,
  text,
  textsOf,
  undone,
  until,
} from './bed.ts';

const PRODUCER_METHODS = [
  'tryClaim',
  'commit',
  'abort',
  'tryWrite',
  'write',
  'waitSync',
  'wait',
  'end',
  'isPeerAlive',
] as const;
const CONSUMER_METHODS = [
  'poll',
  'tryRead',
  'waitSync',
  'wait',
  'isEnded',
  'messages',
  'asyncIterator',
  'isPeerAlive',
] as const;

/** The code that every method of an end throws. */
function every(methods: readonly string[], code: string): Record<string, string> {
  return Object.fromEntries(methods.map((method) => [method, code]));
}

function codes(outcomes: Record<string, { code?: string } | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(outcomes).map(([method, error]) => [method, error?.code]));
}

export const lifeCases: readonly Case[] = [
  {
    name: 'there is one producer and one consumer at a time',
    needs: ['one each'],
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      const holders = ring.statistics();
      await refuses('ERR_MEMLANE_BUSY', (async () => ring.producer())(), 'producer', String(holders.producers[0].pid));
      await refuses('ERR_MEMLANE_BUSY', (async () => ring.consumer())(), 'consumer', String(holders.consumers[0].pid));
      // Who was refused has not disturbed the holders.
      await producer.tryWrite('x');
      deepStrictEqual(textsOf(await consumer.takeAll()), ['x']);
      await producer.close();
      await consumer.close();
      ring.producer().close();
      ring.consumer().close();
    },
  },
  {
    name: 'when all places are taken, the next one is refused, and the others work on',
    run: async ({ open, producer, consumer, ring, kind }) => {
      await open();
      const { producers = 1, consumers = 1 } = kind.shape;
      const rivals = [
        ...Array.from({ length: producers - 1 }, () => ring.producer()),
        ...Array.from({ length: consumers - 1 }, () => ring.consumer()),
      ];
      const { pid } = ring.statistics().producers[0] as { pid: number };
      await refuses('ERR_MEMLANE_BUSY', (async () => ring.producer())(), 'producer', String(pid));
      await refuses('ERR_MEMLANE_BUSY', (async () => ring.consumer())(), 'consumer');
      await producer.tryWrite('x');
      deepStrictEqual(textsOf(await consumer.takeAll()), ['x']);
      for (const rival of rivals) rival.close();
      if (producers > 1) ring.producer().close();
      if (consumers > 1) ring.consumer().close();
    },
  },
  {
    name: 'either side sees the other come and go',
    run: async ({ producer, consumer, ring }) => {
      await producer.open();
      strictEqual(await producer.isPeerAlive(), false);
      await consumer.open();
      strictEqual(await producer.isPeerAlive(), true);
      strictEqual(await consumer.isPeerAlive(), true);
      strictEqual(ring.statistics().producers[0].alive, true);
      await producer.close();
      strictEqual(await consumer.isPeerAlive(), false);
      strictEqual(ring.statistics().producers[0].alive, false);
      strictEqual(ring.statistics().consumers[0].alive, true);
    },
  },
  {
    name: 'after close() every method of an endpoint says so, and close() does nothing more',
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.claimFor('never committed');
      for (let times = 0; times < 2; times++) {
        await producer.close();
        await consumer.close();
        strictEqual(await producer.isClosed(), true);
        strictEqual(await consumer.isClosed(), true);
      }
      deepStrictEqual(codes(await producer.everyMethod()), every(PRODUCER_METHODS, 'ERR_MEMLANE_CLOSED'));
      deepStrictEqual(codes(await consumer.everyMethod()), every(CONSUMER_METHODS, 'ERR_MEMLANE_CLOSED'));
      for (const end of [producer, consumer]) {
        await end.ref(); // harmless, like those of a closed socket
        await end.unref();
        await end.dispose();
      }
    },
  },
  {
    name: 'closing the ring closes its endpoints, and everything says so',
    run: async ({ open, producer, consumer, ring, place, kind }) => {
      await open();
      await producer.tryWrite('kept');
      await producer.closeRing();
      await consumer.closeRing();
      deepStrictEqual(codes(await producer.everyMethod()), every(PRODUCER_METHODS, 'ERR_MEMLANE_CLOSED'));
      deepStrictEqual(codes(await consumer.everyMethod()), every(CONSUMER_METHODS, 'ERR_MEMLANE_CLOSED'));
      await refuses('ERR_MEMLANE_CLOSED', producer.open());
      await producer.closeRing();
      if (place === 'one thread') return; // it was this very ring
      deepStrictEqual(ring.statistics().producers[0].alive, false);
      strictEqual(ring.consumer(kind.reading).tryRead()?.data.toString(), 'kept');
    },
  },
  {
    name: 'Symbol.dispose closes endpoints and ring',
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      await producer.dispose();
      await consumer.dispose();
      strictEqual(await producer.isClosed(), true);
      strictEqual(await consumer.isClosed(), true);
      let disposed: { closed: boolean } | undefined;
      {
        using attached = attach(ring.descriptor());
        disposed = attached.producer();
        strictEqual(disposed.closed, false);
      }
      strictEqual(disposed.closed, true);
    },
  },
  {
    name: 'claims that were not committed go with their producer',
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.tryWrite('one');
      await producer.claimFor('dropped');
      await producer.close();
      await producer.open();
      await producer.tryWrite('two');
      deepStrictEqual(textsOf(await consumer.takeAll()), ['one', 'two']);
    },
  },
  {
    name: 'messages wait in the ring while nobody is attached',
    needs: ['succession'],
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      for (let n = 0; n < 4; n++) await producer.tryWrite(text(n));
      await consumer.takeAll(1);
      await producer.close();
      await consumer.close();
      ok(undone(ring, 1) > 0);
      await consumer.open();
      deepStrictEqual(textsOf(await consumer.takeAll()), [text(1), text(2), text(3)]);
    },
  },
  {
    name: 'what a poll had handled before its handler threw comes again to the successor',
    needs: ['succession', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      for (let n = 0; n < 3; n++) await producer.tryWrite(text(n));
      strictEqual((await consumer.poll([undefined, 'throw'])).error?.code, 'THROWN_BY_TEST');
      await consumer.close();
      await consumer.open();
      deepStrictEqual(textsOf(await consumer.takeAll()), [text(0), text(1), text(2)]);
    },
  },
  {
    name: 'the statistics are exact',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer, ring, kind }) => {
      const { topology = 'spsc', producers: places = 1, consumers: seats = 1 } = kind.shape;
      const { name } = kind.reading;
      const idle = { alive: false, pid: 0, messages: 0, bytes: 0, batches: 0, refusals: 0, parks: 0, wakes: 0 };
      deepStrictEqual(ring.statistics(), {
        topology,
        capacityBytes: CAPACITY,
        backlogBytes: 0,
        // Of many places, those that somebody has had.
        producers: places > 1 ? [] : [{ ...idle, highWaterBytes: 0 }],
        consumers: seats > 1 ? [] : [{ ...idle, highWaterBytes: 0, name: undefined, backlogBytes: 0 }],
      });
      await open({ producer: 'event', consumer: 'event' });
      const { pid: producerPid } = ring.statistics().producers[0];
      const { pid: consumerPid } = ring.statistics().consumers[0];

      const waiting = consumer.wait();
      await until(() => ring.statistics().consumers[0].parks === 1, 'the consumer sleeps');
      await producer.claim(5);
      await producer.claim(0);
      await producer.claim(16);
      await producer.abort();
      await producer.claim(5);
      await producer.claim(0);
      await producer.commit(); // 16 + 8 bytes; wakes the consumer
      await waiting;
      await producer.tryWrite('0123456789'); // 24 bytes
      strictEqual(ring.statistics().backlogBytes, 48);
      await consumer.takeAll(2);
      strictEqual(await producer.tryWrite(text(0, CAPACITY - 32)), true);
      strictEqual(await producer.tryWrite('x'), false);
      strictEqual(await producer.claim(100), -1);
      const room = producer.wait({ length: 100 });
      await until(() => ring.statistics().producers[0].parks === 1, 'the producer sleeps');
      strictEqual((await consumer.poll([0, 3])).count, 1); // 10 bytes; wakes the producer, though for too little
      await until(() => ring.statistics().producers[0].parks === 2, 'the producer sleeps again');
      strictEqual((await consumer.poll()).count, 1);
      await room;

      deepStrictEqual(ring.statistics(), {
        topology,
        capacityBytes: CAPACITY,
        backlogBytes: 0,
        producers: [
          {
            alive: true,
            pid: producerPid,
            messages: 4,
            bytes: 5 + 0 + 10 + CAPACITY - 32,
            batches: 3,
            refusals: 2,
            parks: 2,
            wakes: 1,
            highWaterBytes: CAPACITY,
          },
        ],
        consumers: [
          {
            alive: true,
            pid: consumerPid,
            messages: 4,
            bytes: 5 + 0 + 10 + CAPACITY - 32,
            batches: 3,
            refusals: 0,
            parks: 1,
            wakes: 2,
            highWaterBytes: CAPACITY,
            name,
            backlogBytes: 0,
          },
        ],
      });

      // Successors go on counting, and COMMIT is an advance like any other.
      await producer.close();
      await consumer.close();
      await open({ producer: 'event', consumer: 'event' });
      await producer.tryWrite('a');
      await producer.tryWrite('b');
      await consumer.poll([2, 0]);
      const { messages, batches } = ring.statistics().consumers[0];
      deepStrictEqual({ messages, batches }, { messages: 6, batches: 5 });
      strictEqual(ring.statistics().producers[0].messages, 6);
    },
  },
  {
    name: 'a descriptor survives JSON',
    run: async ({ producer, ring, kind }) => {
      await producer.open();
      using attached = attach(JSON.parse(JSON.stringify(ring.descriptor())));
      strictEqual(attached.capacityBytes, ring.capacityBytes);
      strictEqual(attached.path, ring.path);
      await producer.tryWrite('x');
      strictEqual(attached.topology, ring.topology);
      strictEqual(attached.consumer(kind.reading).tryRead()?.data.toString(), 'x');
    },
  },
];
