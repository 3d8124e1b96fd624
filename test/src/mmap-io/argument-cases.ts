import { ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, fileIn, mapped, PAGE, returns, SIZE, throws } from './case.ts';

const MAP_FIXED = 0x10;

/** A call of map whose fields can each be put wrong. */
function mapping(
  name: string,
  expect: Case['expect'],
  wrong: {
    size?: unknown;
    protection?: unknown;
    flags?: unknown;
    fd?: unknown;
    offset?: unknown;
    advice?: unknown;
    mode?: string;
  },
): Case {
  return {
    name: `map: ${name}`,
    expect,
    run: (mmap, folder) => {
      const fd = openSync(fileIn(folder), wrong.mode ?? 'r+');
      const call = { size: SIZE, protection: 3, flags: mmap.MAP_SHARED, fd, offset: 0, advice: 0, ...wrong };
      const map = mmap.map as (...values: unknown[]) => Buffer;
      return map(call.size, call.protection, call.flags, call.fd, call.offset, call.advice).length;
    },
  };
}

/** A call on a mapped buffer with arguments that TypeScript would not let through. */
function calling(method: 'advise' | 'sync' | 'incore', rest: unknown[], expect: Case['expect']): Case {
  return {
    name: `${method}(buffer${rest.map((value) => `, ${typeof value === 'bigint' ? `${value}n` : JSON.stringify(value)}`).join('')})`,
    expect,
    run: (mmap, folder) => (mmap[method] as (...values: unknown[]) => unknown)(mapped(mmap, folder), ...rest),
  };
}

/** A call with something else than a Buffer. */
function misusing(method: 'advise' | 'sync' | 'incore', value: unknown, rest: unknown[], expect: Case['expect']): Case {
  return {
    name: `${method} of ${JSON.stringify(value)}`,
    expect,
    run: (mmap) => (mmap[method] as (...values: unknown[]) => unknown)(value, ...rest),
  };
}

const ADVISE_COUNT =
  'advise() takes 2 or 4 arguments: (buffer :Buffer, advise :int) | (buffer :Buffer, offset :int, length :int, advise :int).';
const ADVISE_BUFFER = 'advice(): buffer (arg[0]) must be a Buffer';
const SYNC_BUFFER = 'sync(): buffer (arg[0]) must be a Buffer';
const BIGINT = 'Cannot convert a BigInt value to a number';

