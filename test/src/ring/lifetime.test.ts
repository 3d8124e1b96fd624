import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRing, openRing } from 'memlane';
import { Program } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';

/** Longer than a program that may end takes to do so, on a machine that is not busy; only one that stays proves anything. */
const STAYS_MS = 400;

describe('a wait in the event loop', () => {
  const strategies = ['event', 'adaptive', 'spin'] as const; // yield goes from turn to turn as spin does
  const roles = ['producer', 'consumer'] as const;
  type Step = 'ref' | 'unref' | 'wait' | 'hold';

  /** Starts a program on a ring of its own. */
  function start(scratch: Scratch, role: string, wait: string, steps: readonly Step[]): Program & { path: string } {
    const path = scratch.file(`${role}-${steps.join('-')}.ring`);
    createRing(path, { capacityBytes: 4096 }).close();
    return Object.assign(new Program('ring-lifetime', { path, role, wait, steps }), { path });
  }

  /** Does what a producer or a consumer waits for. */
  function meet(path: string, role: string): void {
    using ring = openRing(path);
    if (role === 'consumer') ring.producer().tryWrite('x');
    else ring.consumer().poll(() => {});
  }

  test.each(strategies)('with %s lets the process end after unref()', async (wait) => {
    using scratch = scratchFolder();
    const ways: readonly (readonly Step[])[] = [
      ['unref', 'wait'],
      ['wait', 'unref'],
      ['unref', 'wait', 'ref', 'unref'],
    ];
    const programs = roles.flatMap((role) => ways.map((steps) => start(scratch, role, wait, steps)));
    await using _all = together(programs);
    for (const program of programs) {
      await program.success();
      expect(program.all('exit')).toEqual(['pending']);
    }
    expect(scratch.entries().filter((name) => !name.endsWith('.ring'))).toEqual([]); // their bells went with them
  });

  test.each(strategies)('with %s keeps the process alive until it is met', async (wait) => {
    using scratch = scratchFolder();
    const programs = roles.map((role) => ({ role, program: start(scratch, role, wait, ['unref', 'wait', 'ref']) }));
    await using _all = together(programs.map(({ program }) => program));
    for (const { program } of programs) await program.next('waiting');
    await new Promise((resolve) => setTimeout(resolve, STAYS_MS));
    for (const { role, program } of programs) {
      expect(program.running).toBe(true);
      meet(program.path, role);
      await program.success();
      expect(program.all('exit')).toEqual(['met']);
    }
  });

  test.each(strategies)('with %s is met after unref() while something else keeps the process alive', async (wait) => {
    using scratch = scratchFolder();
    const programs = roles.map((role) => ({ role, program: start(scratch, role, wait, ['hold', 'unref', 'wait']) }));
    await using _all = together(programs.map(({ program }) => program));
    for (const { role, program } of programs) {
      await program.next('waiting');
      meet(program.path, role);
      await program.success();
      expect(program.all('exit')).toEqual(['met']);
    }
  });

  test('does not keep a process alive when nobody waits', async () => {
    using scratch = scratchFolder();
    await using program = start(scratch, 'consumer', 'event', ['unref', 'ref']);
    await program.success();
    expect(program.all('exit')).toEqual(['pending']);
  });
});

describe('a worker thread that is terminated', () => {
  const TIMES = 200;
  const ways = [
    { role: 'consumer', wait: 'event', blocking: false },
    { role: 'consumer', wait: 'park', blocking: true },
    { role: 'consumer', wait: 'spin', blocking: true },
    { role: 'producer', wait: 'event', blocking: false },
    { role: 'producer', wait: 'park', blocking: true },
  ] as const;
  let scratches: Scratch[] = [];
  let programs: Program[] = [];

  // At the same time: they mostly wait, for the start of a thread or for the slice in which a blocked one notices.
  beforeAll(() => {
    const times = TIMES / ways.length;
    scratches = ways.map(() => scratchFolder());
    programs = ways.map((way, index) => {
      return new Program('ring-terminate', { folder: scratches[index]?.path, ...way, times });
    });
  });
  afterAll(async () => {
    for (const program of programs) await program[Symbol.asyncDispose]();
    for (const scratch of scratches) scratch[Symbol.dispose]();
  });

  test.each(ways.map((way, index) => ({ ...way, index })))(
    'while its $role waits with $wait gives its place back at once',
    async ({ index }) => {
      const program = programs[index] as Program;
      await program.success(120_000);
      // One mapping is two lines: the file, and its data once more behind it.
      expect(program.all('ended')).toEqual([{ leakedDescriptors: 0, mappings: 2, left: [] }]);
    },
    150_000,
  );
});

/** Ends all of them at the end of the scope. */
function together(programs: readonly Program[]): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      for (const program of programs) await program[Symbol.asyncDispose]();
    },
  };
}
