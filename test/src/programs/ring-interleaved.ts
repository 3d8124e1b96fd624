// Lets one end of a ring have its turn, from beginning to end, before each memory operation of another in turn, on a fresh
// ring each time: { only? }. To be started with ring/interleaving/register.js. Says 'scenario' for each.
import { interleave, scenarios } from '../ring/interleaving/scenarios.ts';
import { parameters, say } from '../support/speech.ts';

const { only } = parameters<{ only?: string }>();
for (const { name, make } of scenarios) {
  if (only !== undefined && !name.includes(only)) continue;
  try {
    say('scenario', { name, schedules: interleave(make) });
  } catch (error) {
    say('scenario', { name, schedules: 0, failure: (error as Error).stack });
  }
}
