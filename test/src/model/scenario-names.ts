import { type CellScenarioName, COUNTER_SCENARIOS, LATEST_SCENARIOS } from './cell-names.ts';
import { SCENARIOS, type ScenarioName } from './names.ts';
import { SLAB_SCENARIOS, type SlabScenarioName } from './slab-names.ts';
import {
  BROADCAST_SCENARIOS,
  GROWTH_SCENARIOS,
  LANE_SCENARIOS,
  LOSSY_SCENARIOS,
  RESIZE_SCENARIOS,
  type TopologyScenarioName,
} from './topology-names.ts';
import { WORK_SCENARIOS, type WorkScenarioName } from './work-names.ts';

/** Every scenario there is, for whoever must not load the code that they run. */
export type AnyScenarioName =
  | ScenarioName
  | CellScenarioName
  | SlabScenarioName
  | TopologyScenarioName
  | WorkScenarioName;

/**
 * Too long for every day, each beside another one with fewer actors, fewer steps, or in threads instead of event loops:
 * searched with MEMLANE_MODEL_BOUND, 0 for example. The mutants are looked for in them, too, and found soon.
 */
const LONG: readonly AnyScenarioName[] = [
  'mpsc: a producer is killed as it comes',
  'a reader that sleeps in the event loop, and its writer killed',
  'two threads, across 2^31',
  'producer killed and succeeded, event loops',
  'broadcast: a late consumer, killed, event loops',
  'broadcast: a name, killed as it comes to be kept for longer',
  'resize: producer killed and succeeded, as it shrinks',
  'growth: a late consumer, killed',
  'growth: consumers that sleep',
  'growth: a late consumer, from the oldest, when a third segment is wanted',
];

/** Those of them that are searched to their ends today. */
export function searched<Name extends AnyScenarioName>(names: readonly Name[]): readonly Name[] {
  return process.env.MEMLANE_MODEL_BOUND === undefined ? names.filter((name) => !LONG.includes(name)) : names;
}

/** In which module they are. Each names the words of its own file, so that no two may be loaded. */
const MODULES: Readonly<Record<string, readonly AnyScenarioName[]>> = {
  './scenarios.js': SCENARIOS,
  './latest-scenarios.js': LATEST_SCENARIOS,
  './counter-scenarios.js': COUNTER_SCENARIOS,
  './broadcast-scenarios.js': BROADCAST_SCENARIOS,
  './lossy-scenarios.js': LOSSY_SCENARIOS,
  './lane-scenarios.js': LANE_SCENARIOS,
  './growth-scenarios.js': GROWTH_SCENARIOS,
  './resize-scenarios.js': RESIZE_SCENARIOS,
  './slab-scenarios.js': SLAB_SCENARIOS,
  './work-scenarios.js': WORK_SCENARIOS,
};

/** The module in which a scenario is. */
export function moduleOf(scenario: AnyScenarioName): string {
  const found = Object.entries(MODULES).find(([, names]) => names.includes(scenario));
  if (found === undefined) throw new Error(`There is no scenario '${scenario}'`);
  return found[0];
}
