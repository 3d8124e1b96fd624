import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from '@jest/globals';

/* The C side (test/interop), compiled with CC, cc, gcc or clang; what needs it is skipped where there is none. */

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Where the header and the program in C are. */
export const sources: string = join(root, 'test', 'interop');

const candidates = [...(process.env.CC?.trim() ? [process.env.CC.trim()] : []), 'cc', 'gcc', 'clang'];
const compiler = candidates.find((command) => run(command, ['--version']).status === 0);

/** Why nothing in C can be tested here, or null. */
const whyNot: string | null = compiler === undefined ? `no C compiler: tried ${candidates.join(', ')}` : null;

/** Tests that need the compiler. */
export function describeInC(name: string, run: () => void): void {
  (whyNot === null ? describe : describe.skip)(whyNot === null ? name : `${name} (${whyNot})`, run);
}

const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror'];

/** Compiles something without warnings. @throws with what the compiler says. */
export function compile(parameters: readonly string[]): void {
  const { status, stderr, error } = run(compiler as string, [...flags, ...parameters]);
  if (status !== 0) throw new Error(`${compiler}: ${error?.message ?? stderr}`);
}

/** The program in C, compiled unless it has been from these very sources. @returns its path. */
export function buildPeer(): string {
  const hash = createHash('sha1').update(JSON.stringify([compiler, flags]));
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)));
  const folder = join(root, 'test', 'dist', 'interop');
  const target = join(folder, `peer-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return target;
  mkdirSync(folder, { recursive: true });
  // Under a name of its own first: several test files may be at it.
  const fresh = `${target}.${process.pid}`;
  compile([join(sources, 'peer.c'), '-o', fresh]);
  renameSync(fresh, target);
  return target;
}

/** A compiler may be given with options, as in CC='ccache gcc'. */
function run(command: string, parameters: readonly string[]): SpawnSyncReturns<string> {
  const [program = '', ...options] = command.split(/\s+/);
  return spawnSync(program, [...options, ...parameters], { encoding: 'utf8' });
}
