import { describe, expect, test } from '@jest/globals';
import { Program, runProgram } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';

describe('a worker that departs with live regions', () => {
  test.each(['terminated', 'ended', 'exited', 'terminated in faults'])(
    '%s: nothing of it is watched, mapped or open; its addresses are harmless',
    async (way) => {
      using scratch = scratchFolder();
      const [result] = await runProgram('guard-departed', { path: scratch.file('a'), way });
      expect(result).toEqual({ watched: 0, mapped: 0, seen: 0, intact: true, faults: 0, descriptors: 0 });
    },
  );
});

describe('the guard was loaded only by a worker that has ended', () => {
  test('its handlers serve the next one', async () => {
    using scratch = scratchFolder();
    const [result] = await runProgram('guard-departed', { path: scratch.file('a'), way: 'alone' });
    expect(result).toEqual({ faults: 2, watched: 1 });
  });

  test('its handlers pass on what does not concern it', async () => {
    using scratch = scratchFolder();
    await using program = new Program('guard-departed', { path: scratch.file('a'), way: 'alone, then foreign' });
    await program.next('stepping');
    expect(await program.end(10_000)).toEqual({ code: null, signal: 'SIGBUS' });
  });
});

describe('while another thread faults page by page', () => {
  test.each([
    ['close', 100],
    ['remap', 40],
    ['grow', 60],
  ])('%s', (way, rounds) =>
    withSeed(async ({ seed }) => {
      using scratch = scratchFolder();
      const [result] = await runProgram('guard-close-race', { path: scratch.file('a'), way, rounds, seed });
      expect(result).toEqual({ failed: 0, passedOn: 0, installed: true, many: true, intact: true });
    }),
  );
});

test.each(['deflate', 'randomFill', 'write'])('cut and closed while the thread pool works on it: %s', async (job) => {
  using scratch = scratchFolder('disk');
  const [result] = await runProgram('guard-close-in-flight', { path: scratch.file('a'), job });
  expect(result).toEqual({
    last: 0,
    check: 'ERR_MEMLANE_TRUNCATED',
    status: { faults: 1, failed: 0, passedOn: 0, watched: 0 },
    untouched: true,
  });
});
