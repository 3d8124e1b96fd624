// An honest producer and consumer, and a liar who writes into the file while their calls are under way: between claim and
// commit, in handlers, in loops over messages, and while they wait: { folder, seed, runs }. Says 'ended', or dies of the shortest
// sequence it finds after which something neither works nor is refused by name, or does not end when it is called off.
import { join } from 'node:path';
import fc from 'fast-check';
import { createAnonymousRing } from 'memlane';
import { LiesBed, liedTo, liedToRing } from '../fuzz/lies-bed.ts';
import { Watchdog } from '../fuzz/watchdog.ts';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { works } from '../ring/refusals/refusal.ts';
import { parameters, say } from '../support/speech.ts';

const { folder, seed, runs } = parameters<{ folder: string; seed: number; runs: number }>();
const path = join(folder, 'ring');
const watchdog = new Watchdog();
const outcomes: Record<string, number> = {};

let run = 0;
const property = fc.asyncProperty(
  liedToRing,
  fc.array(liedTo, { maxLength: 40, size: 'max' }),
  async (shape, steps) => {
    watchdog.at({ seed, run: run++ });
    await new LiesBed(shape, path, outcomes).run(steps);
  },
);
await fc.assert(property, { seed, numRuns: runs });
using fresh = createAnonymousRing({ capacityBytes: CAPACITY });
works(fresh);
say('ended', { run, outcomes });
