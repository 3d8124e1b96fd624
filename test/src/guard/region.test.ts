import { describe, expect, test } from '@jest/globals';
import { Region } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';

const P = PAGE_SIZE;

async function result(scenario: string): Promise<unknown> {
  using scratch = scratchFolder();
  return (await runProgram('guard-region', { path: scratch.file('a'), scenario }))[0];
}

const truncated = (offset: number) => ({ code: 'ERR_MEMLANE_TRUNCATED', path: true, offset });
const readOnly = (offset: number) => ({ code: 'ERR_MEMLANE_READ_ONLY', path: true, offset });

test('a cut is one fault, and without a cut there is none', async () => {
  expect(await result('count')).toEqual({
    whole: [0, 0, 0, 0],
    gone: [
      [1, 1, 1, 0],
      [0, 0, 0, 0],
    ],
    status: { installed: true, installs: 1, watched: 4, faults: 3, passedOn: 0, failed: 0 },
    remembered: [true, true, true, true],
    afterwards: 0,
  });
});

describe('remap', () => {
  test('after the file is long enough again restores both directions; a later cut is found anew', async () => {
    expect(await result('remap')).toEqual({
      atFault: truncated(3 * P),
      whileShort: { code: 'ERR_MEMLANE_TRUNCATED', path: true },
      // Without it, the region and the file have nothing to do with each other any more.
      apart: { here: [0, 9], file: 0, check: truncated(3 * P) },
      check: 'nothing',
      read: [1, 5, 0],
      again: { file: 6, here: 8 },
      readAgain: 0,
      second: truncated(2 * P + 5),
    });
  });

  test('as often as it is needed', async () => {
    expect(await result('again')).toEqual({ found: 200, faults: 200 });
  });
});

describe('verify', () => {
  test('finds a cut that nobody has stepped on', async () => {
    expect(await result('verify')).toEqual({
      part: ['nothing', truncated(3 * P + 10)],
      more: ['nothing', truncated(P)],
      all: truncated(0),
      faults: 1, // what it finds counts, like what somebody steps on
      regrown: truncated(P),
    });
  });

  test('looks at the window only; offsets are those of the file', async () => {
    expect(await result('verify a window')).toEqual({
      enough: 'nothing',
      before: truncated(2 * P),
      read: 0,
      check: truncated(2 * P),
    });
  });
});

describe('grow', () => {
  test('extends what is watched', async () => {
    expect(await result('grow')).toEqual({ read: [1, 0], faults: 1, check: truncated(35 * P) });
  });

  test('after a fault: the pages that are mapped anew are watched like new ones', async () => {
    expect(await result('grow after a fault')).toEqual({
      first: truncated(0),
      kept: truncated(0),
      written: 3,
      read: [0, 0],
      faults: 2,
      check: 'nothing',
    });
  });

  test('after a store into a read-only region', async () => {
    expect(await result('grow a read-only region after a store')).toEqual({
      read: [0, 6],
      stored: [7, 8],
      file: [0, 0],
      check: readOnly(0),
      faults: 3,
    });
  });
});

test('a fault in a mirror is one of its region', async () => {
  expect(await result('mirror')).toEqual({
    watched: 3,
    inMirror: { read: [4, 0], check: truncated(5 * P + 1), faults: 1 },
    both: { there: 0, faults: 2 },
    check: 'nothing',
    twice: [7, 7],
  });
});

test('guard tells of the first fault of a range, once, and does not keep the process alive', async () => {
  const fault = { cause: 'truncated', count: 1, here: true };
  expect(await result('events')).toEqual({
    one: [{ ...fault, offset: 3 * P + 1, fileLength: P }],
    other: [{ ...fault, offset: 0, fileLength: 0, here: false }],
    anew: [{ ...fault, offset: 6, fileLength: 0 }],
    pipes: 2,
  });
});

describe('a store into a read-only region', () => {
  test('goes into a page of its own, and the next check says so', async () => {
    expect(await result('readOnly')).toEqual({
      one: { read: [9, 1], file: 1, check: readOnly(5) },
      many: { sum: 9 - 1 + 2 * P + 2 * P * 3, faults: 3, file: 1 },
      after: [9, 1, 2],
      remapped: [2, 1],
      check: 'nothing',
    });
  });

  test('of a file that was cut', async () => {
    expect(await result('read-only and cut')).toEqual({
      stored: { read: 1, check: readOnly(2 * P) },
      read: 0,
      faults: 2,
    });
  });

  test('that is sealed', async () => {
    expect(await result('sealed')).toEqual({
      unwatched: 0, // sealed and writable: no access can fail
      watched: 1,
      read: 2,
      owner: 1,
      code: 'ERR_MEMLANE_READ_ONLY',
    });
  });

  test('by a worker', async () => {
    expect(await result('a store in a worker')).toEqual({ read: 4, file: 0, check: readOnly(2 * P) });
  });
});

describe('places in the table of the guard', () => {
  test('20 000 regions come and go, none with the faults of a predecessor', async () => {
    expect(await result('places')).toEqual({ inherited: 0, missed: 0, watched: 0, faults: 5000 });
  });

  test('1500 regions at once, a third of them cut', async () => {
    expect(await result('many')).toEqual({ wrong: 0, watched: 1500, faults: 500, left: 0 });
  });

  test('when all are taken a region is refused, and those that are there stay safe', async () => {
    expect(await result('full')).toEqual({
      taken: 32767,
      code: 'ENOMEM',
      leaked: 0,
      read: 0,
      check: truncated(0),
      successor: 0,
    });
  });
});

test('a descriptor that means another file by now is not believed', async () => {
  expect(await result('another descriptor')).toEqual({
    same: true,
    read: [0, 5], // the empty file would have made zeros of all pages
    code: 'ERR_MEMLANE_IO',
  });
});

test('anonymous memory cannot be cut, whoever tries', async () => {
  using region = Region.createAnonymous(2 * P);
  region.bytes.fill(5);
  const [refused] = await runProgram<Record<string, unknown>>('guard-sealed', region.descriptor());
  const commands = ['truncate(1)', 'redirection of a shell', 'dd'];
  for (const [way, outcome] of Object.entries(refused ?? {}))
    expect([way, outcome]).toEqual([way, commands.includes(way) ? false : 'EPERM']);
  expect(Object.keys(refused ?? {}).length).toBe(12);
  expect(region.file.length).toBe(2 * P);
  expect(region.bytes.every((byte) => byte === 5)).toBe(true);
  region.verify();
});
