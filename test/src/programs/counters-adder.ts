// Adds 1 to a counter until it is killed: { path, label, journal }. The journal, an Int32Array in a file, says how many it
// was about to add and how many it has added.
import { memory, Region } from '@memlane/core';
import { openCounters } from 'memlane';
import { parameters, say } from '../support/speech.ts';

const { path, label, journal } = parameters<{ path: string; label: string; journal: string }>();
const judge = process.ppid;
const region = Region.create(journal, 4096);
const words = new Int32Array(region.buffer, 0, 2);
const counters = openCounters(path);
const counter = counters.counter(label);
counters.counter(`life of ${process.pid}`, { lifetime: 'owner' }).increment();
say('begun');
for (let count = 1; ; count++) {
  memory.store(words, 0, count);
  if (!counter.increment()) throw new Error('it is gone');
  memory.store(words, 1, count);
  if (count % 100_000 === 0 && process.ppid !== judge) process.exit();
}
