import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of one test's own, removed with everything in it at the end of the scope, however that ends. */
export interface Scratch extends Disposable {
  readonly path: string;
  /** Path of a name inside it. */
  file(name: string): string;
  /** The names inside it, sorted, hidden ones included. */
  entries(): string[];
}

/** Where a scratch folder lies: in memory, or in the folder for temporary files. */
export type Medium = 'memory' | 'disk';

/**
 * Makes a scratch folder.
 *
 * @example
 * using scratch = scratchFolder();
 * const path = scratch.file('ring');
 */
export function scratchFolder(medium: Medium = 'memory'): Scratch {
  const path = mkdtempSync(join(medium === 'memory' ? '/dev/shm' : tmpdir(), 'memlane-test-'));
  return {
    path,
    file: (name) => join(path, name),
    entries: () => readdirSync(path).sort(),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
