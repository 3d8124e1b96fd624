// One side of a ring whose two sides go to sleep as often as they can: { path, role, wait, sleeps, seed }. Ends when both
// together have slept that often. Says 'progress' now and then, so that its judge can tell slow from stuck.
import { replaceSystemCall } from '@memlane/linux';
import { FULL, openRing } from 'memlane';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

/** Messages of one phase. In even phases the producer dawdles and the consumer sleeps, in odd ones the other way round. */
const PHASE = 512;
/** Longest pause: about what a wake-up takes, so that the two meet at every point of the protocol. */
const MAX_PAUSE_US = 60;

const { path, role, wait, sleeps, seed } = parameters<{
  path: string;
  role: 'producer' | 'consumer';
  wait: 'event' | 'park';
  sleeps: number;
  seed: number;
}>();

// A blocked thread looks again after 100 ms, which would hide a missed wake-up. Here it does not.
const FOREVER_MS = 1e9;
replaceSystemCall('futexWait', (original) => (address, expected) => original(address, expected, FOREVER_MS));

const ring = openRing(path);
const random = new Random(seed);
const slowPhase = role === 'producer' ? 0 : 1;
const length = ring.capacityBytes / 4 - 8;
let n = 0;

if (role === 'producer') {
  const producer = ring.producer({ wait });
  while (!over()) {
    dawdle();
    let offset = producer.tryClaim(length, n);
    while (offset === FULL) {
      if (wait === 'park') producer.waitSync(Number.POSITIVE_INFINITY, length);
      else await producer.wait({ length });
      offset = producer.tryClaim(length, n);
    }
    producer.commit();
    n += 1;
  }
  producer.end();
} else {
  const consumer = ring.consumer({ wait });
  while (!consumer.isEnded) {
    const message = consumer.tryRead();
    if (message === null) {
      if (wait === 'park') consumer.waitSync();
      else await consumer.wait();
      continue;
    }
    if (message.type !== n) throw new Error(`message ${message.type} came where ${n} was due`);
    n += 1;
    dawdle();
  }
}
const {
  producers: [producer],
  consumers: [consumer],
} = ring.statistics();
say('ended', { messages: n, producer: producer.parks, consumer: consumer.parks });
process.exit();

/** Whether both have slept often enough; only the producer asks. */
function over(): boolean {
  if (n % PHASE !== 0) return false;
  const statistics = ring.statistics();
  say('progress', n);
  return statistics.producers[0].parks + statistics.consumers[0].parks >= sleeps;
}

/** In the phases in which it is this side's turn, lets a random time pass without giving up the processor. */
function dawdle(): void {
  if (Math.floor(n / PHASE) % 2 !== slowPhase) return;
  const end = performance.now() + random.below(MAX_PAUSE_US) / 1000;
  while (performance.now() < end);
}
