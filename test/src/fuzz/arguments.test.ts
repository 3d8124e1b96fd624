import { beforeAll, expect, test } from '@jest/globals';
import { Program } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { AMOUNT, PATIENCE_MS } from './amount.ts';

const raw: unknown[] = [];
const misread: unknown[] = [];
const left: unknown[] = [];
let ended: unknown;
let seed = 0;

beforeAll(
  () =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      seed = random.seed;
      const parameters = { folder: scratch.path, seed: random.next(), runs: Math.ceil(3000 * AMOUNT) };
      await using program = new Program('fuzz-arguments', parameters);
      await program.success(PATIENCE_MS);
      raw.push(...program.all('raw'));
      misread.push(...program.all('misread'));
      left.push(...program.all('left'));
      [ended] = program.all('ended');
    }),
  PATIENCE_MS,
);

test('whatever is passed to a public function, the process goes on and a call that failed leaves nothing behind', () => {
  expect({ seed, left }).toEqual({ seed, left: [] });
  expect(ended).toEqual(
    expect.objectContaining({ worked: expect.any(Number), ERR_MEMLANE_ARGUMENT: expect.any(Number) }),
  );
});

test('whatever is passed to a public function, it works or is refused by name', () => {
  expect({ seed, raw }).toEqual({ seed, raw: [] });
});

test('no value of a wrong type is taken for something else: the error names the argument', () => {
  expect({ seed, misread }).toEqual({ seed, misread: [] });
});
