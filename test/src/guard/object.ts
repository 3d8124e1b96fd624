import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from '@jest/globals';

/* The object of the guard as files and other programs see it, for the tests of where it works and how it is made. */

export const root: string = fileURLToPath(new URL('../../../', import.meta.url));
export const packageFolder: string = join(root, 'packages', 'guard');
export const native: string = join(packageFolder, 'native');
export const objectOf = (architecture: string): string => join(packageFolder, 'prebuilt', `guard-${architecture}.so`);

export type Architecture = 'x64' | 'arm64';
export const host = process.arch as Architecture;
export const foreign: Architecture = host === 'x64' ? 'arm64' : 'x64';

/** Why a command cannot be run here, or null. */
export function refusal(command: string): string | null {
  const { status, error } = spawnSync(command, ['--version']);
  return status === 0 ? null : `${command}: ${error?.message ?? 'refused'}`;
}

/** Why there is nothing to test of that architecture, or null. The object of this one is always there: npm test builds it. */
export function whyNoObject(architecture: Architecture): string | null {
  if (architecture === host || existsSync(objectOf(architecture))) return null;
  return `no object: there was no compiler for ${architecture}`;
}

/** A test, skipped where there is a reason. */
export function testUnless(reason: string | null, name: string, run: () => void): void {
  (reason === null ? test : test.skip)(reason === null ? name : `${name} (${reason})`, run);
}

/** Runs something to its success. @returns its standard output. */
export function succeed(command: string, parameters: readonly string[]): string {
  const { status, signal, stdout, stderr, error } = finish(command, parameters);
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? signal ?? status}\n${stdout}${stderr}`);
  return stdout;
}

/** Runs something to its end, whatever that is. */
export function finish(
  command: string,
  parameters: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): SpawnSyncReturns<string> {
  return spawnSync(command, parameters, { encoding: 'utf8', timeout: 50_000, env: environment });
}
