import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('../native', import.meta.url));
const output = join(sources, 'build');
const flags = ['-O3', '-march=native', '-Wall', '-Wextra', '-pthread'];

const programs = {
  spsc: { compiler: 'gcc', standard: '-std=gnu11', source: 'spsc.c' },
  probe: { compiler: 'gcc', standard: '-std=gnu11', source: 'probe.c' },
  ck: { compiler: 'gcc', standard: '-std=gnu11', source: 'ck.c' },
  boost: { compiler: 'g++', standard: '-std=gnu++20', source: 'boost.cpp' },
} as const;

export type NativeName = keyof typeof programs;

/** The native programs that this machine can build, and a line for each that it cannot. */
export interface NativePrograms {
  readonly paths: Partial<Record<NativeName, string>>;
  readonly missing: readonly string[];
  readonly compiler: string | undefined;
}

/** Compiles what is missing or older than a source. */
export function buildNative(): NativePrograms {
  mkdirSync(output, { recursive: true });
  const paths: Partial<Record<NativeName, string>> = {};
  const missing: string[] = [];
  const newestSourceMs = Math.max(...readdirSync(sources).map((name) => statSync(join(sources, name)).mtimeMs));
  for (const [name, { compiler, standard, source }] of Object.entries(programs)) {
    const target = join(output, name);
    const isCurrent = existsSync(target) && statSync(target).mtimeMs > newestSourceMs;
    if (!isCurrent) {
      const result = spawnSync(compiler, [standard, ...flags, join(sources, source), '-o', target], {
        encoding: 'utf8',
      });
      if (result.status !== 0) {
        const why = result.error ? `${compiler} is not installed` : firstError(result.stderr);
        missing.push(`${name} is left out: ${why}`);
        continue;
      }
    }
    paths[name as NativeName] = target;
  }
  return { paths, missing, compiler: compilerVersion() };
}

function firstError(output: string): string {
  const line = output.split('\n').find((text) => text.includes('error')) ?? output;
  return line.replace(/^.*error:\s*/, '').trim();
}

function compilerVersion(): string | undefined {
  try {
    return execFileSync('gcc', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  } catch {
    return undefined;
  }
}
