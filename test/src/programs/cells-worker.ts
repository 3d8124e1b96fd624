// A latest value and counters between two threads of one process, by descriptors: says 'result' when each has seen what the
// other did. Loops without anything in them but the look: an engine that takes a load out of a loop would never end them.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  attachCounters,
  attachLatestValue,
  type CountersDescriptor,
  createAnonymousCounters,
  createAnonymousLatestValue,
  type LatestValueDescriptor,
} from 'memlane';
import { say } from '../support/speech.ts';

const TURNS = 300_000;
/** Bit patterns of which each half is different in the other. */
const [ONE, OTHER] = new Float64Array(new Uint32Array([0xffffffff, 0x3ff00000, 0, 0xc0312345]).buffer) as never as [
  number,
  number,
];

if (isMainThread) {
  const value = createAnonymousLatestValue({ valueBytes: 8 });
  const counters = createAnonymousCounters({ counters: 4, participants: 2 });
  const turns = counters.counter('turns');
  const gauge = counters.gauge('gauge');
  gauge.set(ONE);
  const descriptors = { value: value.descriptor(), counters: counters.descriptor() };
  const worker = new Worker(new URL(import.meta.url), { workerData: descriptors });
  const reader = value.reader();
  const target = new Uint8Array(8);
  while (!reader.changed());
  while (counters.get('started') === undefined);
  let [last, torn] = [0, 0];
  const seen = new Set<number>();
  while (last < TURNS) {
    const now = turns.value;
    if (now < last) throw new Error(`it went back from ${last} to ${now}`);
    last = now;
    const set = gauge.value;
    seen.add(set);
    if (set !== ONE && set !== OTHER) torn += 1;
  }
  while (reader.readInto(target) !== 4);
  worker.on('message', () => {
    say('result', { torn, seen: seen.size, turns: turns.value, version: reader.version });
    worker.terminate();
  });
} else {
  const { value, counters } = workerData as { value: LatestValueDescriptor; counters: CountersDescriptor };
  using cell = attachLatestValue(value);
  using shared = attachCounters(counters);
  const writer = cell.writer();
  writer.write('go');
  const [turns, gauge] = [shared.counter('turns'), shared.gauge('gauge')];
  shared.counter('started');
  for (let turn = 0; turn < TURNS; turn++) {
    gauge.set(turn % 2 === 0 ? OTHER : ONE);
    turns.increment();
  }
  writer.write('done');
  parentPort?.postMessage('ended');
}
