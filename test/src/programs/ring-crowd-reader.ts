// Reads what ring/crowd writes and checks that each life comes whole and in order: { path, traffic, options? }. Says 'read'
// with the number of messages of each life when it is told to stop and nothing is left.
import { type ConsumerOptions, openRing, type RecordView } from 'memlane';
import { unpackKey } from '../ring/storm-journal.ts';
import { fault, type Traffic } from '../ring/traffic.ts';
import { Commands, parameters, say } from '../support/speech.ts';

const { path, traffic, options } = parameters<{ path: string; traffic: Traffic; options?: ConsumerOptions }>();
const ring = openRing(path);
const consumer = ring.consumer(options);
say('attached');
const stop = new AbortController();
const commands = new Commands();
void commands.next().then(() => stop.abort());
const counts: Record<number, number> = {};

function handle(view: RecordView, offset: number, length: number, type: number): void {
  const { life, number } = unpackKey(type);
  const due = counts[life] ?? 0;
  if (number !== due) throw new Error(`message ${number} of life ${life} came where ${due} was due`);
  const wrong = fault(view.u8, offset, length, type, traffic, type);
  if (wrong !== undefined) throw new Error(wrong);
  counts[life] = due + 1;
}

for (;;) {
  if (consumer.poll(handle, 64) > 0) continue;
  try {
    await consumer.wait({ signal: stop.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    while (consumer.poll(handle) > 0);
    break;
  }
}
say('read', counts);
await commands.next();
process.exit();
