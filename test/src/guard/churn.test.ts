import { expect, test } from '@jest/globals';
import { Region } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { Program } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';

/** How often each of two threads opens a region; MEMLANE_CHURN=500000 for a minute or more of it. */
const CYCLES = Number(process.env.MEMLANE_CHURN ?? 2000);
const THREADS = 2;

test(
  `${CYCLES} times two regions that come, are cut and go leave all other memory as it is`,
  () =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const path = scratch.file('a');
      const length = 16 * PAGE_SIZE;
      Region.create(path, length).close();
      await using cutter = new Program('guard-cutter', { path, length, seed: random.next() });
      await cutter.next('cutting');
      await using program = new Program('guard-churn', { path, cycles: CYCLES, threads: THREADS, seed: random.next() });
      const patienceMs = 60_000 + CYCLES;
      const result = await program.next<{ faults: number; refused: string[] }>('result', patienceMs);
      await program.success();
      expect(result).toMatchObject({
        cycles: THREADS * CYCLES,
        wrong: 0,
        status: { failed: 0, passedOn: 0, watched: 0, installed: true },
      });
      expect(result.faults).toBeGreaterThan(CYCLES / 2); // the file was under fire all the while
      const known = ['ERR_MEMLANE_TRUNCATED', 'ERR_MEMLANE_READ_ONLY', 'ERR_MEMLANE_IO'];
      expect(result.refused.filter((code) => !known.includes(code))).toEqual([]);
      expect(cutter.running).toBe(true);
      if (CYCLES > 10_000) process.stdout.write(`${JSON.stringify(result)}\n`);
    }),
  120_000 + CYCLES,
);
