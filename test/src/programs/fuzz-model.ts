// Does at random what a program may do with a ring, and compares each answer with a model: { folder, seed, runs }.
// Says 'ended', or dies of the shortest sequence it finds that goes wrong.
import { join } from 'node:path';
import fc from 'fast-check';
import { Bed } from '../fuzz/model-bed.ts';
import { shape, step } from '../fuzz/model-steps.ts';
import { Watchdog } from '../fuzz/watchdog.ts';
import { parameters, say } from '../support/speech.ts';

const { folder, seed, runs } = parameters<{ folder: string; seed: number; runs: number }>();
const watchdog = new Watchdog();
const path = join(folder, 'ring');

let run = 0;
fc.assert(
  fc.property(shape, fc.array(step, { minLength: 5, maxLength: 150, size: 'max' }), (shape, steps) => {
    watchdog.at({ seed, run: run++ });
    new Bed(shape, path, seed).run(steps);
  }),
  { seed, numRuns: runs },
);
say('ended', run);
