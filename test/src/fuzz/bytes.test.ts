import { expect, test } from '@jest/globals';
import { runProgram } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { AMOUNT, PATIENCE_MS } from './amount.ts';

test.each([
  ['a ring file with any byte before its data spoiled, or cut, is used as ever or refused by name', 'fuzz-head'],
  ['a record whose header is spoiled is refused by name, and what comes before it is read', 'fuzz-records'],
])(
  '%s',
  (_name, program) =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const parameters = { folder: scratch.path, seed: random.next(), amount: AMOUNT };
      const [ended] = await runProgram<{ outcomes: Record<string, number> }>(program, parameters, {
        event: 'ended',
        patienceMs: PATIENCE_MS,
      });
      // It was spoiled, and it was still used.
      expect(ended?.outcomes.worked).toBeGreaterThan(0);
      expect(ended?.outcomes.ERR_MEMLANE_CORRUPT).toBeGreaterThan(0);
    }),
  PATIENCE_MS,
);
