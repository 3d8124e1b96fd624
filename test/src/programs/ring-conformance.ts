// Runs the conformance cases with the ends in one place, on each of several rings: { place, media, only? }.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { appliesTo, type Bed, type Case, kinds, type Medium, makeRing } from '../ring/conformance/bed.ts';
import { cases } from '../ring/conformance/cases.ts';
import { type Place, settle } from '../ring/places.ts';
import { parameters, say } from '../support/speech.ts';

/** Longest for one case: a watchdog, not an expectation. */
const PATIENCE_MS = 25_000;

const { place, media, only } = parameters<{ place: Place; media: readonly Medium[]; only?: string }>();
const ends = settle(place);

/** What a case that failed left to be rejected by nobody. */
const strays: string[] = [];
process.on('unhandledRejection', (reason) => strays.push(`unhandled: ${(reason as Error).stack}`));

for (const [index, medium] of media.entries())
  for (const item of cases) {
    if (!appliesTo(item, place, medium.kind) || (only !== undefined && !item.name.includes(only))) continue;
    say('case', { medium: index, name: item.name, failure: await failureOf(item, medium) });
  }
await ends[Symbol.asyncDispose]();

/** Runs a case on a ring of its own; returns what went wrong. */
async function failureOf({ run }: Case, medium: Medium): Promise<string | undefined> {
  const { folder } = medium;
  const kind = kinds[medium.kind];
  process.env.MEMLANE_DIR = folder; // where the bells of an anonymous ring go
  const path = join(folder, 'ring');
  const ring = makeRing(medium, path);
  const { producer, consumer } = ends;
  const open: Bed['open'] = async (wait = {}) => {
    await Promise.all([producer.open({ wait: wait.producer }), consumer.open({ wait: wait.consumer })]);
  };
  const failures: string[] = [];
  try {
    await ends.enter(ring, folder, kind.reading);
    await withWatchdog(run({ place, kind, ring, producer, consumer, open }));
  } catch (error) {
    failures.push((error as Error).stack ?? String(error));
  }
  await ends.leave();
  ring.close();
  rmSync(path, { force: true });
  for (const name of readdirSync(folder)) {
    rmSync(join(folder, name));
    failures.push(`left behind: ${name}`);
  }
  failures.push(...strays.splice(0));
  return failures.length === 0 ? undefined : failures.join('\n');
}

async function withWatchdog(running: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  await Promise.race([running, late]).finally(() => clearTimeout(timer));
}
