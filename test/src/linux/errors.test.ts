import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkType,
  ERROR_CODES,
  fromNode,
  LinuxError,
  MemlaneError,
  type MemlaneErrorCode,
  orThrow,
  SYSTEM_REMEDIES,
  throwArgument,
} from '@memlane/linux';
import { thrownBy } from '../support/speech.ts';

const codes = Object.keys(ERROR_CODES) as MemlaneErrorCode[];

/** Everything that is compiled of the packages, but for the table itself. */
function compiledSources(): string {
  const packages = fileURLToPath(new URL('../../../packages', import.meta.url));
  const own = join('linux', 'dist', 'errors.js');
  return readdirSync(packages, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.split('/')[1] === 'dist' && path.endsWith('.js') && path !== own)
    .map((path) => readFileSync(join(packages, path), 'utf8'))
    .join('\n');
}

describe('the table of codes', () => {
  test.each(codes)('%s has a meaning and a remedy in whole sentences', (code) => {
    const { meaning, remedy } = ERROR_CODES[code];
    expect(code).toMatch(/^ERR_MEMLANE_[A-Z]+(_[A-Z]+)*$/);
    expect(meaning).toMatch(/^\S.{20,}\.$/);
    expect(remedy).toMatch(/^[A-Z].{15,}\.$/);
  });

  test('is sorted and says nothing twice', () => {
    expect(codes).toEqual([...codes].sort());
    expect(new Set(codes.map((code) => ERROR_CODES[code].meaning)).size).toBe(codes.length);
  });

  test('holds no code that nothing throws, and every code that is thrown', () => {
    const sources = compiledSources();
    // throwArgument and checkInteger throw it for everybody.
    const byHelper = ['ERR_MEMLANE_ARGUMENT'];
    expect(codes.filter((code) => !byHelper.includes(code) && !sources.includes(`'${code}'`))).toEqual([]);
    expect(sources).toMatch(/\b(throwArgument|checkInteger)\(/);
    const named = new Set(sources.match(/(?<=')ERR_MEMLANE_[A-Z_]+(?=')/g));
    expect([...named].filter((code) => !(code in ERROR_CODES))).toEqual([]);
  });

  test('the remedies for refusals of the kernel belong to errnos that exist', () => {
    for (const [code, remedy] of Object.entries(SYSTEM_REMEDIES)) {
      expect(constants.errno).toHaveProperty(code);
      expect(remedy).toMatch(/^[A-Z].{15,}\.$/);
    }
  });
});

describe('MemlaneError', () => {
  test('says what happened, where, and what to do', () => {
    const cause = new Error('inner');
    const error = new MemlaneError('ERR_MEMLANE_CORRUPT', 'kind is 7', { path: '/a', field: 'kind', cause });
    expect(error).toMatchObject({
      name: 'MemlaneError',
      code: 'ERR_MEMLANE_CORRUPT',
      path: '/a',
      field: 'kind',
      cause,
    });
    expect(error.remedy).toBe(ERROR_CODES.ERR_MEMLANE_CORRUPT.remedy);
    expect(error.message).toBe(`kind is 7 (/a). ${error.remedy}`);
  });

  test('has neither path, field nor cause where there is none', () => {
    const error = new MemlaneError('ERR_MEMLANE_CLOSED', 'The region is closed');
    expect(error).toMatchObject({ path: undefined, field: undefined });
    expect(error.message).toBe(`The region is closed. ${ERROR_CODES.ERR_MEMLANE_CLOSED.remedy}`);
    expect('cause' in error).toBe(false);
  });

  test.each([
    ['text', "length is 'text', but must be short"],
    [-1, 'length is -1, but must be short'],
    [undefined, 'length is undefined, but must be short'],
    [null, 'length is null, but must be short'],
    [[], 'length is of type Array, but must be short'],
    [Object.create(null), 'length is of type object, but must be short'],
    [Symbol('s'), 'length is Symbol(s), but must be short'],
    [5n, 'length is 5n, but must be short'],
    [() => 'the whole source', 'length is a function, but must be short'],
    ['x'.repeat(301), 'length is a string of 301 characters, but must be short'],
    [{ constructor: { name: Symbol('s') } }, 'length is of type object, but must be short'],
    [{ constructor: null }, 'length is of type object, but must be short'],
  ])('of an argument names it, its value and the limit: %p', (value, message) => {
    const error = thrownBy(() => throwArgument('length', value, 'short'));
    expect(error).toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
    expect(error?.message.startsWith(message)).toBe(true);
  });

  test('checkInteger lets integers inside the limits through, and nothing else', () => {
    for (const value of [3, 4, 7]) expect(checkInteger('n', value, 3, 7)).toBe(value);
    for (const value of [2, 8, 3.5, Number.NaN, '4', 4n, undefined, null, Number.POSITIVE_INFINITY, 2 ** 53])
      expect(thrownBy(() => checkInteger('n', value, 3, 7))).toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
    expect(thrownBy(() => checkInteger('n', 8, 3, 7))?.message).toContain('n is 8, but must be an integer from 3 to 7');
  });

  test('checkOptions lets objects of options through, and none that are something else', () => {
    class Settings {}
    for (const value of [{}, { a: 1 }, Object.create(null), new Settings()])
      expect(checkOptions('options', value)).toBe(value);
    const { signal } = new AbortController();
    for (const value of [undefined, null, 5, 'a', 5n, Symbol('a'), () => {}, [], new Map(), new Uint8Array(1), signal])
      expect(thrownBy(() => checkOptions('options', value as object))).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringMatching(/^options is .*, but must be an object with options/),
      });
  });

  test('checkSignal lets signals through, of whatever realm, and undefined', () => {
    const other = { throwIfAborted() {}, addEventListener() {}, removeEventListener() {} };
    for (const value of [undefined, AbortSignal.abort(), new AbortController().signal, other]) checkSignal(value);
    for (const value of [null, false, 'a', {}, () => {}, new AbortController(), new EventTarget(), Symbol('a')])
      expect(thrownBy(() => checkSignal(value))).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringMatching(/^signal is .*, but must be an AbortSignal/),
      });
  });

  test('checkOneOf and checkType say what would do', () => {
    checkOneOf('access', 'read', ['read', 'readwrite']);
    checkType('recover', false, 'boolean');
    for (const value of ['write', '', null, undefined, 0, ['read'], Symbol('read'), Object.create(null)])
      expect(thrownBy(() => checkOneOf('access', value, ['read', 'readwrite']))).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringMatching(/^access is .*, but must be one of read, readwrite/),
      });
    for (const value of ['true', 1, null, undefined, new Boolean(true)])
      expect(thrownBy(() => checkType('recover', value, 'boolean'))).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringMatching(/^recover is .*, but must be true or false/),
      });
  });
});

