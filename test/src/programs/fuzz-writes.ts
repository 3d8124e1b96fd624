// Begins writes without awaiting them, calls some off, reads in every way meanwhile: { seed, runs }. Says 'ended', or dies
// of the shortest sequence it finds in which a message is lost, doubled, out of order, or there though it was called off.
import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import fc from 'fast-check';
import { type Consumer, createAnonymousRing, type Producer, type WaitStrategy } from 'memlane';
import { nameOf } from '../fuzz/named.ts';
import { Watchdog } from '../fuzz/watchdog.ts';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { fill } from '../ring/traffic.ts';
import { parameters, say } from '../support/speech.ts';

const { seed, runs } = parameters<{ seed: number; runs: number }>();
const watchdog = new Watchdog();

const length = fc.oneof(fc.nat(100), fc.nat(CAPACITY - 8), fc.integer({ min: CAPACITY - 32, max: CAPACITY - 8 }));
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), length, signal: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('call off' as const), which: fc.nat(10) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'poll' as const), count: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('turn' as const, 'iterate' as const, 'wait' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
const way = fc.constantFrom<WaitStrategy>('event', 'adaptive', 'yield', 'spin');
const start = fc
  .tuple(fc.constantFrom(0, 2 ** 31, 2 ** 32), fc.integer({ min: -600, max: 600 }))
  .map(([near, away]) => (near + 8 * away + 2 ** 32) % 2 ** 32);

interface Write {
  readonly data: Uint8Array;
  readonly off: AbortController;
  outcome: 'pending' | 'written' | 'called off' | 'closed';
}

let run = 0;
const property = fc.asyncProperty(way, way, start, fc.array(step, { maxLength: 60, size: 'max' }), async (...what) => {
  watchdog.at({ seed, run: run++ });
  await tell(...what);
});
await fc.assert(property, { seed, numRuns: runs });
say('ended', run);

async function tell(
  writing: WaitStrategy,
  reading: WaitStrategy,
  start: number,
  steps: readonly Step[],
): Promise<void> {
  using ring = createAnonymousRing({ capacityBytes: CAPACITY, startPosition: start });
  const producer = ring.producer({ wait: writing });
  let consumer = ring.consumer({ wait: reading });
  const writes: Write[] = [];
  const promises: Promise<void>[] = [];
  const read: number[] = [];

  const take = (type: number, data: Uint8Array): void => {
    const write = writes[type];
    ok(write !== undefined && Buffer.compare(write.data, data) === 0, `message ${type} was never written like that`);
    read.push(type);
  };

  for (const what of steps)
    switch (what.do) {
      case 'write':
        promises.push(begin(producer, writes, what.length, what.signal));
        break;
      case 'call off': {
        const pending = writes.filter(({ outcome }) => outcome === 'pending');
        pending[what.which % Math.max(1, pending.length)]?.off.abort();
        break;
      }
      case 'read':
        for (let n = 0; n < what.count; n++) {
          const message = consumer.tryRead();
          if (message !== null) take(message.type, message.data);
        }
        break;
      case 'poll':
        consumer.poll(({ u8 }, offset, length, type) => take(type, u8.slice(offset, offset + length)), what.count);
        break;
      case 'iterate':
        await iterate(consumer, take);
        break;
      case 'wait':
        await quietly(consumer.wait({ signal: AbortSignal.timeout(1) }));
        break;
      case 'turn':
        await new Promise(setImmediate);
        break;
      case 'leave':
        consumer.close();
        consumer = ring.consumer({ wait: reading });
        break;
    }

  // Whatever waits for room gets it.
  const deadline = performance.now() + 10_000;
  while (writes.some(({ outcome }) => outcome === 'pending')) {
    const message = consumer.tryRead();
    if (message !== null) take(message.type, message.data);
    else await new Promise(setImmediate);
    ok(performance.now() < deadline, 'a write waits though there is room');
  }
  await Promise.all(promises);
  for (let message = consumer.tryRead(); message !== null; message = consumer.tryRead())
    take(message.type, message.data);
  deepStrictEqual(
    read,
    [...writes.keys()].filter((n) => writes[n]?.outcome === 'written'),
  );
}

function begin(producer: Producer, writes: Write[], length: number, signalled: boolean): Promise<void> {
  const data = new Uint8Array(length);
  const type = writes.length;
  fill(data, 0, length, { seed, maxLength: length }, type);
  const write: Write = { data, off: new AbortController(), outcome: 'pending' };
  writes.push(write);
  return producer.write(data, { type, signal: signalled ? write.off.signal : undefined }).then(
    () => {
      write.outcome = 'written';
    },
    (error) => {
      strictEqual(error, write.off.signal.reason);
      write.outcome = 'called off';
    },
  );
}

/** Reads what is there by iterating, and calls the wait that follows off. What was read counts: a signal is asked first. */
async function iterate(consumer: Consumer, take: (type: number, data: Uint8Array) => void): Promise<void> {
  const quiet = new AbortController();
  const messages = consumer.messages({ signal: quiet.signal });
  for (;;) {
    const timer = setTimeout(() => quiet.abort(), 1);
    try {
      const { done, value } = await messages.next();
      if (done) return;
      take(value.type, value.data);
    } catch (error) {
      if (error !== quiet.signal.reason) throw error;
      return;
    } finally {
      clearTimeout(timer);
    }
  }
}

async function quietly(wait: Promise<void>): Promise<void> {
  try {
    await wait;
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') throw new Error(nameOf(error));
  }
}
