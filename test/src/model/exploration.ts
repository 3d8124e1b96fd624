import { fileURLToPath } from 'node:url';
import { runProgram } from '../support/program.ts';
import type { Exploration, Reductions } from './explorer.ts';
import type { AnyScenarioName } from './scenario-names.ts';

/** What a program says of its search; numbers that JSON does not know are text. */
export type Result = Omit<Exploration, 'schedules'> & { readonly schedules: string };

/** A watchdog: the longest search takes half a minute on a slow machine, and MEMLANE_MODEL_BOUND makes it longer. */
const PATIENCE_MS = process.env.MEMLANE_MODEL_BOUND === undefined ? 300_000 : 24 * 3600_000;

/** Explores a scenario in a process of its own, in which the module hooks are at work. */
export async function exploration(
  scenario: AnyScenarioName,
  reductions: Reductions = {},
  mutant?: string,
): Promise<Result> {
  const register = fileURLToPath(new URL('./register.js', import.meta.url));
  const [result] = await runProgram<Result>(
    '../model/explore',
    { scenario, ...reductions },
    {
      nodeOptions: ['--max-old-space-size=4096', '--import', register],
      environment: mutant === undefined ? {} : { MEMLANE_MODEL_MUTANT: mutant },
      patienceMs: PATIENCE_MS,
    },
  );
  return result as Result;
}

/** One line about a search. */
export function summary(name: string, { schedules, states, levels, runs, seconds }: Result): string {
  return `${name}: ${schedules} schedules, ${states} states, depth ${levels}, ${runs} runs, ${seconds.toFixed(1)} s\n`;
}
