/*
 * Puts ./memory.ts in the place of core's module of memory operations, so that something else can happen between any two
 * of them. Serves registerHooks (Node 22.15 and later), where it is synchronous, and register, where it is not.
 */

const REPLACED = '/packages/core/dist/memory.js';
const replacement: string = new URL('./memory.js', import.meta.url).href;

interface Resolved {
  readonly url: string;
}

type Next = (name: string, context: unknown) => Resolved | Promise<Resolved>;

export function resolve(specifier: string, context: unknown, next: Next): Resolved | Promise<Resolved> {
  const resolved = next(specifier, context);
  return resolved instanceof Promise ? resolved.then(replace) : replace(resolved);
}

function replace(resolved: Resolved): Resolved {
  return resolved.url.endsWith(REPLACED) ? { ...resolved, url: replacement } : resolved;
}
