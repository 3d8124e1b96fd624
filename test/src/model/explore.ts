// Explores one scenario, { scenario, full, apart }, and says 'result': the numbers, and the violation if there is one. Runs
// with `--import` of ./register.js; the environment names the mutant, if any.
import { parameters, say } from '../support/speech.ts';
import { explore, type Reductions } from './explorer.ts';
import type { ScenarioName } from './names.ts';
import { isWorkScenario, type WorkScenarioName } from './work-names.ts';

const { scenario, ...reductions } = parameters<{ scenario: ScenarioName | WorkScenarioName } & Reductions>();
// Only one of them: each lays its own file over the same words.
const scenarioOf = isWorkScenario(scenario)
  ? (await import('./work-scenarios.ts')).workScenarios[scenario]
  : (await import('./scenarios.ts')).scenarios[scenario];
const { schedules, ...numbers } = await explore(scenarioOf(), reductions);
say('result', { ...numbers, schedules: String(schedules) });
