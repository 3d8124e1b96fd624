// Explores one scenario, { scenario, full, apart }, and says 'result': the numbers, and the violation if there is one. Runs
// with `--import` of ./register.js; the environment names the mutant, if any.
import { parameters, say } from '../support/speech.ts';
import { type CellScenarioName, moduleOf } from './cell-names.ts';
import { explore, type Reductions, type Scenario } from './explorer.ts';
import type { ScenarioName } from './names.ts';

const { scenario, ...reductions } = parameters<{ scenario: ScenarioName | CellScenarioName } & Reductions>();
const { scenarios } = (await import(moduleOf(scenario))) as { scenarios: Record<string, () => Scenario> };
const { schedules, ...numbers } = await explore((scenarios[scenario] as () => Scenario)(), reductions);
say('result', { ...numbers, schedules: String(schedules) });