describe('LinuxError', () => {
  test('has code, errno, system call, path and remedy, all of them in the message too', () => {
    const error = new LinuxError('fallocate', 28, '/dev/shm/x');
    expect(error).toMatchObject({
      name: 'LinuxError',
      code: 'ENOSPC',
      errno: 28,
      syscall: 'fallocate',
      path: '/dev/shm/x',
      remedy: SYSTEM_REMEDIES.ENOSPC,
    });
    expect(error.message).toBe(
      `fallocate failed: ENOSPC, no space left on device (/dev/shm/x). ${SYSTEM_REMEDIES.ENOSPC}`,
    );
  });

  test('has no path and no remedy where there is none', () => {
    const error = new LinuxError('mincore', 14);
    expect(error).toMatchObject({ code: 'EFAULT', path: undefined, remedy: undefined });
    expect(error.message).toBe('mincore failed: EFAULT, bad address in system call argument.');
  });

  test('calls numbers with two names as the manual pages do', () => {
    expect(new LinuxError('fcntl', 11).code).toBe('EAGAIN');
    expect(new LinuxError('fallocate', 95).code).toBe('EOPNOTSUPP');
  });

  test('bears a number that nobody has heard of', () => {
    expect(new LinuxError('mmap', 4000)).toMatchObject({ code: 'E4000', errno: 4000, remedy: undefined });
  });

  test('orThrow returns results and throws refusals', () => {
    expect(orThrow(0, 'msync')).toBe(0);
    expect(orThrow(2 ** 47, 'mmap')).toBe(2 ** 47);
    expect(thrownBy(() => orThrow(-12, 'mmap', '/a'))).toMatchObject({ code: 'ENOMEM', syscall: 'mmap', path: '/a' });
  });

  test('is made of an error of node:fs, and of nothing else', () => {
    let refusal: unknown;
    try {
      readFileSync('/proc/self/none');
    } catch (error) {
      refusal = error;
    }
    expect(fromNode(refusal, '/a')).toMatchObject({
      name: 'LinuxError',
      code: 'ENOENT',
      errno: 2,
      syscall: 'open',
      path: '/a',
    });
    const other = new TypeError('other');
    expect(fromNode(other)).toBe(other);
  });
});
