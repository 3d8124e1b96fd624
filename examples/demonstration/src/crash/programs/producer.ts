// Sends a given number of messages, and goes on where the producer before it was killed.
// producer MESSAGES_RING TOTAL GENERATION
import { FULL, openRing } from 'memlane';
import { fill, MESSAGE_BYTES } from '../../message.ts';
import { endIfOrphaned, PATIENCE_MS } from '../../role.ts';
import { BATCH } from '../batch.ts';

const [path, total, generation] = process.argv.slice(2);

using ring = openRing(path);
using producer = ring.producer();
const { f64 } = producer.view;

// How many messages its predecessors have published. A message is counted after it has been published, so one who was
// killed between the two leaves a number that is too low by a batch, and that batch comes twice. Never too high.
let number = ring.statistics().producers[0].messages;

while (number < Number(total)) {
  const offset = producer.tryClaim(MESSAGE_BYTES, Number(generation));
  if (offset === FULL) {
    producer.commit();
    if (!producer.waitSync(PATIENCE_MS, MESSAGE_BYTES)) endIfOrphaned();
    continue;
  }
  fill(f64, offset >> 3, number++);
  if (number % BATCH === 0) producer.commit();
}
producer.end();
