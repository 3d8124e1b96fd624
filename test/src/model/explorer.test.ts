import { afterAll, describe, expect, test } from '@jest/globals';
import { exploration, summary } from './exploration.ts';
import { SCENARIOS } from './names.ts';
import { searched } from './scenario-names.ts';

const WATCHDOG_MS = process.env.MEMLANE_MODEL_BOUND === undefined ? 300_000 : 24 * 3600_000;
const lines: string[] = [];
afterAll(() => {
  process.stdout.write(lines.join(''));
});

describe('in every schedule, the shipped code', () => {
  test.each(searched(SCENARIOS))(
    'keeps its promises: %s',
    async (scenario) => {
      const result = await exploration(scenario);
      lines.push(summary(scenario, result));
      expect(result.violation).toBeUndefined();
      expect(result.states).toBeGreaterThan(500);
      expect(BigInt(result.schedules)).toBeGreaterThan(100_000n);
    },
    WATCHDOG_MS,
  );
});

describe('what makes a search smaller', () => {
  test(
    'loses nothing',
    async () => {
      const scenario = 'consumer killed';
      const reduced = await exploration(scenario);
      const full = await exploration(scenario, { full: true });
      const apart = await exploration(scenario, { full: true, apart: true });
      lines.push(summary(`${scenario}, every order`, full), summary(`${scenario}, nothing joined`, apart));
      expect(reduced.states).toBeLessThan(full.states);
      expect(full.states).toBeLessThan(apart.states);
      expect(reduced.ends).toBe(full.ends);
      expect(full.schedules).toBe(apart.schedules);
    },
    WATCHDOG_MS,
  );
});
