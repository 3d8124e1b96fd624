// Compiles what is written in C, for this architecture and, where its cross compiler is installed, for the other one.
// The objects need no libc: each serves glibc and musl. Users get them prebuilt. CC is tried first.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './bootstrap.mjs';

const architectures = {
  x64: { machine: /^x86_64-/, flags: [], cross: 'x86_64-linux-gnu-gcc', debianPackage: 'gcc-x86-64-linux-gnu' },
  arm64: {
    machine: /^aarch64-/,
    // The helpers for atomics are in libgcc, which is not linked.
    flags: ['-mno-outline-atomics'],
    cross: 'aarch64-linux-gnu-gcc',
    debianPackage: 'gcc-aarch64-linux-gnu',
  },
};
const gccOnly = '-fno-tree-loop-distribute-patterns'; // clang has it in -ffreestanding
// No -Werror: a compiler of tomorrow may warn of more, and must still build this. The tests compile without warnings.
const flags = [
  ...['-std=gnu11', '-O2', '-g0', '-Wall', '-Wextra'],
  ...['-shared', '-fPIC', '-fvisibility=hidden', '-ffreestanding', '-nostdlib', '-fno-stack-protector'],
  // No hidden calls of a libc that is not there; one that is left fails here and not at the first dlopen.
  ...[gccOnly, '-Wl,-z,defs'],
  // Never unloaded: signal handlers in it outlive the thread that loaded it.
  ...['-Wl,-z,nodelete', '-Wl,-z,noexecstack', '-s'],
  // Calls inside stay inside, also where a second copy is loaded; and nothing is looked up during a call.
  ...['-Wl,-Bsymbolic', '-Wl,-z,now'],
  // Relocations that become read-only would fill the file up to a page, of 64 KiB on arm64, to protect one pointer; those
  // to the previous handlers have to stay writable anyway.
  '-Wl,-z,norelro',
];

const directory = join(root, 'packages', 'guard');
const sources = join(directory, 'native');
const prebuilt = join(directory, 'prebuilt');

for (const [architecture, { machine, cross, debianPackage, ...own }] of Object.entries(architectures)) {
  const isHost = architecture === process.arch;
  const target = join(prebuilt, `guard-${architecture}.so`);
  const allFlags = [...flags, ...own.flags];
  const id = digest(allFlags);
  if (existsSync(target) && readFileSync(target).includes(Buffer.from(id, 'hex'))) continue;

  const named = process.env.CC?.trim() ? [process.env.CC.trim()] : [];
  const candidates = isHost ? [...named, 'gcc', 'cc', 'clang', cross] : [...named, cross];
  const compiler = candidates.find((command) => machine.test(run(command, ['-dumpmachine']).stdout ?? ''));
  if (compiler !== undefined) compile(compiler, [...allFlags, `-Wl,--build-id=0x${id}`], target);
  else if (isHost) {
    fail(
      `No C compiler for ${architecture} (tried ${candidates.join(', ')}), which ${relative(root, target)} is built with.\n` +
        'Install one: apt-get install gcc (Debian, Ubuntu), dnf install gcc (Fedora), apk add gcc (Alpine).',
    );
  } else if (existsSync(target)) {
    // An object of other sources than the rest must not be shipped.
    rmSync(target);
    process.stdout.write(
      `${relative(root, target)} removed: out of date, and ${cross} (${debianPackage}) is missing\n`,
    );
  }
}

/**
 * What an object is made from. It becomes the build id in the object, which is up to date when it has this one.
 * Contents, not times: a clone, a copy or a change of branch gives every file a new time.
 */
function digest(allFlags) {
  const hash = createHash('sha1').update(JSON.stringify(allFlags));
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)));
  return hash.digest('hex');
}

function compile(compiler, wanted, target) {
  mkdirSync(prebuilt, { recursive: true });
  // Under another name first: a process that has the old one loaded must keep it.
  const fresh = `${target}.${process.pid}`;
  const isClang = /\bclang\b/.test(run(compiler, ['--version']).stdout);
  const understood = isClang ? wanted.filter((flag) => flag !== gccOnly) : wanted;
  const { status, stderr, error } = run(compiler, [...understood, join(sources, 'guard.c'), '-o', fresh]);
  if (status !== 0) {
    rmSync(fresh, { force: true });
    fail(`${compiler} does not build ${relative(root, target)}:\n${error?.message ?? stderr}`);
  }
  renameSync(fresh, target);
  process.stdout.write(`${stderr}${relative(root, target)}\n`);
}

/** A compiler may be given with options, as in CC='ccache gcc'. */
function run(command, parameters) {
  const [program, ...options] = command.split(/\s+/);
  return spawnSync(program, [...options, ...parameters], { encoding: 'utf8' });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
