import { afterAll, describe, expect, test } from '@jest/globals';
import { cellMutants } from './cell-mutants.ts';
import { COUNTER_SCENARIOS, LATEST_SCENARIOS } from './cell-names.ts';
import { exploration, summary } from './exploration.ts';
import { searched } from './scenario-names.ts';

const WATCHDOG_MS = 300_000;
const lines: string[] = [];
afterAll(() => {
  process.stdout.write(lines.join(''));
});

describe.each([
  ['a latest value', LATEST_SCENARIOS],
  ['counters', COUNTER_SCENARIOS],
])('in every schedule, %s', (_, scenarios) => {
  test.each(searched<LatestOrCounterScenario>(scenarios))(
    'keeps its promises: %s',
    async (scenario) => {
      const result = await exploration(scenario);
      lines.push(summary(scenario, result));
      expect(result.violation).toBeUndefined();
      expect(result.states).toBeGreaterThan(200);
      expect(BigInt(result.schedules)).toBeGreaterThan(100_000n);
    },
    WATCHDOG_MS,
  );
});

type LatestOrCounterScenario = (typeof LATEST_SCENARIOS | typeof COUNTER_SCENARIOS)[number];

describe('the explorer finds the mutant', () => {
  test.each(cellMutants)(
    '$name',
    async ({ name, scenario, finding }) => {
      const { violation } = await exploration(scenario, {}, name);
      expect(violation?.message).toMatch(finding);
      lines.push(`mutant: ${name}\n  ${violation?.message}\n`);
    },
    WATCHDOG_MS,
  );
});
