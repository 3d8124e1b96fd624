import { type CellScenarioName, COUNTER_SCENARIOS, LATEST_SCENARIOS } from './cell-names.ts';
import type { ScenarioName } from './names.ts';
import { WORK_SCENARIOS, type WorkScenarioName } from './work-names.ts';

/** Every scenario of the explorer. */
export type AnyScenarioName = ScenarioName | CellScenarioName | WorkScenarioName;

const elsewhere = new Map<string, string>([
  ...LATEST_SCENARIOS.map((name) => [name, './latest-scenarios.js'] as const),
  ...COUNTER_SCENARIOS.map((name) => [name, './counter-scenarios.js'] as const),
  ...WORK_SCENARIOS.map((name) => [name, './work-scenarios.js'] as const),
]);

/** Module in which a scenario is. Each names the words of its own file, so that no two may be loaded. */
export function moduleOf(scenario: AnyScenarioName): string {
  return elsewhere.get(scenario) ?? './scenarios.js';
}
