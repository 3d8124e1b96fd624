import { closeSync, openSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { allocate, PAGE_SIZE, replaceSystemCall, truncate } from '@memlane/linux';
import { runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { thrownBy } from '../support/speech.ts';

const code = (): string | undefined => thrownBy(() => truncate(99_999, 0))?.code;
const failing = (errno: number) => replaceSystemCall('ftruncate', () => () => -errno);

test('a replacement stands in for the call until it is disposed', () => {
  {
    using _fault = failing(28);
    expect(code()).toBe('ENOSPC');
  }
  expect(code()).toBe('EBADF');
});

test('a replacement gets the original and every argument', () => {
  using scratch = scratchFolder();
  const fd = openSync(scratch.file('a'), 'w');
  const calls: number[][] = [];
  using _fault = replaceSystemCall('fallocate', (original) => (...range) => {
    calls.push(range);
    return calls.length === 1 ? -28 : original(...range);
  });
  expect(thrownBy(() => allocate(fd, 1, 2))).toMatchObject({ code: 'ENOSPC' });
  allocate(fd, 3, PAGE_SIZE);
  expect(calls).toEqual([
    [fd, 0, 1, 2],
    [fd, 0, 3, PAGE_SIZE],
  ]);
  closeSync(fd);
});

test('replacements stack: the inner one calls the outer one, and hides it', () => {
  using _outer = failing(5);
  {
    using _inner = replaceSystemCall('ftruncate', (original) => (fd, length) => original(fd, length) - 1);
    expect(code()).toBe('ENXIO'); // 6
  }
  expect(code()).toBe('EIO');
});

test('replacements may be disposed in any order, and twice', () => {
  const outer = failing(5);
  const inner = replaceSystemCall('ftruncate', (original) => (fd, length) => original(fd, length) - 1);
  outer[Symbol.dispose]();
  expect(code()).toBe('ECHILD'); // 10, one more than the EBADF of the real call
  outer[Symbol.dispose]();
  inner[Symbol.dispose]();
  expect(code()).toBe('EBADF');
  const later = failing(28);
  inner[Symbol.dispose]();
  outer[Symbol.dispose]();
  expect(code()).toBe('ENOSPC');
  later[Symbol.dispose]();
  expect(code()).toBe('EBADF');
});

test('one entry is replaced, the others are not', () => {
  using _fault = failing(28);
  expect(thrownBy(() => allocate(99_999, 0, 1))?.code).toBe('EBADF');
});

test('a replacement is for one thread', async () => {
  expect(await runProgram('linux-fault-thread')).toEqual([{ here: 'ENOSPC', there: 'EBADF' }]);
});
