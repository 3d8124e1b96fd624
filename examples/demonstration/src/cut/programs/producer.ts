// Sends messages until it is asked to end, whatever is done to the file.
// producer RING
import { setImmediate } from 'node:timers/promises';
import { FULL, guard, openRing } from 'memlane';
import { fill, MESSAGE_BYTES } from '../../message.ts';
import { report } from '../../role.ts';
import type { Production } from '../exchange.ts';
import { Mishaps } from '../mishaps.ts';

/** Messages that are published at once. */
const BATCH = 32;
/** Messages between two turns of the event loop, from which signals and faults are heard. */
const TURN = 64 * BATCH;

let asked = false;
process.once('SIGTERM', () => {
  asked = true;
});

using ring = openRing(process.argv[2]);
using producer = ring.producer({ recover: true });
const { f64 } = producer.view;
const mishaps = new Mishaps(producer);
report({ ready: true });

let number = 0;
while (!asked) {
  const offset = producer.tryClaim(MESSAGE_BYTES);
  if (offset === FULL) {
    producer.commit();
    await producer.wait({ length: MESSAGE_BYTES });
  } else {
    fill(f64, offset >> 3, number++);
    if (number % BATCH === 0) producer.commit();
    if (number % TURN === 0) await setImmediate();
  }
  mishaps.tell(number);
}
producer.end();
await producer.flush(); // what it has sent and nobody has read is safe only as long as it is there
const result: Production = { sent: number, faults: guard.status().faults };
report({ result });
