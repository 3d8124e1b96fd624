import { mutate } from '../support/mutation.ts';
import { type FaultName, faults } from './faults.ts';

/* Plants the fault that MEMLANE_FAULT names. Serves registerHooks (Node 22.15 and later) and register, as ../model/hooks.ts. */

const name = process.env.MEMLANE_FAULT as FaultName;
const { module, edits } = faults[name];

interface Loaded {
  readonly source?: unknown;
}

type Next = (url: string, context: unknown) => Loaded | Promise<Loaded>;

export function load(url: string, context: unknown, next: Next): Loaded | Promise<Loaded> {
  const loaded = next(url, context);
  if (!url.endsWith(module)) return loaded;
  const plant = (original: Loaded): Loaded => ({ ...original, source: mutate(name, String(original.source), edits) });
  return loaded instanceof Promise ? loaded.then(plant) : plant(loaded);
}
