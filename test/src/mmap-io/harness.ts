import { type SpawnSyncOptions, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const DROP_IN = '@memlane/core/mmap-io';
export const ORIGINAL = 'mmap-io';

/** Folder of the test package, from which both packages can be resolved. */
export const packageFolder: string = fileURLToPath(new URL('../../', import.meta.url));

/** Path of a compiled child program. */
export function programPath(name: string): string {
  return fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url));
}

/** Runs `node` to its end with text output. */
export function node(parameters: readonly string[], options: SpawnSyncOptions = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, parameters, { cwd: packageFolder, ...options, encoding: 'utf8' });
}

/** Runs `node` and returns what it printed as JSON; throws with its error output when it failed. */
export function nodeJson<Value>(...parameters: string[]): Value {
  const { status, signal, stdout, stderr } = node(parameters);
  if (status !== 0) throw new Error(`node ${parameters.join(' ')}: ${signal ?? status}\n${stderr}`);
  return JSON.parse(stdout) as Value;
}

/** A temporary folder that goes at the end of the scope. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'memlane-mmap-io-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * Why the original cannot be compared with, or null when it can. It is an optional dependency that must be compiled, and
 * what was compiled for one major version of Node.js does not load in another.
 */
export function whyNoOriginal(): string | null {
  // In a child: a second thread or realm of one process cannot load this addon.
  const { status, stderr } = node(['--eval', `require('${ORIGINAL}')`]);
  if (status === 0) return null;
  if (stderr.includes('NODE_MODULE_VERSION')) return 'it was compiled for another version of Node.js';
  if (stderr.includes("Cannot find module 'mmap-io'")) return 'it is not installed';
  return /^\w*Error.*$/m.exec(stderr)?.[0] ?? `node exited with ${status}`;
}
