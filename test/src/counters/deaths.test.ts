import { expect, test } from '@jest/globals';
import { createCounters } from 'memlane';
import { readBytes } from '../ring/ring-bytes.ts';
import { Program, runProgram } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause } from '../support/speech.ts';

test('nothing that was added is lost, nothing counts twice, and no counter goes back, whoever is killed', () =>
  withSeed(async (random) => {
    using scratch = scratchFolder(random.pick(['memory', 'disk']));
    const path = scratch.file('counters');
    // So few places that the dead one's are taken by the next ones.
    using counters = createCounters(path, { counters: 5, participants: 4 });
    counters.gauge('all').set(1);
    const journals: string[] = [];
    let lives = 0;
    const begin = async (): Promise<Program> => {
      const journal = scratch.file(`journal ${lives++}`);
      journals.push(journal);
      const program = new Program('counters-adder', { path, label: 'messages', journal });
      await program.next('begun');
      return program;
    };
    let last = 0;
    const look = (): void => {
      const now = counters.get('messages') ?? 0;
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    };
    const adders = [await begin(), await begin()];
    try {
      for (let kill = 0; kill < 5; kill++) {
        const victim = random.below(adders.length);
        for (let turn = random.between(1, 20); turn > 0; turn--) {
          look();
          await pause(1);
        }
        adders[victim]?.kill();
        expect((await adders[victim]?.end())?.signal).toBe('SIGKILL');
        // What goes with its owner is gone at once, whether its place has been taken or not.
        expect(counters.snapshot().filter(({ ownerPid }) => ownerPid !== undefined)).toHaveLength(1);
        look();
        adders[victim] = await begin();
      }
    } finally {
      for (const adder of adders) await adder[Symbol.asyncDispose]();
    }
    let [least, most] = [0, 0];
    for (const journal of journals) {
      const words = readBytes(journal, 0, 8);
      expect(words.readInt32LE(0) - words.readInt32LE(4)).toBeLessThanOrEqual(1);
      most += words.readInt32LE(0);
      least += words.readInt32LE(4);
    }
    look();
    expect(last).toBeGreaterThanOrEqual(least);
    expect(last).toBeLessThanOrEqual(most);
    expect(least).toBeGreaterThan(10_000);
    expect(
      counters
        .snapshot()
        .map(({ label }) => label)
        .sort(),
    ).toEqual(['all', 'messages']);
  }));

test('between threads of one process, with a latest value beside them', async () => {
  const [result] = await runProgram<{ torn: number; seen: number; turns: number; version: number }>('cells-worker');
  expect(result).toEqual({ torn: 0, seen: 2, turns: 300_000, version: 2 });
});
