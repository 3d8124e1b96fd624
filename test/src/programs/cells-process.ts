// The writing end of a latest value and of counters in sealed memory, in a process of its own: { value, counters, turns, hold }, the
// descriptors as they came from another process. Says 'begun', then 'done' when it has written as often; then, with `hold`, waits
// to be killed in the middle of a value.
import { attachCounters, attachLatestValue, type CountersDescriptor, type LatestValueDescriptor } from 'memlane';
import { wordsOf } from '../latest/pattern.ts';
import { Commands, parameters, say } from '../support/speech.ts';

const { value, counters, turns, hold } = parameters<{
  value: LatestValueDescriptor;
  counters: CountersDescriptor;
  turns: number;
  hold: boolean;
}>();
const commands = new Commands();
const writer = attachLatestValue(value).writer();
const shared = attachCounters(counters);
const [sum, gauge] = [shared.counter('turns'), shared.gauge('version')];
shared.counter(`life of ${process.pid}`, { lifetime: 'owner' }).increment();

/** Writes the value that its version tells; with `words`, no more of it than that. */
function write(words?: number): void {
  const version = (writer.version + 1) | 0;
  const length = wordsOf(version);
  const offset = writer.begin(4 * length) >> 2;
  for (let word = 0; word < (words ?? length); word++) writer.view.i32[offset + word] = version;
  if (words !== undefined) return;
  writer.commit();
  gauge.set(version);
  sum.increment();
}

say('begun', writer.version);
await commands.next();
for (let turn = 0; turn < turns; turn++) write();
if (hold) write(1);
say('done', writer.version);
await commands.next();
process.exit();
