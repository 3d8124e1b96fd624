import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('../native', import.meta.url));
const output = join(sources, 'build');
const flags = ['-O3', '-march=native', '-Wall', '-Wextra', '-pthread'];

export type NativeName =
  | 'spsc'
  | 'probe'
  | 'ck'
  | 'boost'
  | 'ckGroup'
  | 'boostGroup'
  | 'boostIpcGroup'
  | 'posixGroup'
  | 'zeromqGroup';

interface NativeProgram {
  readonly source: string;
  /** The package that brings what it is compiled against. */
  readonly debian?: string;
  readonly libraries?: readonly string[];
}

const programs: Readonly<Record<NativeName, NativeProgram>> = {
  spsc: { source: 'spsc.c' },
  probe: { source: 'probe.c' },
  ck: { source: 'ck.c', debian: 'libck-dev' },
  boost: { source: 'boost.cpp', debian: 'libboost-dev' },
  ckGroup: { source: 'ck-group.c', debian: 'libck-dev' },
  boostGroup: { source: 'boost-group.cpp', debian: 'libboost-dev' },
  boostIpcGroup: { source: 'boost-ipc-group.cpp', debian: 'libboost-dev', libraries: ['-lrt'] },
  posixGroup: { source: 'posix-group.c', libraries: ['-lrt'] },
  zeromqGroup: { source: 'zeromq-group.c', debian: 'libzmq3-dev', libraries: ['-lzmq'] },
};

/** The native programs that this machine can build, and a line for each that it cannot. */
export interface NativePrograms {
  readonly paths: Partial<Record<NativeName, string>>;
  readonly missing: readonly string[];
  readonly compiler: string | undefined;
}

export const pairPrograms: readonly NativeName[] = ['spsc', 'probe', 'ck', 'boost'];
export const groupPrograms: readonly NativeName[] = [
  'probe',
  'ckGroup',
  'boostGroup',
  'boostIpcGroup',
  'posixGroup',
  'zeromqGroup',
];

/** Compiles what is missing or older than a source. */
export function buildNative(names: readonly NativeName[]): NativePrograms {
  mkdirSync(output, { recursive: true });
  const paths: Partial<Record<NativeName, string>> = {};
  const missing: string[] = [];
  const newestSourceMs = Math.max(...readdirSync(sources).map((name) => statSync(join(sources, name)).mtimeMs));
  for (const name of names) {
    const { source, debian, libraries = [] } = programs[name];
    const [compiler, standard] = source.endsWith('.cpp') ? ['g++', '-std=gnu++20'] : ['gcc', '-std=gnu11'];
    const target = join(output, name);
    const isCurrent = existsSync(target) && statSync(target).mtimeMs > newestSourceMs;
    if (!isCurrent) {
      const argv = [standard, ...flags, join(sources, source), '-o', target, ...libraries];
      const result = spawnSync(compiler, argv, { encoding: 'utf8' });
      if (result.status !== 0) {
        const why = result.error ? `${compiler} is not installed` : firstError(result.stderr);
        const remedy = debian && !result.error ? ` (apt-get install ${debian})` : '';
        missing.push(`${name} is left out: ${why}${remedy}`);
        continue;
      }
    }
    paths[name] = target;
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
