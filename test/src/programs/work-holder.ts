// Takes a place in a work queue and has something in hand: { path, holds: 'message' | 'claim' | 'returned' | 'nothing' }.
// Says 'holds'; then does what it is told: 'end', or 'wait' for a message, in the event loop or ('block') in its thread.
import { openWorkQueue } from 'memlane';
import { Commands, parameters, say } from '../support/speech.ts';

const { path, holds } = parameters<{ path: string; holds: 'message' | 'claim' | 'returned' | 'nothing' }>();
const commands = new Commands();
const queue = openWorkQueue(path);
if (holds === 'claim') {
  const producer = queue.producer();
  say('holds', [producer.tryClaim(4, 7), producer.tryClaim(4, 8)]);
  await commands.next();
}
const consumer = queue.consumer();
const delivery = holds === 'nothing' ? null : consumer.tryTake();
if (holds === 'returned') delivery?.nack({ delayMs: 100 });
say('holds', delivery?.type);
const command = await commands.next();
if (command === 'block') consumer.waitSync();
if (command === 'wait') await consumer.wait();
if (command !== 'end') {
  const found = consumer.tryTake();
  say('found', { type: found?.type, deliveries: found?.deliveries });
}
process.exit();
