import { beforeAll, describe, expect, test } from '@jest/globals';
import { NODE_MAJOR } from '../linux/machine.ts';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { accesses } from './accesses.ts';

interface Result {
  readonly name: string;
}

/** What the whole table gave: one process for all, so that it also shows that they do not harm each other. */
class Run {
  readonly results = new Map<string, Result>();
  /** The access during which the process ended, if it did. */
  lastBegun: string | undefined;
  ending = '';

  async make(thread: 'main' | 'worker', nodeOptions: readonly string[]): Promise<void> {
    using scratch = scratchFolder();
    await using program = new Program('guard-accesses', { folder: scratch.path, thread }, { nodeOptions });
    const { code, signal } = await program.end(60_000);
    for (const result of program.all<Result>('result')) this.results.set(result.name, result);
    this.lastBegun = program.all<string>('begun').at(-1);
    this.ending = code === 0 ? '' : `ended with ${signal ?? code} in '${this.lastBegun}'\n${program.stderr}`;
  }
}

const surroundings = {
  'in the main thread': { thread: 'main', nodeOptions: [] },
  'in a worker': { thread: 'worker', nodeOptions: [] },
  interpreted: {
    thread: 'main',
    nodeOptions: ['--no-opt', '--no-sparkplug', ...(NODE_MAJOR > 20 ? ['--no-maglev'] : [])],
  },
} as const;

describe.each(Object.entries(surroundings))('a page that is gone, %s', (_name, { thread, nodeOptions }) => {
  const run = new Run();
  beforeAll(() => run.make(thread, nodeOptions), 90_000);

  test('the process lives', () => {
    expect(run.ending).toBe('');
  });

  test.each(Object.entries(accesses))('%s', (name, { byKernel = false }) => {
    expect(run.results.get(name)).toEqual({
      name,
      refused: undefined,
      // One, however many pages are gone; the kernel's own accesses are refused before they fault.
      faults: byKernel ? 0 : 1,
      failed: 0,
      ...(byKernel ? { path: false, offset: false } : { code: 'ERR_MEMLANE_TRUNCATED', path: true, offset: true }),
      verified: 'ERR_MEMLANE_TRUNCATED',
    });
  });
});
