// Runs the refusals that one process can provoke, each in a folder of its own: { folder }.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { placeIn } from '../ring/refusals/refusal.ts';
import { refusals } from '../ring/refusals/refusals.ts';
import { parameters, say } from '../support/speech.ts';

const { folder } = parameters<{ folder: string }>();
for (const [index, { name, run }] of refusals.entries()) {
  const own = join(folder, String(index));
  mkdirSync(own);
  try {
    await run(placeIn(own));
    say('case', { name });
  } catch (error) {
    say('case', { name, failure: (error as Error).stack });
  }
}
