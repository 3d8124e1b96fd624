// One honest side of a ring in which everything is being overwritten, in every way to wait, write and read:
// { path, role, seed, forMs }. Says 'ended' with what came of its calls; dies of an error without a name, of a message
// outside the data, or when something does not end in time.
import { ok } from 'node:assert';
import {
  Action,
  type Consumer,
  createAnonymousRing,
  FULL,
  openRing,
  type Producer,
  type Ring,
  type WaitStrategy,
} from 'memlane';
import { checkPlace } from '../fuzz/bounds.ts';
import { nameOf } from '../fuzz/named.ts';
import { Watchdog } from '../fuzz/watchdog.ts';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { works } from '../ring/refusals/refusal.ts';
import { Random } from '../support/random.ts';
import { parameters, pause, say } from '../support/speech.ts';

const { path, role, seed, forMs } = parameters<{
  path: string;
  role: 'producer' | 'consumer';
  seed: number;
  forMs: number;
}>();
const random = new Random(seed);
const watchdog = new Watchdog();
const STRATEGIES: readonly WaitStrategy[] = ['event', 'park', 'adaptive', 'spin', 'yield'];
/** What a file may be refused with while somebody writes into its head, and a call while somebody lies to it. */
const DUE = ['CORRUPT', 'NOT_MEMLANE', 'VERSION', 'KIND', 'SIGNATURE', 'TRUNCATED', 'ENDED'];

const outcomes: Record<string, number> = {};
const count = (outcome: string): void => {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
};
const end = performance.now() + forMs;
say('working');
while (performance.now() < end) {
  const wait = random.pick(STRATEGIES);
  try {
    using ring = openRing(path);
    if (role === 'producer') await produce(ring, ring.producer({ wait }), wait);
    else await consume(ring, ring.consumer({ wait }), wait);
  } catch (error) {
    await refused(error);
  }
}
using fresh = createAnonymousRing({ capacityBytes: CAPACITY });
works(fresh);
say('ended', outcomes);

async function refused(error: unknown): Promise<void> {
  const code = nameOf(error);
  if (!DUE.includes(code.slice('ERR_MEMLANE_'.length))) throw error;
  count(code);
  if (random.chance(0.5)) await pause(0);
}

async function produce(ring: Ring, producer: Producer, wait: WaitStrategy): Promise<void> {
  const calls = {
    claim: () => {
      for (let n = random.below(5); n >= 0; n--) {
        const length = someLength();
        const offset = producer.tryClaim(length, n);
        if (offset === FULL) break;
        checkPlace(producer.view, offset, length, n, CAPACITY);
        producer.view.u8.fill(n, offset, offset + length);
      }
      if (random.chance(0.1)) producer.abort();
      producer.commit();
    },
    text: () => void producer.tryWrite('ä'.repeat(someLength() >> 1), random.next() | 0),
    bytes: () => void producer.tryWrite(new Uint8Array(someLength())),
    write: () => calledOff((signal) => producer.write(new Uint8Array(someLength()), { signal })),
    room: () => void producer.waitSync(random.below(5), someLength()),
    wait: () => calledOff((signal) => producer.wait({ signal, length: someLength() })),
    peer: () => void producer.isPeerAlive(),
    statistics: () => void ring.statistics(),
    end: () => {
      if (random.chance(0.05)) producer.end();
    },
  };
  await converse(calls, wait, { blocking: ['room'], awaiting: ['write', 'wait'] });
}

async function consume(ring: Ring, consumer: Consumer, wait: WaitStrategy): Promise<void> {
  const calls = {
    poll: () => {
      let handled = 0;
      consumer.poll((view, offset, length, type) => {
        checkPlace(view, offset, length, type, CAPACITY);
        ok(handled++ <= CAPACITY / 8, 'more messages than there is room for');
        return random.chance(0.8) ? Action.CONTINUE : random.pick(Object.values(Action));
      });
    },
    read: () => {
      const message = consumer.tryRead();
      if (message !== null) ok(message.data.length <= CAPACITY - 8);
    },
    iterate: () =>
      calledOff(async (signal) => {
        let left = 2000;
        for await (const { data } of consumer.messages({ signal })) {
          ok(data.length <= CAPACITY - 8);
          if (--left === 0) break;
        }
      }),
    block: () => void consumer.waitSync(random.below(5)),
    wait: () => calledOff((signal) => consumer.wait({ signal })),
    ended: () => void consumer.isEnded,
    peer: () => void consumer.isPeerAlive(),
    statistics: () => void ring.statistics(),
  };
  await converse(calls, wait, { blocking: ['block'], awaiting: ['iterate', 'wait'] });
}

/** Calls at random until a liar has spoilt it for good. */
async function converse(
  calls: Readonly<Record<string, () => void | Promise<void>>>,
  wait: WaitStrategy,
  { blocking, awaiting }: { blocking: readonly string[]; awaiting: readonly string[] },
): Promise<void> {
  const unfit = wait === 'event' ? blocking : wait === 'park' ? awaiting : [];
  const names = Object.keys(calls).filter((name) => !unfit.includes(name));
  let refusals = 0;
  for (let n = 0; n < 500 && performance.now() < end; n++) {
    const name = random.pick(names);
    watchdog.at({ name, wait, role });
    try {
      await calls[name]?.();
      count(name);
      refusals = 0;
    } catch (error) {
      await refused(error);
      // A word may be right again at the next call.
      if (++refusals > random.below(6)) return;
    }
  }
}

function someLength(): number {
  return random.chance(0.8) ? random.below(200) : random.below(CAPACITY - 11);
}

/** Lets it wait for a moment at the most. */
async function calledOff(call: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const off = new AbortController();
  const timer = setTimeout(() => off.abort(), random.below(5));
  try {
    await call(off.signal);
  } catch (error) {
    if (error !== off.signal.reason) throw error;
  } finally {
    clearTimeout(timer);
  }
}
