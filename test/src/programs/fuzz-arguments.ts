// Calls every public function with arguments that are wrong in one place or two: { folder, seed, runs }. Says 'raw' for each
// error without a name, 'misread' for each value of a wrong type that was not refused by the name of its argument, 'left'
// for what a call that failed has left behind, and 'ended' with how often what came of it.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ArgumentsBed, type Call, calls } from '../fuzz/argument-calls.ts';
import { describe, hostileValue, isOfAnotherType } from '../fuzz/hostile-values.ts';
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

/** Arguments, one of them or of their fields replaced. */
interface Spoilt {
  readonly given: unknown[];
  /** The field; undefined for a whole argument. */
  readonly field: string | undefined;
  /** Whether its type alone is wrong. */
  readonly wrong: boolean;
}

function spoil(values: readonly unknown[]): Spoilt {
  const given = [...values];
  const index = random.below(given.length);
  const right = given[index];
  const value = hostileValue(random);
  const isOptions = typeof right === 'object' && right !== null && Object.getPrototypeOf(right) === Object.prototype;
  const fields: [string, unknown][] = isOptions ? Object.entries(right) : [];
  if (fields.length === 0 || random.chance(0.2)) {
    given[index] = value;
    return { given, field: undefined, wrong: isOfAnotherType(value, right) };
  }
  const [field, rightField] = random.pick(fields);
  given[index] = { ...(right as object), [field]: value };
  return { given, field, wrong: isOfAnotherType(value, rightField) };
}

/** Whether it was refused as it is to be: by a name, and where that can be known the right one. */
function isRefused({ byNode }: Call, { field }: Spoilt, error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  if (byNode) return code === 'ERR_INVALID_ARG_TYPE';
  if (code !== 'ERR_MEMLANE_ARGUMENT' || message === undefined) return false;
  return field === undefined || message.startsWith(`${field} is `) || message.startsWith(`descriptor.${field} is `);
}

async function tryOut(what: Call, bed: ArgumentsBed): Promise<void> {
  const { name, right, call, byNode = false, lenient = false } = what;
  const once = spoil(right);
  const twice = random.chance(0.2);
  const given: unknown[] = twice ? spoil(once.given).given : once.given;
  const text = `${name}(${given.map(describe).join(', ')})`;
  watchdog.at(text);
  bed.refresh();
  const before = readdirSync(folder);
  let outcome = 'worked';
  let refused = false;
  try {
    const made = (await call(bed, ...given)) as Disposable | undefined;
    if (made !== null && typeof made === 'object' && Symbol.dispose in made) made[Symbol.dispose]();
  } catch (error) {
    // What the caller passed to be thrown is the caller's.
    if (given.some((value) => (value as { signal?: AbortSignal })?.signal?.reason === error)) return;
    refused = isRefused(what, once, error);
    try {
      outcome = byNode && refused ? 'ERR_INVALID_ARG_TYPE' : nameOf(error);
    } catch (raw) {
      const reason = `${name}: ${(raw as Error).message}`;
      if (!told.has(reason)) say('raw', { text, reason });
      told.add(reason);
      outcome = 'raw';
    }
    const left = readdirSync(folder).filter((entry) => !before.includes(entry));
    if (left.length > 0) say('left', { text, left });
  }
  if (once.wrong && !twice && !lenient && !refused) say('misread', { text, outcome });
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  for (const entry of readdirSync(folder))
    if (!before.includes(entry)) rmSync(join(folder, entry), { recursive: true });
}

using bed = new ArgumentsBed();
bed.refresh();
for (let run = 0; run < runs; run++) await tryOut(random.pick(calls), bed);
say('ended', outcomes);
