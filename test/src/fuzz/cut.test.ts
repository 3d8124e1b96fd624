import { expect, test } from '@jest/globals';
import { runProgram } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { AMOUNT, PATIENCE_MS } from './amount.ts';

test(
  'a file that is cut at any moment ends a conversation with a name for it, and no message comes out wrong',
  () =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const parameters = { folder: scratch.path, seed: random.next(), rounds: Math.ceil(120 * AMOUNT) };
      const [outcomes] = await runProgram<Record<string, number>>('fuzz-cut', parameters, {
        event: 'ended',
        patienceMs: PATIENCE_MS,
      });
      expect(outcomes?.ERR_MEMLANE_TRUNCATED).toBeGreaterThan(0);
      expect(scratch.entries()).toEqual([]);
    }),
  PATIENCE_MS,
);
