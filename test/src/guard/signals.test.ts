import { copyFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { guard } from 'memlane';
import { Program, runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';

/** Longest that something which should end may take: nothing spins for ever. */
const SOON_MS = 10_000;
const repaired = { installed: true, faults: 9, failed: 0 };
const LISTENERS = ['none', 'before', 'after', 'once', 'removed'];

function start(plan: Readonly<Record<string, string>>): Program {
  return new Program('guard-signals', { signal: 'SIGBUS', ...plan });
}

describe.each(LISTENERS)('a listener of the signals: %s', (listener) => {
  test('faults are repaired', async () => {
    using scratch = scratchFolder();
    await using program = start({ path: scratch.file('a'), listener, next: 'nothing' });
    expect(await program.next('repaired')).toEqual(repaired);
    program.kill(); // a listener keeps nothing alive, but nothing is proved by waiting either
  });

  const listens = listener !== 'none' && listener !== 'removed';
  test.each(['SIGBUS', 'SIGSEGV'])(`kill -%s ${listens ? 'reaches it' : 'ends the process'}`, async (signal) => {
    using scratch = scratchFolder();
    await using program = start({ path: scratch.file('a'), listener, next: 'kill', signal });
    await program.next('stepping');
    if (listens) {
      expect(await program.next('heard', SOON_MS)).toBe(signal);
      expect(await program.next('survived', SOON_MS)).toBe(true);
      await program.success();
    } else expect(await program.end(SOON_MS)).toEqual({ code: null, signal });
    expect(program.all('heard')).toEqual([]);
  });

  test.each([
    ['foreign cut', 'SIGBUS'],
    ['foreign store', 'SIGSEGV'],
    // Where the handler before ours does nothing, and where there is none.
    ...(listener === 'after' || listener === 'none' ? [['foreign cuts in two threads', 'SIGBUS']] : []),
  ])('%s: a fault where nobody watches ends the process', async (next, signal) => {
    using scratch = scratchFolder();
    await using program = start({ path: scratch.file('a'), listener, next });
    await program.next('stepping');
    expect(await program.end(SOON_MS)).toEqual({ code: null, signal });
    expect(program.all('survived')).toEqual([]);
  });
});

describe('two guards in one process', () => {
  const run = async (order: string): Promise<unknown> => {
    using scratch = scratchFolder();
    const copy = scratch.file('copy.so');
    copyFileSync(guard.status().library, copy);
    return (await runProgram('guard-two', { path: scratch.file('a'), copy, order, foreign: null }))[0];
  };

  test.each(['copy first', 'copy last', 'cycle'])('%s: each repairs what it watches', async (order) => {
    expect(await run(order)).toEqual({ ours: 1, oursReadOnly: 3000, theirs: 3000, intact: true });
  });

  test.each([
    ['copy first', 'fault'],
    ['copy first', 'kill'],
    ['copy last', 'fault'],
    ['copy last', 'kill'],
    ['cycle', 'fault'],
    ['cycle', 'kill'],
  ])('%s: a %s that concerns neither ends the process', async (order, foreign) => {
    using scratch = scratchFolder();
    const copy = scratch.file('copy.so');
    copyFileSync(guard.status().library, copy);
    await using program = new Program('guard-two', { path: scratch.file('a'), copy, order, foreign });
    await program.next('stepping');
    expect(await program.end(SOON_MS)).toEqual({ code: null, signal: 'SIGBUS' });
  });
});
