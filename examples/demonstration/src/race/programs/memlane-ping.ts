// Sends a message through one ring and waits for the answer from another, again and again.
import { join } from 'node:path';
import { openRing } from 'memlane';
import { fill, MESSAGE_BYTES, numberOf } from '../../message.ts';
import { endIfOrphaned, PATIENCE_MS } from '../../role.ts';
import { parseHeat } from '../heat-arguments.ts';
import { RoundTrips } from '../round-trips.ts';

const { directory, warmupMs, measureMs, wait } = parseHeat();

using requests = openRing(join(directory, 'requests'));
using answers = openRing(join(directory, 'answers'));
using producer = requests.producer({ wait });
using consumer = answers.consumer({ wait });
const trips = new RoundTrips(warmupMs, measureMs);

for (let number = trips.next(); number !== undefined; number = trips.next()) {
  // One message at a time is under way, so the ring is never full.
  fill(producer.view.f64, producer.tryClaim(MESSAGE_BYTES) >> 3, number);
  producer.commit();
  while (consumer.poll(({ f64 }, offset) => trips.answered(numberOf(f64, offset >> 3)), 1) === 0) {
    if (wait !== 'spin') await consumer.wait();
    else if (!consumer.waitSync(PATIENCE_MS)) endIfOrphaned();
  }
}
producer.end();
trips.end();
