import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { scratchFolder } from '../support/scratch.ts';
import {
  type Architecture,
  foreign,
  host,
  native,
  objectOf,
  refusal,
  root,
  succeed,
  testUnless,
  whyNoObject,
} from './object.ts';

/* The object of the guard outside of Node and of this machine's libc: what it is made of, and that it works there. */

const harness = join(root, 'test', 'native', 'guard-portability.c');
const architectures: readonly Architecture[] = ['x64', 'arm64'];

/** How a program in C gets to run against one libc of one architecture. */
interface Platform {
  readonly name: string;
  readonly architecture: Architecture;
  /** 'any': whichever the machine has. */
  readonly libc: 'glibc' | 'musl' | 'any';
  readonly compiler: string;
  /** What runs it, where the processor does not. */
  readonly runner: readonly string[];
  /** What must be there besides the compiler and the runner. */
  readonly files: readonly string[];
}

const { machine, triple } = {
  arm64: { machine: 'aarch64', triple: 'aarch64-linux-gnu' },
  x64: { machine: 'x86_64', triple: 'x86_64-linux-gnu' },
}[foreign];

const platforms: readonly Platform[] = [
  { name: `${host}, this machine`, architecture: host, libc: 'any', compiler: 'cc', runner: [], files: [] },
  {
    name: `${host}, musl`,
    architecture: host,
    libc: 'musl',
    compiler: 'musl-gcc',
    runner: [],
    files: [`/lib/ld-musl-${host === 'x64' ? 'x86_64' : 'aarch64'}.so.1`],
  },
  {
    name: `${foreign}, glibc`,
    architecture: foreign,
    libc: 'glibc',
    compiler: `${triple}-gcc`,
    runner: [`qemu-${machine}`, '-L', `/usr/${triple}`],
    files: [`/usr/${triple}/lib`],
  },
];

function whyNot({ architecture, compiler, runner, files }: Platform): string | null {
  const missing = files.find((file) => !existsSync(file));
  return (
    whyNoObject(architecture) ??
    refusal(compiler) ??
    (runner[0] === undefined ? null : refusal(runner[0])) ??
    (missing === undefined ? null : `no ${missing}`)
  );
}

