// Sends into a ring: each message is written where the receiver will read it.
import { join } from 'node:path';
import { FULL, openRing } from 'memlane';
import { fill, MESSAGE_BYTES } from '../../message.ts';
import { endIfOrphaned, PATIENCE_MS, report } from '../../role.ts';
import { parseHeat } from '../heat-arguments.ts';

/** Looking at the clock takes as long as sending a message. */
const MESSAGES_PER_LOOK = 64;

const { directory, warmupMs, measureMs, wait, batch } = parseHeat();

using ring = openRing(join(directory, 'messages'));
using producer = ring.producer({ wait });
const { f64 } = producer.view;
let number = 0;

const endAt = performance.now() + warmupMs + measureMs;
while (performance.now() < endAt) {
  for (let count = 0; count < MESSAGES_PER_LOOK; count++) {
    const offset = producer.tryClaim(MESSAGE_BYTES);
    if (offset === FULL) {
      producer.commit();
      if (!producer.waitSync(PATIENCE_MS, MESSAGE_BYTES)) endIfOrphaned();
      continue;
    }
    fill(f64, offset >> 3, number++);
    if (number % batch === 0) producer.commit();
  }
}
producer.end();
report({ result: { sent: number } });
