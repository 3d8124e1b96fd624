import { afterAll, describe, expect, test } from '@jest/globals';
import { exploration } from './exploration.ts';
import { mutants } from './mutants.ts';

const WATCHDOG_MS = 300_000;
const found: string[] = [];
afterAll(() => {
  process.stdout.write(found.join('\n'));
});

describe('the explorer finds the mutant', () => {
  test.each(mutants)(
    '$name',
    async ({ name, scenario, finding }) => {
      const { violation, states } = await exploration(scenario, { full: true }, name);
      expect(violation?.message).toMatch(finding);
      const { message, schedule } = violation as NonNullable<typeof violation>;
      const steps = schedule.map((step, index) => `${String(index + 1).padStart(5)} ${step}`);
      found.push(`mutant: ${name}\n${message}, after ${states} states; the shortest schedule:`, ...steps, '');
      // The faster search finds it as well.
      expect((await exploration(scenario, {}, name)).violation?.message).toMatch(finding);
    },
    WATCHDOG_MS,
  );
});
