import { expect, test } from '@jest/globals';
import { runProgram } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { AMOUNT, PATIENCE_MS } from './amount.ts';

test.each([
  ['any sequence of calls gets the answers that a model gives', 'fuzz-model', 300],
  ['writes that wait and are called off arrive in their order or not at all', 'fuzz-writes', 150],
])(
  '%s',
  (_name, program, runs) =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      // fast-check takes seeds of 32 bits with a sign.
      const parameters = { folder: scratch.path, seed: random.next() | 0, runs: Math.ceil(runs * AMOUNT) };
      const environment = { MEMLANE_DIR: scratch.path };
      expect(await runProgram(program, parameters, { event: 'ended', environment, patienceMs: PATIENCE_MS })).toEqual([
        parameters.runs,
      ]);
      expect(scratch.entries()).toEqual([]);
    }),
  PATIENCE_MS,
);