const mapArguments: Case[] = [
  mapping('size as a string', throws('mmap: size (arg[0]) must be an integer'), { size: String(PAGE) }),
  mapping('size as a BigInt', throws('mmap: size (arg[0]) must be an integer'), { size: 100n }),
  mapping('size as a Number object', throws('mmap: size (arg[0]) must be an integer'), { size: Object(PAGE) }),
  mapping('size missing', throws('mmap: size (arg[0]) must be an integer'), { size: undefined }),
  mapping('protection missing', throws('mmap: protection_flags (arg[1]) must be an integer'), {
    protection: undefined,
  }),
  mapping('flags missing', throws('mmap: flags (arg[2]) must be an integer'), { flags: undefined }),
  mapping('descriptor missing', throws('mmap: fd (arg[3]) must be an integer (a file descriptor)'), { fd: undefined }),
  mapping('size 0', throws('mmap failed, 22'), { size: 0 }),
  mapping('size NaN', throws('mmap failed, 22'), { size: Number.NaN }),
  mapping('size Infinity', throws('mmap failed, 22'), { size: Number.POSITIVE_INFINITY }),
  mapping('size -0.5', throws('mmap failed, 22'), { size: -0.5 }),
  mapping('size -1', throws('mmap failed, 12'), { size: -1 }),
  mapping('size 100.9', returns(100), { size: 100.9 }),
  mapping('size 1', returns(1), { size: 1 }),
  mapping('size one page', returns(PAGE), { size: PAGE }),
  mapping('size past the end of the file', returns(1 << 20), { size: 1 << 20 }),
  mapping('flags 0', throws('mmap failed, 22'), { flags: 0 }),
  mapping('size 0 with a closed descriptor', throws('mmap failed, 9'), { size: 0, fd: 9999 }),
  mapping('closed descriptor', throws('mmap failed, 9'), { fd: 9999 }),
  mapping('descriptor -1', throws('mmap failed, 9'), { fd: -1 }),
  mapping('writable and shared over a descriptor for reading', throws('mmap failed, 13'), { mode: 'r' }),
  mapping('writable and private over a descriptor for reading', returns(SIZE), { mode: 'r', flags: 2 }),
  mapping('readable over a descriptor for writing', throws('mmap failed, 13'), { mode: 'a', protection: 1 }),
  mapping('executable', returns(SIZE), { protection: 5 }),
  mapping('offset undefined', returns(SIZE), { offset: undefined }),
  mapping('offset null', returns(SIZE), { offset: null }),
  mapping('offset as a string', returns(SIZE), { offset: String(PAGE) }),
  mapping('offset no number', returns(SIZE), { offset: 'x' }),
  mapping('offset a page and a half byte', returns(SIZE), { offset: PAGE + 0.5 }),
  mapping('offset inside a page', throws('mmap failed, 22'), { offset: PAGE - 1 }),
  mapping('offset true', throws('mmap failed, 22'), { offset: true }),
  mapping('offset below 0', throws('mmap failed, 75'), { offset: -PAGE }),
  mapping('offset as a BigInt', throws(BIGINT), { offset: 100n }),
  mapping('offset as a Symbol', throws('Cannot convert a Symbol value to a number'), { offset: Symbol('o') }),
  mapping('offset 2 GiB', { dropIn: returns(SIZE), original: throws('mmap failed, 75') }, { offset: 2 ** 31 }),
  mapping('advice as a string', returns(SIZE), { advice: '1' }),
  mapping('unknown advice', throws('madvise() failed, 22'), { advice: 99 }),
  mapping('advice as a BigInt', throws(BIGINT), { advice: 1n }),
  mapping(
    'an address chosen by the caller',
    { dropIn: throws('mmap failed, 1'), original: 'depends' },
    { flags: 1 | MAP_FIXED },
  ),
  {
    name: 'map: a directory',
    run: (mmap, folder) => mmap.map(100, mmap.PROT_READ, mmap.MAP_SHARED, openSync(folder, 'r')),
    expect: throws('mmap failed, 19'),
  },
  {
    name: 'map: more arguments than it takes',
    run: (mmap, folder) =>
      (mmap.map as (...values: unknown[]) => Buffer)(8, 1, 1, openSync(fileIn(folder), 'r'), 0, 0, 'more').length,
    expect: returns(8),
  },
  {
    name: 'map: four arguments',
    run: (mmap, folder) => mmap.map(8, 1, 1, openSync(fileIn(folder), 'r')).length,
    expect: returns(8),
  },
  {
    name: 'what an error says beyond its message',
    run: (mmap) => {
      try {
        mmap.map(100, 1, 1, 9999);
      } catch (error) {
        const { name, code, errno, syscall } = error as NodeJS.ErrnoException;
        return [name, code ?? null, errno ?? null, syscall ?? null];
      }
      return 'nothing';
    },
    expect: { dropIn: returns(['Error', 'EBADF', 9, 'mmap']), original: returns(['Error', null, null, null]) },
  },
];

const adviseArguments: Case[] = [
  ...[0, 1, 2, 3, 4].map((advice) => calling('advise', [advice], returns(null))),
  calling('advise', [], throws(ADVISE_COUNT)),
  calling('advise', [0, PAGE], throws(ADVISE_COUNT)),
  calling('advise', [0, PAGE, 0, 0], throws(ADVISE_COUNT)),
  calling('advise', ['1'], throws('advice(): (arg[1]) must be an integer')),
  calling('advise', [1.5], returns(null)),
  calling('advise', [99], throws('madvise() failed, 22')),
  calling('advise', [0, PAGE, 1], returns(null)),
  calling('advise', [0, PAGE, '2'], returns(null)),
  calling('advise', [PAGE, String(PAGE), 1], returns(null)),
  calling('advise', [PAGE, null, 1], returns(null)),
  calling('advise', [String(PAGE), PAGE, 1], throws('advice(): (arg[1]) must be an integer')),
  calling('advise', [1, PAGE, 1], throws('madvise() failed, 22')),
  calling('advise', [0, PAGE, 99], throws('madvise() failed, 22')),
  calling('advise', [0, 5 * PAGE, 0], returns(null)),
  calling('advise', [0, -1, 0], throws('madvise() failed, 22')),
  calling('advise', [0, -PAGE, 0], throws('madvise() failed, 22')),
  calling('advise', [0, 5n, 0], throws(BIGINT)),
  calling('advise', [0, 5 * PAGE + 1, 0], { dropIn: throws('madvise() failed, 12'), original: 'depends' }),
  calling('advise', [5 * PAGE, PAGE, 4], { dropIn: throws('madvise() failed, 12'), original: 'depends' }),
  calling('advise', [-PAGE, PAGE, 4], { dropIn: throws('madvise() failed, 12'), original: 'depends' }),
  calling('advise', [1 - PAGE, PAGE, 4], throws('madvise() failed, 22')),
  misusing('advise', null, [0], throws(ADVISE_BUFFER)),
  misusing('advise', 5, [0], throws(ADVISE_BUFFER)),
  misusing('advise', {}, [0], { dropIn: throws(ADVISE_BUFFER), original: { dies: 'SIGABRT' } }),
];

