// One heat of the race: two programs, started one after the other, in a folder of their own.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { createRing } from 'memlane';
import type { Actor } from '../actor.ts';
import type { Stage } from '../stage.ts';
import type { Contestant } from './contestants.ts';
import type { Duration } from './heat-arguments.ts';

/** Room for some milliseconds of messages: as long as one end may have to wait for a processor. */
const RING_BYTES = 4 << 20;

/** @returns what both programs reported, put together. */
export async function runHeat<Result>(
  stage: Stage,
  { programs, rings, wait = 'adaptive', batch = 1 }: Contestant,
  { warmupMs, measureMs }: Duration,
  onProgress: (count: number) => void,
): Promise<Result> {
  const directory = mkdtempSync(stage.path('heat-'));
  for (const name of rings) createRing(join(directory, name), { capacityBytes: RING_BYTES }).close();
  const actors: Actor<object>[] = [];
  for (const name of programs) {
    if (actors.length > 0) await stage.while(actors[0].ready);
    const program = new URL(`./programs/${name}.js`, import.meta.url);
    const actor = stage.start<object>(program, directory, warmupMs, measureMs, wait, batch);
    actor.onProgress = onProgress;
    actors.push(actor);
  }
  const results = await stage.while(Promise.all(actors.map((actor) => actor.result)));
  return Object.assign({}, ...results);
}
