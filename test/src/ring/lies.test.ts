import { expect, test } from '@jest/globals';
import { createRing, type RingShape } from 'memlane';
import { Cast, Program, runProgram } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { bellsIn } from './ring-bytes.ts';

test('whatever a peer writes between two calls, each works or names the word that is wrong', () =>
  withSeed(async (random) => {
    using scratch = scratchFolder();
    const environment = { MEMLANE_DIR: scratch.path };
    const parameters = { seed: random.next() | 0, runs: 400 };
    expect(await runProgram('ring-lies', parameters, { event: 'ended', environment })).toHaveLength(1);
  }));

test('whatever a peer writes between two calls into a ring for many, each works or names the word that is wrong', () =>
  withSeed(async (random) => {
    using scratch = scratchFolder();
    const environment = { MEMLANE_DIR: scratch.path };
    const parameters = { seed: random.next() | 0, runs: 300 };
    const [outcomes] = await runProgram<Record<string, number>>('ring-lies-many', parameters, {
      event: 'ended',
      environment,
      patienceMs: 50_000,
    });
    expect(outcomes?.worked).toBeGreaterThan(1000);
    expect(outcomes?.ERR_MEMLANE_CORRUPT).toBeGreaterThan(50);
  }));

test.each(['producer', 'consumer'] as const)(
  'whatever a peer writes while a %s runs, it works or names the word',
  (role) =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      createRing(path, { capacityBytes: 4096 }).close();
      const forMs = 1800;
      await using honest = new Program('ring-honest', { path, role, forMs });
      await honest.next('working');
      await using liar = new Program('ring-liar', { path, seed: random.next(), forMs: forMs - 500 });
      await using other = new Program('ring-honest', {
        path,
        role: role === 'producer' ? 'consumer' : 'producer',
        forMs,
      });
      await honest.success();
      await other.success();
      await liar.success();
      const [{ blamed, calls } = { blamed: {}, calls: 0 }] = honest.all<{ blamed: object; calls: number }>('ended');
      // It did work, and it was lied to.
      expect(calls).toBeGreaterThan(100);
      expect(Object.keys(blamed).length).toBeGreaterThan(0);
      for (const word of Object.keys(blamed)) expect(['published', 'consumed', 'length']).toContain(word);
      expect(bellsIn(scratch.path)).toEqual([]);
    }),
);

const ATTACKED: readonly RingShape[] = [
  { topology: 'mpsc', producers: 2 },
  { topology: 'broadcast', consumers: 2 },
  { topology: 'broadcast', consumers: 2, overwrite: true },
  { topology: 'bus', producers: 2, consumers: 2, maxLagBytes: 2048 },
];

test.each(ATTACKED)(
  'whatever a peer writes while both sides of a ring for many run, they work or name the word: %j',
  (shape) =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      createRing(path, { capacityBytes: 4096, ...shape }).close();
      const forMs = 1500;
      // A place that is taken away by a lie may be found taken by the one who had it.
      const allowed = ['ERR_MEMLANE_EVICTED', 'ERR_MEMLANE_BUSY'];
      await using cast = new Cast();
      const honest = (['producer', 'consumer'] as const).map((role) =>
        cast.start('ring-honest', { path, role, forMs, allowed }),
      );
      for (const one of honest) await one.next('working');
      const liar = cast.start('ring-liar', { path, seed: random.next(), forMs: forMs - 500, shape });
      for (const one of [...honest, liar]) await one.success();
      for (const one of honest) {
        const [{ blamed, calls } = { blamed: {}, calls: 0 }] = one.all<{ blamed: object; calls: number }>('ended');
        expect(calls).toBeGreaterThan(100);
        const words = ['published', 'consumed', 'tail', 'length', 'nameBytes', 'retention', 'generation', ...allowed];
        for (const word of Object.keys(blamed)) expect(words).toContain(word);
      }
      expect(bellsIn(scratch.path)).toEqual([]);
    }),
);

test('a length is looked at once: what was checked is what is used', async () => {
  using scratch = scratchFolder();
  const path = scratch.file('ring');
  createRing(path, { capacityBytes: 4096 }).close();
  await using toggler = new Program('ring-toggler', { path, forMs: 1500 });
  await toggler.next('lying');
  await using honest = new Program('ring-flicker', { path, forMs: 1000 });
  const seen = await honest.next<Record<string, number>>('ended');
  for (const outcome of ['read', 'polled', 'refused']) expect(seen[outcome]).toBeGreaterThan(0);
});
