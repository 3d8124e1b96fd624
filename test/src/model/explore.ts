// Explores one scenario, { scenario, full, apart }, and says 'result': the numbers, and the violation if there is one. Runs
// with `--import` of ./register.js; the environment names the mutant, if any.
import { parameters, say } from '../support/speech.ts';
import { explore, type Reductions } from './explorer.ts';
import type { ScenarioName } from './names.ts';
import { scenarios } from './scenarios.ts';

const { scenario, ...reductions } = parameters<{ scenario: ScenarioName } & Reductions>();
const { schedules, ...numbers } = await explore(scenarios[scenario](), reductions);
say('result', { ...numbers, schedules: String(schedules) });
