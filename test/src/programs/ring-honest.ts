// One side of a ring whose words somebody else overwrites: { path, role, forMs, allowed? }. When the ring is corrupt it begins anew.
// Says 'ended' with how often which word was blamed; dies of any other error, unless it is one that `allowed` names.
import {
  type Consumer,
  type ConsumerOptions,
  FULL,
  type MemlaneError,
  openRing,
  type Producer,
  type WaitStrategy,
} from 'memlane';
import { parameters, say } from '../support/speech.ts';

const { path, role, forMs, allowed } = parameters<{
  path: string;
  role: 'producer' | 'consumer';
  forMs: number;
  allowed?: readonly string[];
}>();
const READINGS: readonly ConsumerOptions[] = [{ from: 'now' }, { from: 'oldest' }, { name: 'reader', from: 'oldest' }];
const WAYS: readonly WaitStrategy[] = ['event', 'park', 'adaptive', 'spin', 'yield'];

const blamed: Record<string, number> = {};
let calls = 0;
say('working');
const end = performance.now() + forMs;
for (let round = 0; performance.now() < end; round++) {
  const wait = WAYS[round % WAYS.length] as WaitStrategy;
  try {
    using ring = openRing(path);
    if (role === 'producer') await produce(ring.producer({ wait }), wait);
    else {
      const reading = ring.topology === 'spsc' || ring.topology === 'mpsc' ? {} : READINGS[round % READINGS.length];
      await consume(ring.consumer({ ...reading, wait }), wait);
    }
  } catch (error) {
    const { code, field = code } = error as MemlaneError;
    if (code !== 'ERR_MEMLANE_CORRUPT' && allowed?.includes(code) !== true) throw error;
    blamed[field] = (blamed[field] ?? 0) + 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
say('ended', { blamed, calls });

async function produce(producer: Producer, wait: WaitStrategy): Promise<void> {
  for (let n = 0; n < 2000 && performance.now() < end; n++) {
    calls += 1;
    const offset = producer.tryClaim(n % 300);
    if (offset !== FULL) {
      producer.view.u8.fill(1, offset, offset + (n % 300));
      producer.commit();
    } else
      await pauseFor(
        wait,
        (ms) => producer.waitSync(ms, 300),
        (signal) => producer.wait({ signal, length: 300 }),
      );
  }
}

async function consume(consumer: Consumer, wait: WaitStrategy): Promise<void> {
  let bytes = 0;
  for (let n = 0; n < 2000 && performance.now() < end; n++) {
    calls += 1;
    const count =
      n % 2 === 0
        ? Number(consumer.tryRead() !== null)
        : consumer.poll((view, offset, length) => {
            if (length < 0 || length > 4096 || offset + length > view.u8.length)
              throw new Error(`${length} at ${offset}`);
            bytes += length;
          });
    if (count === 0)
      await pauseFor(
        wait,
        (ms) => consumer.waitSync(ms),
        (signal) => consumer.wait({ signal }),
      );
  }
  if (Number.isNaN(bytes)) throw new Error('bytes');
}

/** Waits for a moment in the way that the strategy can. */
async function pauseFor(
  wait: WaitStrategy,
  block: (timeoutMs: number) => void,
  sleep: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (wait === 'park' || calls % 2 === 0) {
    if (wait !== 'event') return block(1);
  }
  try {
    await sleep(AbortSignal.timeout(2));
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') throw error;
  }
}
