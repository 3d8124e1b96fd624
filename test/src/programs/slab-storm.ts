// Acquires, writes a pattern, sends by a work queue, takes and checks, until told to end: { path, queue, seed }. Says
// 'ended': { sent, whole, stale }.
import {
  decodeReference,
  encodeReference,
  FULL,
  openSlab,
  openWorkQueue,
  REFERENCE_BYTES,
  type SharedReference,
} from 'memlane';
import { checkPattern, writePattern } from '../slab/pattern.ts';
import { CARRIER, lengthFor, seedOf, WAYS } from '../slab/storm.ts';
import { Random } from '../support/random.ts';
import { Commands, parameters, say } from '../support/speech.ts';

const { path, queue: queuePath, seed } = parameters<{ path: string; queue: string; seed: number }>();
const slab = openSlab(path);
const queue = openWorkQueue(queuePath);
const producer = queue.producer();
const consumer = queue.consumer();
const random = new Random(seed);
const commands = new Commands();
const counts = { sent: 0, whole: 0, stale: 0, refused: 0 };
let over = false;
commands.next().then(() => {
  over = true;
});
const participants = slab.statistics().holders.length;
void slab.slot;
say('ready');

function send(): void {
  const buffer = slab.tryAcquire(lengthFor(random));
  if (buffer === null) {
    counts.refused += 1;
    return;
  }
  writePattern(buffer.data, seedOf(buffer));
  const way = random.below(WAYS.length);
  // Claimed first, so that what is consigned has a message; the death in between leaves one that nobody sends.
  const offset = producer.tryClaim(REFERENCE_BYTES, way);
  if (offset !== FULL) {
    let reference: SharedReference;
    if (WAYS[way] === 'consign') reference = buffer.consign({ carrier: CARRIER, lane: 0, position: counts.sent });
    else reference = buffer.share(WAYS[way] === 'to' ? { to: random.below(Math.max(1, participants)) } : {});
    encodeReference(reference, producer.view.data, offset);
    producer.commit();
    counts.sent += 1;
  }
  if (random.chance(0.2)) buffer.release();
  else setImmediate(() => buffer.release());
}

function receive(): boolean {
  const delivery = consumer.tryTake();
  if (delivery === null) return false;
  const reference = decodeReference(delivery.view.data, delivery.offset);
  try {
    using buffer = slab.take(reference);
    if (!checkPattern(buffer.data, seedOf(buffer))) throw new Error('a buffer is not what was sent');
    counts.whole += 1;
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MEMLANE_STALE') throw error;
    counts.stale += 1;
  }
  if (WAYS[delivery.type] === 'consign') slab.settle(reference);
  delivery.ack();
  return true;
}

while (!over) {
  for (let turn = random.below(20); turn > 0; turn--) send();
  for (let turn = random.below(30); turn > 0 && receive(); turn--);
  if (random.chance(0.02)) slab.sweep();
  if (random.chance(0.02)) slab.trim();
  await new Promise(setImmediate);
}
say('ended', counts);
process.exit();
