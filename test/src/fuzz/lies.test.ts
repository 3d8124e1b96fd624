import { expect, test } from '@jest/globals';
import { createRing } from 'memlane';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { bellsIn } from '../ring/ring-bytes.ts';
import { Program, runProgram } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { AMOUNT, PATIENCE_MS } from './amount.ts';

type Outcomes = Record<string, number>;

test(
  'whatever is written into the file during a call, it works or is refused by name, and ends when it is called off',
  () =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const [ended] = await runProgram<{ outcomes: Outcomes }>(
        'fuzz-lies-within',
        { folder: scratch.path, seed: random.next() | 0, runs: Math.ceil(500 * AMOUNT) },
        { event: 'ended', environment: { MEMLANE_DIR: scratch.path }, patienceMs: PATIENCE_MS },
      );
      expect(ended?.outcomes.worked).toBeGreaterThan(0);
      expect(ended?.outcomes.ERR_MEMLANE_CORRUPT).toBeGreaterThan(0);
      expect(scratch.entries()).toEqual([]);
    }),
  PATIENCE_MS,
);

test.each([false, true])(
  'both sides of a ring that is being overwritten all the time work or are refused by name (checksums: %s)',
  (checksums) =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      createRing(path, { capacityBytes: CAPACITY, checksums }).close();
      const forMs = 1500 * AMOUNT;
      const environment = { MEMLANE_DIR: scratch.path };
      await using besieger = new Program('fuzz-besieger', { path, seed: random.next(), forMs: forMs + 500 });
      await besieger.next('lying');
      const roles = ['producer', 'consumer'].map(
        (role) => new Program('fuzz-besieged', { path, role, seed: random.next(), forMs }, { environment }),
      );
      await using producer = roles[0] as Program;
      await using consumer = roles[1] as Program;
      for (const honest of [producer, consumer]) {
        await honest.success(PATIENCE_MS);
        const [outcomes = {}] = honest.all<Outcomes>('ended');
        // It did work, and it was lied to.
        for (const call of ['wait', 'statistics', honest === producer ? 'claim' : 'poll'])
          expect(outcomes[call]).toBeGreaterThan(10);
        expect(outcomes.ERR_MEMLANE_CORRUPT).toBeGreaterThan(10);
      }
      await besieger.success(PATIENCE_MS);
      expect(bellsIn(scratch.path)).toEqual([]);
    }),
  PATIENCE_MS,
);
