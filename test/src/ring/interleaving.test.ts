import { beforeAll, expect, test } from '@jest/globals';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { scenarios } from './interleaving/scenarios.ts';

/*
 * One end does its work between any two memory operations of the other: every schedule of two with one interruption, of the
 * compiled code on a real ring. What the explorer cannot do is done here: overwriting laps of a ring of ordinary size, and
 * reading what was written by its contents.
 */

interface Outcome {
  readonly name: string;
  readonly schedules: number;
  readonly failure?: string;
}

const outcomes = new Map<string, Outcome>();
let crash: unknown;

beforeAll(async () => {
  using scratch = scratchFolder();
  await using program = new Program(
    'ring-interleaved',
    {},
    {
      environment: { MEMLANE_DIR: scratch.path },
      nodeOptions: ['--import', new URL('./interleaving/register.js', import.meta.url).href],
    },
  );
  try {
    await program.success(280_000);
  } catch (error) {
    crash = error;
  }
  for (const outcome of program.all<Outcome>('scenario')) outcomes.set(outcome.name, outcome);
}, 300_000);

test.each(scenarios.map(({ name }) => name))('%s', (name) => {
  const outcome = outcomes.get(name);
  if (outcome === undefined) throw crash ?? new Error('the scenario was not run');
  expect(outcome.failure).toBeUndefined();
  expect(outcome.schedules).toBeGreaterThan(5); // it was interrupted at all
});
