import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { PAGE_SIZE } from '@memlane/linux';
import { Program, runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause } from '../support/speech.ts';
import { cut } from './cut.ts';

describe('a cut in the middle of a loop without calls', () => {
  test.each([
    ['the main thread', 0],
    ['the main thread and three workers', 3],
  ])('%s read zeros, and the next check throws', async (_name, workers) => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    await using program = new Program('guard-loop', { path, workers });
    await program.next('looping');
    await pause(300); // in which the loops are optimised
    cut(path, PAGE_SIZE);
    const thread = { value: 0, code: 'ERR_MEMLANE_TRUNCATED', path, long: true, counted: true };
    expect(await program.next('result')).toEqual({
      met: Array.from({ length: workers + 1 }, () => thread),
      faults: workers + 1, // each thread has a mapping of its own
    });
    await program.success();
  });
});

describe('no check misses a fault', () => {
  for (const nodeOptions of [
    [],
    ['--no-opt'],
    ['--always-sparkplug'],
    ['--maglev', '--no-turbofan'],
    ['--maglev'],
    ['--always-turbofan'],
    ['--no-maglev'],
  ]) {
    const known = spawnSync(process.execPath, [...nodeOptions, '--eval', '0']).status === 0;
    const name = `with the options [${nodeOptions.join(' ')}] of V8${known ? '' : ', which this one does not know'}`;
    (known ? test : test.skip)(name, async () => {
      using scratch = scratchFolder();
      const [missed] = await runProgram('guard-check', { path: scratch.file('a'), rounds: 8 }, { nodeOptions });
      expect(missed).toEqual({
        'before and after a read': 0,
        'after each step of a loop': 0,
        'once, after a loop that has checked before': 0,
        'after a store': 0,
        'the counter itself, as in a lane': 0,
      });
    });
  }
});

describe('several threads on the same missing pages', () => {
  test('of a file that is cut: no store is lost, one fault for all', async () => {
    using scratch = scratchFolder();
    const plan = { path: scratch.file('a'), way: 'truncated', pages: 256, threads: 4, rounds: 20 };
    const [result] = await runProgram('guard-writers', plan);
    expect(result).toEqual({ lost: 0, faults: [1], fileUntouched: true });
  });

  test('the fault is counted before any of them can read the zeros', async () => {
    using scratch = scratchFolder();
    const [result] = await runProgram('guard-first-sight', { path: scratch.file('a'), regions: 500, rounds: 4 });
    expect(result).toEqual({ missed: 0, faults: 2000, failed: 0 });
  });

  test('of a read-only file: no store is lost, one fault a page', async () => {
    using scratch = scratchFolder();
    const plan = { path: scratch.file('a'), way: 'read-only', pages: 256, threads: 4, rounds: 20 };
    const [result] = await runProgram('guard-writers', plan);
    expect(result).toEqual({ lost: 0, faults: [256], fileUntouched: true });
  });
});