const syncArguments: Case[] = [
  calling('sync', [], returns(null)),
  calling('sync', [true], returns(null)),
  calling('sync', [true, true], returns(null)),
  calling('sync', [false], returns(null)),
  calling('sync', [0], returns(null)),
  calling('sync', [0, SIZE], returns(null)),
  calling('sync', [0, SIZE, true], returns(null)),
  calling('sync', [0, SIZE, true, true], returns(null)),
  calling('sync', [0, SIZE, 'yes'], returns(null)),
  calling('sync', [PAGE, PAGE], returns(null)),
  calling('sync', [String(PAGE), '100'], returns(null)),
  calling('sync', [null, null, null, null], returns(null)),
  calling('sync', [0, -1], returns(null)),
  calling('sync', [0, -PAGE], throws('msync() failed, 12')),
  calling('sync', [0, 5n], throws(BIGINT)),
  calling('sync', [1], throws('msync() failed, 22')),
  calling('sync', [1, 10], throws('msync() failed, 22')),
  calling('sync', [PAGE], { dropIn: returns(null), original: 'depends' }),
  calling('sync', [PAGE, SIZE], { dropIn: throws('msync() failed, 12'), original: 'depends' }),
  calling('sync', [-PAGE, PAGE], { dropIn: throws('msync() failed, 12'), original: 'depends' }),
  misusing('sync', 5, [], throws(SYNC_BUFFER)),
  misusing('sync', 'x', [], throws(SYNC_BUFFER)),
  misusing('sync', null, [0, 10], throws(SYNC_BUFFER)),
  misusing('sync', null, [], {
    dropIn: throws(SYNC_BUFFER),
    original: throws("Cannot read properties of null (reading 'length')"),
  }),
  misusing('sync', {}, [], { dropIn: throws(SYNC_BUFFER), original: { dies: 'SIGABRT' } }),
];

const incoreArguments: Case[] = [
  {
    name: 'incore of a file that was just written',
    run: (mmap, folder) => mmap.incore(mapped(mmap, folder)),
    expect: returns([0, 5]),
  },
  {
    name: 'incore of a hole that nobody touched, and of one that map filled',
    run: (mmap, folder) => {
      const fd = openSync(join(folder, 'hole'), 'w+');
      ftruncateSync(fd, 4 * PAGE);
      const before = mmap.incore(mmap.map(3 * PAGE + 1, 1, mmap.MAP_SHARED, fd));
      const after = mmap.incore(mmap.map(3 * PAGE + 1, 3, mmap.MAP_SHARED | mmap.MAP_POPULATE, fd));
      return [before, after];
    },
    expect: returns([
      [4, 0],
      [0, 4],
    ]),
  },
  {
    name: 'incore of a part that begins at a page',
    run: (mmap, folder) => [
      mmap.incore(mapped(mmap, folder).subarray(PAGE)),
      mmap.incore(mapped(mmap, folder).subarray(PAGE, PAGE + 100)),
      mmap.incore(mapped(mmap, folder).subarray(PAGE, PAGE)),
    ],
    expect: returns([
      [0, 4],
      [0, 1],
      [0, 0],
    ]),
  },
  {
    name: 'incore of a part that does not',
    run: (mmap, folder) => mmap.incore(mapped(mmap, folder).subarray(10)),
    expect: throws('mincore() failed, 22'),
  },
  {
    name: 'incore of a DataView',
    run: (mmap, folder) => (mmap.incore as (view: DataView) => unknown)(new DataView(mapped(mmap, folder).buffer)),
    expect: returns([0, 5]),
  },
  calling('incore', [0], throws('incore() takes 1 argument: (buffer :Buffer) .')),
  calling('incore', [0, PAGE], throws('incore() takes 1 argument: (buffer :Buffer) .')),
  {
    name: 'incore of nothing',
    run: (mmap) => (mmap.incore as () => unknown)(),
    expect: throws('incore() takes 1 argument: (buffer :Buffer) .'),
  },
  misusing('incore', null, [], throws(ADVISE_BUFFER)),
  misusing('incore', 5, [], throws(ADVISE_BUFFER)),
  misusing('incore', {}, [], { dropIn: throws(ADVISE_BUFFER), original: { dies: 'SIGABRT' } }),
];

/** Who throws what for which arguments. */
export const argumentCases: readonly Case[] = [
  ...mapArguments,
  ...adviseArguments,
  ...syncArguments,
  ...incoreArguments,
];
