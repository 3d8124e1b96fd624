// Receives from a queue and keeps what it gets: { path, holds: number of messages }. Acknowledges every other one, says 'holds'
// and which those are when it has so many, and waits.
import { openQueue } from 'memlane';
import { Commands, parameters, say } from '../support/speech.ts';

const { path, holds } = parameters<{ path: string; holds: number }>();
const commands = new Commands();
const queue = openQueue<{ id: number }>(path);
const acknowledged: number[] = [];
for (let count = 0; count < holds; count++) {
  const job = await queue.receive();
  if (job === null || count % 2 === 0) continue;
  job.ack();
  acknowledged.push(job.value.id);
}
say('holds', acknowledged);
await commands.next();
