import { mutate } from '../support/mutation.ts';
import { cellMutants } from './cell-mutants.ts';
import { growthMutants } from './growth-mutants.ts';
import { mutants } from './mutants.ts';
import { resizeMutants } from './resize-mutants.ts';
import { slabMutants } from './slab-mutants.ts';
import { topologyMutants } from './topology-mutants.ts';
import { workMutants } from './work-mutants.ts';

/*
 * The seam of the explorer: core's module of memory operations and its bells are replaced by the explorer's, and so is the
 * private memory of a ring's endpoints; and one text of one compiled module by another when a mutant is asked for. Everything
 * else is what ships.
 */

const REPLACED: Readonly<Record<string, string>> = {
  '/packages/core/dist/memory.js': new URL('./memory.js', import.meta.url).href,
  '/packages/core/dist/doorbell.js': new URL('./doorbell.js', import.meta.url).href,
  '/packages/ring/dist/draft.js': new URL('./draft.js', import.meta.url).href,
};

const mutant = [
  ...mutants,
  ...cellMutants,
  ...growthMutants,
  ...resizeMutants,
  ...slabMutants,
  ...topologyMutants,
  ...workMutants,
].find(({ name }) => name === process.env.MEMLANE_MODEL_MUTANT);
if (mutant === undefined && process.env.MEMLANE_MODEL_MUTANT !== undefined) throw new Error('There is no such mutant');

interface Resolved {
  readonly url: string;
}

interface Loaded {
  readonly source?: unknown;
}

type Next<Result> = (name: string, context: unknown) => Result | Promise<Result>;

// Both serve registerHooks (Node 22.15 and later), where they are synchronous, and register, where they are not.

export function resolve(specifier: string, context: unknown, next: Next<Resolved>): Resolved | Promise<Resolved> {
  return then(next(specifier, context), (resolved) => {
    const replaced = Object.keys(REPLACED).find((suffix) => resolved.url.endsWith(suffix));
    return replaced === undefined ? resolved : { ...resolved, url: REPLACED[replaced] as string };
  });
}

export function load(url: string, context: unknown, next: Next<Loaded>): Loaded | Promise<Loaded> {
  const [, module] = /packages\/(?:core|ring|slab)\/dist\/([a-z-]+)\.js$/.exec(url) ?? [];
  if (module === undefined) return next(url, context);
  return then(next(url, context), (loaded) => {
    const source = String(loaded.source);
    return {
      ...loaded,
      source: publicNames(
        mutant !== undefined && url.endsWith(mutant.module) ? mutate(mutant.name, source, mutant.edits) : source,
        module,
      ),
    };
  });
}

/** Private names become ordinary ones, told apart by module, for {@link file://./fingerprint.ts}. */
function publicNames(source: string, module: string): string {
  return source.replace(/#(?=[A-Za-z])/g, `private_${module.replaceAll('-', '_')}_`);
}

function then<Value>(result: Value | Promise<Value>, change: (value: Value) => Value): Value | Promise<Value> {
  return result instanceof Promise ? result.then(change) : change(result);
}
