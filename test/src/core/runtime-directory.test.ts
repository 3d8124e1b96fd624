import { chmodSync, chownSync, existsSync, mkdirSync, rmdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { resolveName, runtimeDirectory } from '@memlane/core';
import { NOBODY, rootTest } from '../linux/machine.ts';
import { scratchFolder } from '../support/scratch.ts';
import { thrownBy } from '../support/speech.ts';

const given = process.env.MEMLANE_DIR;
afterEach(() => {
  if (given === undefined) delete process.env.MEMLANE_DIR;
  else process.env.MEMLANE_DIR = given;
});

/** The folder that MEMLANE_DIR names from here on. */
const choose = (path: string): string => {
  process.env.MEMLANE_DIR = path;
  return path;
};

describe('the folder for named files', () => {
  test('is made for this user alone, and found again', () => {
    using scratch = scratchFolder();
    const path = choose(scratch.file('chosen'));
    expect(runtimeDirectory()).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    writeFileSync(`${path}/a`, '');
    expect(runtimeDirectory()).toBe(path);
  });

  test('is chosen anew at each call', () => {
    using scratch = scratchFolder();
    for (const name of ['one', 'two']) {
      choose(scratch.file(name));
      expect(runtimeDirectory()).toBe(scratch.file(name));
    }
    expect(scratch.entries()).toEqual(['one', 'two']);
  });

  test('is in memory, and of this user, when nothing is chosen', () => {
    delete process.env.MEMLANE_DIR;
    const path = `${existsSync('/dev/shm') ? '/dev/shm' : tmpdir()}/memlane-${process.getuid?.()}`;
    const existed = existsSync(path);
    expect(runtimeDirectory()).toBe(path);
    expect(statSync(path).isDirectory()).toBe(true);
    if (!existed) rmdirSync(path);
  });

  test.each([0o770, 0o707, 0o720, 0o702, 0o777])('is refused with mode %o', (mode) => {
    using scratch = scratchFolder();
    const path = choose(scratch.file('chosen'));
    mkdirSync(path);
    chmodSync(path, mode);
    expect(thrownBy(runtimeDirectory)).toMatchObject({ code: 'ERR_MEMLANE_PERMISSIVE', path });
  });

  test.each([0o700, 0o755, 0o750])('is accepted with mode %o', (mode) => {
    using scratch = scratchFolder();
    const path = choose(scratch.file('chosen'));
    mkdirSync(path);
    chmodSync(path, mode);
    expect(runtimeDirectory()).toBe(path);
  });

  rootTest('is refused when it is of another user', () => {
    using scratch = scratchFolder();
    const path = choose(scratch.file('chosen'));
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, NOBODY, NOBODY);
    expect(thrownBy(runtimeDirectory)).toMatchObject({
      code: 'ERR_MEMLANE_OWNER',
      path,
      message: expect.stringContaining(String(NOBODY)),
    });
  });

  test('is refused when it is a link, a file, or cannot be made', () => {
    using scratch = scratchFolder();
    mkdirSync(scratch.file('real'), { mode: 0o700 });
    symlinkSync('real', scratch.file('link'));
    writeFileSync(scratch.file('file'), '');
    for (const name of ['link', 'file'])
      expect(thrownBy(() => choose(scratch.file(name)) && runtimeDirectory())).toMatchObject({
        code: 'ERR_MEMLANE_NOT_A_FILE',
        path: scratch.file(name),
      });
    expect(thrownBy(() => choose(scratch.file('none/below')) && runtimeDirectory())).toMatchObject({
      name: 'LinuxError',
      code: 'ENOENT',
      syscall: 'mkdir',
    });
  });
});

describe('a name', () => {
  test('without a slash is in that folder, one with a slash is a path', () => {
    using scratch = scratchFolder();
    choose(scratch.file('chosen'));
    expect(resolveName('orders', '.ring')).toBe(scratch.file('chosen/orders.ring'));
    expect(resolveName('or ders-ä', '.ring')).toBe(scratch.file('chosen/or ders-ä.ring'));
    expect(resolveName('/a/b', '.ring')).toBe('/a/b');
    expect(resolveName('./b', '.ring')).toBe(`${process.cwd()}/b`);
    expect(resolveName('x'.repeat(200), '.ring')).toMatch(/x{200}\.ring$/);
  });

  test.each([undefined, null, 7, '', '.', '..', '.hidden', 'a\0b', '/a\0b', 'x'.repeat(201), 'ä'.repeat(101)])(
    '%p is none',
    (name) => {
      using scratch = scratchFolder();
      choose(scratch.file('chosen'));
      expect(thrownBy(() => resolveName(name as string, '.ring'))).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringMatching(/^name is /),
      });
    },
  );
});
