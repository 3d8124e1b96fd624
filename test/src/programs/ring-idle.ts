// An idle consumer of as many producers, woken again and again by one of them: { topology, producers }. Says 'result': how often it has
// asked the kernel who is alive, a sleep. The clock stands still, so that nothing is done because it is time for it.
import { replaceSystemCall } from '@memlane/linux';
import { createAnonymousRing } from 'memlane';
import { parameters, say } from '../support/speech.ts';

const SLEEPS = 50;
const given = parameters<{ topology: 'mpsc' | 'bus'; producers: number }>();
performance.now = () => 0;
const ring = createAnonymousRing({ topology: given.topology, producers: 128, consumers: 1, capacityBytes: 4096 });
const producers = Array.from({ length: given.producers }, () => ring.producer());
const consumer = ring.consumer({ wait: 'event' });
let asked = 0;
replaceSystemCall('fcntlLock', (original) => (...call) => {
  asked += 1;
  return original(...call);
});

async function sleep(): Promise<void> {
  setImmediate(() => producers[0]?.tryWrite('message'));
  await consumer.wait();
  consumer.poll(() => {});
}

await sleep(); // from now on they are watched
asked = 0;
for (let sleeps = 0; sleeps < SLEEPS; sleeps++) await sleep();
say('result', asked / SLEEPS);
process.exit();
