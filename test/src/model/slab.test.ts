import { afterAll, describe, expect, test } from '@jest/globals';
import { exploration, summary } from './exploration.ts';
import { slabMutants } from './slab-mutants.ts';
import { SLAB_SCENARIOS } from './slab-names.ts';

const WATCHDOG_MS = 300_000;
const lines: string[] = [];
afterAll(() => {
  process.stdout.write(lines.join(''));
});

describe('in every schedule, the shipped slab', () => {
  test.each(SLAB_SCENARIOS)(
    'keeps its promises: %s',
    async (scenario) => {
      const result = await exploration(scenario);
      lines.push(summary(scenario, result));
      expect(result.violation).toBeUndefined();
      expect(result.states).toBeGreaterThan(200);
      expect(BigInt(result.schedules)).toBeGreaterThan(10_000n);
    },
    WATCHDOG_MS,
  );
});

describe('the explorer finds the mutant', () => {
  test.each(slabMutants)(
    '$name',
    async ({ name, scenario, finding }) => {
      const { violation, states } = await exploration(scenario, {}, name);
      expect(violation?.message).toMatch(finding);
      lines.push(`mutant: ${name}\n  ${violation?.message}, after ${states} states\n`);
    },
    WATCHDOG_MS,
  );
});
