// Calls every public function with arguments that are wrong in one place or two: { folder, seed, runs }. Says 'raw' for each
// error without a name, 'left' for what a call that failed has left behind, and 'ended' with how often what came of it.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ArgumentsBed, type Call, calls } from '../fuzz/argument-calls.ts';
import { describe, hostileValue } from '../fuzz/hostile-values.ts';
import { nameOf } from '../fuzz/named.ts';
import { Watchdog } from '../fuzz/watchdog.ts';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

const { folder, seed, runs } = parameters<{ folder: string; seed: number; runs: number }>();
process.chdir(folder);
process.env.MEMLANE_DIR = folder;
const random = new Random(seed);
const watchdog = new Watchdog();
const outcomes: Record<string, number> = {};
const told = new Set<string>();

/** The arguments, one of them or of their fields replaced. */
function spoil(values: readonly unknown[]): unknown[] {
  const spoilt = [...values];
  const index = random.below(spoilt.length);
  const value = spoilt[index];
  const isOptions = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  if (isOptions && random.chance(0.8)) {
    const name = random.pick(Object.keys(value));
    spoilt[index] = { ...value, [name]: hostileValue(random) };
  } else spoilt[index] = hostileValue(random);
  return spoilt;
}

async function tryOut({ name, right, call }: Call, bed: ArgumentsBed): Promise<void> {
  let given: unknown[] = spoil(right);
  if (random.chance(0.2)) given = spoil(given);
  const text = `${name}(${given.map(describe).join(', ')})`;
  watchdog.at(text);
  bed.refresh();
  const before = readdirSync(folder);
  let outcome = 'worked';
  try {
    const made = (await call(bed, ...given)) as Disposable | undefined;
    if (made !== null && typeof made === 'object' && Symbol.dispose in made) made[Symbol.dispose]();
  } catch (error) {
    // What the caller passed to be thrown is the caller's.
    if (given.some((value) => (value as { signal?: AbortSignal })?.signal?.reason === error)) return;
    try {
      outcome = nameOf(error);
    } catch (raw) {
      const reason = `${name}: ${(raw as Error).message}`;
      if (!told.has(reason)) say('raw', { text, reason });
      told.add(reason);
      outcome = 'raw';
    }
    const left = readdirSync(folder).filter((entry) => !before.includes(entry));
    if (left.length > 0) say('left', { text, left });
  }
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  for (const entry of readdirSync(folder))
    if (!before.includes(entry)) rmSync(join(folder, entry), { recursive: true });
}

using bed = new ArgumentsBed(folder);
bed.refresh();
for (let run = 0; run < runs; run++) await tryOut(random.pick(calls), bed);
say('ended', outcomes);
