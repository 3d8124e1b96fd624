// Cuts a file and makes it long again, until it is killed: { path, length, seed }. Says 'cutting'.
import { truncateSync } from 'node:fs';
import { memory } from '@memlane/core';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

const { path, length, seed } = parameters<{ path: string; length: number; seed: number }>();
const random = new Random(seed);
say('cutting');
for (;;) {
  truncateSync(path, random.below(length));
  memory.sleepSync(random.pick([0.05, 0.2, 1]));
  truncateSync(path, length);
  memory.sleepSync(random.pick([0.05, 0.2, 1]));
}
