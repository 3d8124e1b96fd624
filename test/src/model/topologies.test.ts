import { afterAll, describe, expect, test } from '@jest/globals';
import { exploration, summary } from './exploration.ts';
import { growthMutants } from './growth-mutants.ts';
import { resizeMutants } from './resize-mutants.ts';
import { searched } from './scenario-names.ts';
import { topologyMutants } from './topology-mutants.ts';
import {
  BROADCAST_SCENARIOS,
  GROWTH_SCENARIOS,
  LANE_SCENARIOS,
  LOSSY_SCENARIOS,
  RESIZE_SCENARIOS,
} from './topology-names.ts';

const WATCHDOG_MS = process.env.MEMLANE_MODEL_BOUND === undefined ? 300_000 : 24 * 3600_000;
const lines: string[] = [];
afterAll(() => {
  process.stdout.write(lines.join(''));
});

describe('in every schedule, a ring with many ends', () => {
  const all = [...BROADCAST_SCENARIOS, ...LOSSY_SCENARIOS, ...LANE_SCENARIOS, ...RESIZE_SCENARIOS, ...GROWTH_SCENARIOS];
  test.each(searched(all))(
    'keeps its promises: %s',
    async (scenario) => {
      const result = await exploration(scenario);
      lines.push(summary(scenario, result));
      expect(result.violation).toBeUndefined();
      expect(result.states).toBeGreaterThan(1000);
      expect(BigInt(result.schedules)).toBeGreaterThan(100_000n);
    },
    WATCHDOG_MS,
  );
});

describe('what makes a search smaller, where accesses race,', () => {
  test(
    'loses nothing',
    async () => {
      const scenario = 'broadcast: a late consumer, from now';
      const reduced = await exploration(scenario);
      const full = await exploration(scenario, { full: true });
      lines.push(summary(`${scenario}, every order`, full));
      expect(reduced.states).toBeLessThan(full.states);
      expect(reduced.ends).toBe(full.ends);
    },
    WATCHDOG_MS,
  );
});

describe('the explorer finds the mutant', () => {
  test.each([...topologyMutants, ...resizeMutants, ...growthMutants])(
    '$name',
    async ({ name, scenario, finding }) => {
      const { violation } = await exploration(scenario, {}, name);
      expect(violation?.message).toMatch(finding);
      const { message, schedule } = violation as NonNullable<typeof violation>;
      const steps = schedule.map((step, index) => `${String(index + 1).padStart(5)} ${step}`);
      lines.push([`mutant: ${name}`, `${message}; a schedule:`, ...steps, '\n'].join('\n'));
    },
    WATCHDOG_MS,
  );
});
