// Explores one scenario, { scenario, full, apart }, and says 'result': the numbers, and the violation if there is one. Runs
// with `--import` of ./register.js; the environment names the mutant, if any.
import { parameters, say } from '../support/speech.ts';
import { explore, type Reductions, type Scenario } from './explorer.ts';
import { type AnyScenarioName, moduleOf } from './scenario-names.ts';

const { scenario, ...reductions } = parameters<{ scenario: AnyScenarioName } & Reductions>();
const { scenarios } = (await import(moduleOf(scenario))) as { scenarios: Record<string, () => Scenario> };
const { schedules, ...numbers } = await explore((scenarios[scenario] as () => Scenario)(), reductions);
say('result', { ...numbers, schedules: String(schedules) });
