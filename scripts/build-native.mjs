// Compiles what is written in C, for this architecture and, where its cross compiler is installed, for the other one.
// The objects need no libc: each serves glibc and musl. Users get them prebuilt.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './bootstrap.mjs';

const compilers = {
  x64: ['x86_64-linux-gnu-gcc', ...(process.arch === 'x64' ? ['gcc', 'cc'] : [])],
  arm64: ['aarch64-linux-gnu-gcc', ...(process.arch === 'arm64' ? ['gcc', 'cc'] : [])],
};
const flags = [
  ...['-std=gnu11', '-O2', '-g0', '-Wall', '-Wextra', '-Werror'],
  ...['-shared', '-fPIC', '-fvisibility=hidden', '-ffreestanding', '-nostdlib', '-fno-stack-protector'],
  // No hidden calls of a libc that is not there, for arm64 none of its helpers for atomics either.
  '-fno-tree-loop-distribute-patterns',
  // Never unloaded: signal handlers in it outlive the thread that loaded it.
  ...['-Wl,-z,nodelete', '-Wl,-z,noexecstack', '-Wl,--build-id=none', '-s'],
];

const directory = join(root, 'packages', 'guard');
const sources = join(directory, 'native');
const changed = Math.max(...readdirSync(sources).map((name) => statSync(join(sources, name)).mtimeMs));

for (const architecture of Object.keys(compilers)) {
  const target = join(directory, 'prebuilt', `guard-${architecture}.so`);
  if (existsSync(target) && statSync(target).mtimeMs > changed) continue;
  const compiler = compilers[architecture].find((name) => spawnSync(name, ['--version']).status === 0);
  if (compiler !== undefined) compile(compiler, architecture, target);
  else if (architecture === process.arch && !existsSync(target)) fail(`No C compiler: install gcc to build ${target}`);
}

function compile(compiler, architecture, target) {
  mkdirSync(join(directory, 'prebuilt'), { recursive: true });
  // Under another name first: a process that has the old one loaded must keep it.
  const fresh = `${target}.${process.pid}`;
  const atomics = architecture === 'arm64' ? ['-mno-outline-atomics'] : [];
  const { status, stderr } = spawnSync(compiler, [...flags, ...atomics, join(sources, 'guard.c'), '-o', fresh], {
    encoding: 'utf8',
  });
  if (status !== 0) fail(stderr);
  renameSync(fresh, target);
  process.stdout.write(`${relative(root, target)}\n`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
