// One life in a storm over a queue: { path, traffic }. Waits for a line { role, journal, seed, life, count }, then sends or receives
// until it is killed, or, with a count, until the end.
import { openQueue, type Queue } from 'memlane';
import { Event, Journal, MAX_MESSAGES, packKey } from '../ring/storm-journal.ts';
import { fault, fill, lengthOf, type Traffic } from '../ring/traffic.ts';
import { Random } from '../support/random.ts';
import { Commands, parameters, pause, say } from '../support/speech.ts';

interface Parcel {
  readonly key: number;
  readonly data: Uint8Array;
}

const { path, traffic } = parameters<{ path: string; traffic: Traffic }>();
const commands = new Commands();
say('ready');
const told = JSON.parse(await commands.next());
const { role, journal: journalPath, seed, life, count } = told;
const random = new Random(seed);
const journal = new Journal(journalPath);
const queue = openQueue<Parcel>(path);
if (role === 'producer') await produce(queue);
else await consume(queue);
say('ended');
process.exit();

async function produce(to: Queue<Parcel>): Promise<void> {
  for (let number = 0; number < (count || MAX_MESSAGES); number++) {
    const key = packKey({ life, number });
    const data = new Uint8Array(lengthOf(traffic, key));
    fill(data, 0, data.length, traffic, key);
    await to.send({ key, data });
    journal.note(Event.committed, key);
    if (random.chance(0.3)) await pause(1);
  }
  to.end();
}

async function consume(from: Queue<Parcel>): Promise<void> {
  journal.note(Event.begun);
  for (;;) {
    const job = await from.receive();
    if (job === null) return;
    const { key, data } = job.value;
    const wrong = fault(data, 0, data.length, key, traffic, key);
    if (wrong !== undefined) throw new Error(wrong);
    journal.note(Event.handled, key);
    if (random.chance(0.1)) await pause(1);
    if (random.chance(0.05)) {
      job.nack({ delayMs: random.pick([0, 1, 20]) });
      continue;
    }
    job.ack();
    journal.note(Event.settled, key);
  }
}