describe.each(platforms)('on $name', (platform) => {
  const reason = whyNot(platform);
  const { architecture, compiler, libc, runner } = platform;

  testUnless(reason, 'the object is loaded, repairs what it watches, and nothing else', () => {
    using folder = scratchFolder('disk'); // programs may not be allowed to run from memory
    using memory = scratchFolder();
    const program = folder.file('program');
    const warnings = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror'];
    succeed(compiler, [...warnings, '-o', program, harness, '-pthread', '-ldl']);
    const command = [...runner, program, objectOf(architecture), memory.file('mapped')];
    const lines = succeed(command[0] as string, command.slice(1))
      .trim()
      .split('\n');
    const findings = Object.fromEntries(
      lines.map((line) => {
        const [name, ...values] = JSON.parse(line);
        return [name, values];
      }),
    );

    const [SIGBUS, SIGSEGV] = [[7], [11]];
    expect(findings).toEqual({
      machine: [architecture, libc === 'any' ? expect.stringMatching(/^(glibc|musl)$/) : libc],
      control: [1, 32768],
      installed: [2, 0, 3, 1], // both handlers; none the second time; both are ours; installed once
      'follow without Node': [-22], // its symbol is weak: -EINVAL and not a crash
      watched: [0, 1],
      before: [1, 8],
      'nothing to describe': [0, 0, 0, 0, 0, 0],
      'beyond the cut': [0, 0, 0],
      'before the cut': [1, 2],
      'stored beyond': [77],
      'faults of the cut': [1, 1, 0, 0], // one for all pages; of that range; none failed, none passed on
      'the cut': [1, 1, 2, 5, 3, 2], // truncated, BUS_ADRERR, at byte 3 of page 5, the file was 2 pages long
      told: [1],
      silenced: [0, -22, 0],
      restored: [0, 1, 5, 6],
      extended: [0, 0],
      left: [0, -22, 0],
      'forbidden store': [99, 4, 5, 4], // stored; the rest of its page, the next page and the file are as they were
      'faults of the store': [1, expect.any(Number)],
      'the store': [1, 3, 2, 3, 1, 8], // read-only, SEGV_ACCERR, at byte 1 of page 3, the file was 8 pages long
      'lost by threads': [0],
      'thread ended': [0, 0],
      'unwatched read': SIGBUS,
      'unwatched store': SIGSEGV,
      'store nowhere': SIGSEGV,
      'kill -BUS': SIGBUS,
      'handled read': [1042],
      'handled kill -BUS': [1043],
      'moved on': [1044],
      'in the end': [0, 0, 0],
    });
  });

  testUnless(reason, 'its system calls have the numbers of that architecture', () => {
    using folder = scratchFolder('disk');
    const parts = readFileSync(join(native, 'kernel.h'), 'utf8').split(/^#(?:el)?if defined\(__(.+)__\)$/m);
    const part = parts[parts.indexOf(architecture === 'x64' ? 'x86_64' : 'aarch64') + 1] as string;
    const numbers = [...part.matchAll(/^ {2}(SYS_\w+) = (\d+),$/gm)];
    expect(numbers.length).toBeGreaterThan(10);
    const assertions = numbers.map(([, name, number]) => `_Static_assert(${name} == ${number}, "${name}");`);
    writeFileSync(folder.file('numbers.c'), ['#include <sys/syscall.h>', ...assertions, ''].join('\n'));
    succeed(compiler, ['-std=gnu11', '-fsyntax-only', folder.file('numbers.c')]);
  });
});

const whyNoReadelf = refusal('readelf');

describe.each(architectures)('the object for %s', (architecture) => {
  const reason = whyNoObject(architecture) ?? whyNoReadelf;
  const readelf = (...options: string[]): string => succeed('readelf', ['--wide', ...options, objectOf(architecture)]);

  testUnless(reason, 'is for that processor, and small', () => {
    const machine = architecture === 'x64' ? 'X86-64' : 'AArch64';
    expect(readelf('--file-header')).toMatch(new RegExp(`^ +Machine: .*${machine}$`, 'm'));
    expect(statSync(objectOf(architecture)).size).toBeLessThan(64 * 1024);
  });

  testUnless(reason, 'needs no other object, is never unloaded, and its code is shared by all processes', () => {
    const dynamic = readelf('--dynamic');
    expect(dynamic).not.toMatch(/\((NEEDED|RPATH|RUNPATH|TEXTREL|INIT|FINI|INIT_ARRAY|FINI_ARRAY)\)|TEXTREL/);
    expect(dynamic).toMatch(/\(FLAGS_1\).*\bNODELETE\b/);
    expect(dynamic).toMatch(/\(FLAGS\).*\bBIND_NOW\b/);
  });

  testUnless(reason, 'has no memory that may be both written and executed, and fits pages of any size', () => {
    const segments = [...readelf('--segments').matchAll(/^ {2}(\w+) +0x.+ ([R ][W ][E ]) 0x(\w+)$/gm)];
    const flags = (type: string): string[] => segments.filter((row) => row[1] === type).map((row) => row[2] as string);
    expect(flags('GNU_STACK')).toEqual(['RW ']);
    expect(flags('LOAD')).toContain('R E');
    expect(flags('LOAD')).not.toContainEqual(expect.stringContaining('WE'));
    const alignments = segments.filter((row) => row[1] === 'LOAD').map((row) => Number.parseInt(row[3] as string, 16));
    expect(Math.min(...alignments)).toBe(architecture === 'arm64' ? 65536 : 4096);
  });

  testUnless(reason, 'asks nobody for a symbol but Node, and exports what guard.c says', () => {
    const symbols = readelf('--dyn-syms')
      .split('\n')
      .map((line) => line.trim().split(/ +/))
      .filter((row) => /^\d+:$/.test(row[0] as string) && row[7] !== undefined)
      .map(([, , , , bind, , section, name]) => ({ bind, section, name }))
      .filter(({ bind }) => bind !== 'LOCAL'); // of the linker's own
    const undefinedOnes = symbols.filter(({ section }) => section === 'UND');
    expect(undefinedOnes).toEqual([{ bind: 'WEAK', section: 'UND', name: 'napi_add_env_cleanup_hook' }]);
    const source = readFileSync(join(native, 'guard.c'), 'utf8');
    const exported = [...source.matchAll(/^EXPORT [\w ]+[ *](guard_\w+)\(/gm)].map((found) => found[1]);
    const defined = symbols.filter(({ section }) => section !== 'UND').map(({ name }) => name);
    expect(defined.sort()).toEqual([...new Set(exported)].sort());
  });
});
