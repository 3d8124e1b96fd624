import { closeSync, openSync, statfsSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { type Advice, Region } from '@memlane/core';
import { constants, PAGE_SIZE, replaceSystemCall } from '@memlane/linux';
import { guard } from 'memlane';
import { mappingAt, statusNumber } from '../linux/proc.ts';
import { type Medium, scratchFolder } from '../support/scratch.ts';
import { rejectionOf, thrownBy } from '../support/speech.ts';

/** A region of a new file of `pages` pages without a block. */
function sparse(pages: number, medium: Medium = 'memory', access: 'read' | 'readwrite' = 'readwrite') {
  const scratch = scratchFolder(medium);
  const path = scratch.file('a');
  writeFileSync(path, '', { mode: 0o600 });
  truncateSync(path, pages * PAGE_SIZE);
  const region = Region.open(path, { access });
  return {
    path,
    region,
    [Symbol.dispose]: () => {
      region.close();
      scratch[Symbol.dispose]();
    },
  };
}

type RangeCall = 'msync' | 'msyncAsync' | 'madvise' | 'mlock' | 'munlock';

/** Records what a system call is made with: its range in pages from the start of the region, and the rest. */
function spyOn(
  name: RangeCall,
  region: Region,
): Disposable & { readonly ranges: [page: number, pages: number][]; readonly others: unknown[][] } {
  const ranges: [number, number][] = [];
  const others: unknown[][] = [];
  const spy = replaceSystemCall(name, (original) => {
    const call = original as (...parameters: unknown[]) => number;
    return (address: number, length: number, ...rest: unknown[]) => {
      ranges.push([(address - region.address) / PAGE_SIZE, length / PAGE_SIZE]);
      others.push(rest);
      return call(address, length, ...rest);
    };
  });
  return { ranges, others, [Symbol.dispose]: () => spy[Symbol.dispose]() };
}

/** Ranges in bytes, and the pages that they touch. */
const RANGES: readonly [{ offset?: number; length?: number } | undefined, [number, number]][] = [
  [undefined, [0, 4]],
  [{}, [0, 4]],
  [{ offset: PAGE_SIZE }, [1, 3]],
  [{ length: 1 }, [0, 1]],
  [{ offset: PAGE_SIZE - 1, length: 2 }, [0, 2]],
  [{ offset: 2 * PAGE_SIZE + 5, length: PAGE_SIZE }, [2, 2]],
  [{ offset: 3 * PAGE_SIZE, length: PAGE_SIZE }, [3, 1]],
];

describe('ranges', () => {
  test.each(RANGES)('%p covers the pages it touches, for every call', async (range, pages) => {
    using file = sparse(4);
    for (const [name, call] of [
      ['msync', () => file.region.sync(range)],
      ['msyncAsync', () => file.region.syncOffThread(range)],
      ['madvise', () => file.region.advise('normal', range)],
      ['madvise', () => file.region.prefault(range)],
      ['mlock', () => file.region.lock(range)],
      ['munlock', () => file.region.unlock(range)],
    ] as const) {
      using spy = spyOn(name, file.region);
      await call();
      expect(spy.ranges).toEqual([pages]);
    }
    expect(file.region.residency(range).pages).toBe(pages[1]);
  });

  test.each([
    { offset: -1 },
    { offset: 4 * PAGE_SIZE + 1 },
    { length: 4 * PAGE_SIZE + 1 },
    { offset: 1, length: 4 * PAGE_SIZE },
    { offset: 0.5 },
  ])('%p is outside', async (range) => {
    using file = sparse(4);
    const { region } = file;
    for (const call of [
      () => region.sync(range),
      () => region.advise('normal', range),
      () => region.residency(range),
      () => region.prefault(range),
      () => region.lock(range),
      () => region.unlock(range),
    ])
      expect(thrownBy(call)).toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
    expect(await rejectionOf(() => region.syncOffThread(range))).toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
  });
});

describe('sync', () => {
  const dirtyKib = (region: Region): number => {
    const { Shared_Dirty, Private_Dirty } = mappingAt(region.address)?.kib ?? {};
    return Number(Shared_Dirty) + Number(Private_Dirty);
  };
  const sync = (region: Region): void => region.sync();
  const syncOffThread = (region: Region): Promise<void> => region.syncOffThread();

  test.each([
    ['sync', sync],
    ['syncOffThread', syncOffThread],
  ])('%s leaves nothing dirty on a device', async (_name, call) => {
    using file = sparse(4, 'disk');
    const { region, path } = file;
    region.bytes.fill(1);
    expect(dirtyKib(region)).toBe((4 * PAGE_SIZE) / 1024);
    await call(region);
    // tmpfs has no device.
    if (statfsSync(path).type !== 0x01021994) expect(dirtyKib(region)).toBe(0);
  });

  test('the failing device is named, with the file', async () => {
    using file = sparse(1);
    const { region, path } = file;
    const refusal = { name: 'LinuxError', code: 'EIO', syscall: 'msync', path };
    using _fault = replaceSystemCall('msync', () => () => -5);
    using _faultOffThread = replaceSystemCall('msyncAsync', () => (_address, _length, _flags, done) => done(-5));
    expect(thrownBy(() => region.sync())).toMatchObject(refusal);
    expect(await rejectionOf(() => region.syncOffThread())).toMatchObject(refusal);
  });

  test('closing meanwhile does not disturb it', async () => {
    for (let round = 0; round < 20; round++) {
      using file = sparse(64, 'disk');
      const { region } = file;
      region.bytes.fill(round);
      const written = region.syncOffThread();
      region.close();
      await written;
    }
  });
});

describe('advise', () => {
  /** What the kernel's flags of the mapping become. */
  test.each<[Advice, (flags: readonly string[]) => boolean]>([
    ['random', (flags) => flags.includes('rr')],
    ['sequential', (flags) => flags.includes('sr')],
    ['normal', (flags) => !flags.includes('rr') && !flags.includes('sr')],
    ['dontdump', (flags) => flags.includes('dd')],
    ['hugepage', (flags) => flags.includes('hg')],
    ['nohugepage', (flags) => flags.includes('nh')],
  ])('%s', (advice, holds) => {
    using file = sparse(4);
    const { region } = file;
    region.advise(advice === 'normal' ? 'random' : 'normal');
    const error = thrownBy(() => region.advise(advice, { length: 2 * PAGE_SIZE }));
    // A kernel without transparent huge pages says so.
    if (advice.endsWith('hugepage') && error?.code === 'EINVAL') return;
    expect(error).toBeUndefined();
    expect(holds(mappingAt(region.address)?.flags ?? [])).toBe(true);
    expect(holds(mappingAt(region.address + 2 * PAGE_SIZE)?.flags ?? [])).toBe(false);
  });

  test('willneed is passed on: whether the kernel reads ahead is its own business', () => {
    using file = sparse(4, 'disk');
    using spy = spyOn('madvise', file.region);
    file.region.advise('willneed');
    expect(spy.others).toEqual([[constants.MADV_WILLNEED]]);
  });

  test('dontneed unmaps the pages and loses nothing', () => {
    using file = sparse(4);
    const { region } = file;
    region.bytes.fill(7);
    expect(mappingAt(region.address)?.kib.Rss).toBe((4 * PAGE_SIZE) / 1024);
    region.advise('dontneed', { offset: PAGE_SIZE });
    expect(mappingAt(region.address)?.kib.Rss).toBe(PAGE_SIZE / 1024);
    expect(region.bytes.every((byte) => byte === 7)).toBe(true);
  });

  test('refuses what it does not know', () => {
    using file = sparse(1);
    expect(thrownBy(() => file.region.advise('often' as Advice))).toMatchObject({
      code: 'ERR_MEMLANE_ARGUMENT',
      message: expect.stringMatching(/^advice is 'often', but must be one of normal, random,/),
    });
  });
});

test('residency counts the pages in memory', () => {
  using file = sparse(8);
  const { region } = file;
  expect(region.residency()).toEqual({ residentPages: 0, pages: 8 });
  region.bytes[0] = 1;
  region.bytes[5 * PAGE_SIZE] = 1;
  expect(region.residency()).toEqual({ residentPages: 2, pages: 8 });
  expect(region.residency({ offset: PAGE_SIZE, length: 4 * PAGE_SIZE + 1 })).toEqual({ residentPages: 1, pages: 5 });
});

describe('prefault', () => {
  test('takes the space of a writable region', () => {
    using file = sparse(4);
    // In memory, reading a page takes its space too: that it is done for writing shows in the call alone.
    using spy = spyOn('madvise', file.region);
    file.region.prefault({ length: 3 * PAGE_SIZE });
    expect(spy.others).toEqual([[constants.MADV_POPULATE_WRITE]]);
    expect(mappingAt(file.region.address)?.kib.Rss).toBe((3 * PAGE_SIZE) / 1024);
    expect(statSync(file.path).blocks * 512).toBe(3 * PAGE_SIZE);
  });

  test('reads the pages of a read-only one in', () => {
    using file = sparse(4, 'memory', 'read');
    file.region.prefault({ length: 3 * PAGE_SIZE });
    expect(mappingAt(file.region.address)?.kib.Rss).toBe((3 * PAGE_SIZE) / 1024);
  });

  test.each(['read', 'readwrite'] as const)('tells of a file that was cut (%s)', (access) => {
    using file = sparse(4, 'memory', access);
    truncateSync(file.path, 2 * PAGE_SIZE);
    file.region.prefault({ length: 2 * PAGE_SIZE });
    expect(thrownBy(() => file.region.prefault())).toMatchObject({
      code: 'ERR_MEMLANE_TRUNCATED',
      path: file.path,
    });
  });
});

describe('what the kernel does with the pages of a file that was cut', () => {
  test('a short transfer, or none, is no fault; verify() makes it one', () => {
    using file = sparse(4);
    using scratch = scratchFolder();
    truncateSync(file.path, PAGE_SIZE);
    const fd = openSync(scratch.file('copy'), 'w');
    expect(writeSync(fd, file.region.bytes)).toBe(PAGE_SIZE);
    expect(thrownBy(() => writeSync(fd, file.region.bytes, PAGE_SIZE))?.code).toBe('EFAULT');
    closeSync(fd);
    const { faults } = guard.status();
    file.region.check();
    expect(thrownBy(() => file.region.verify())?.code).toBe('ERR_MEMLANE_TRUNCATED');
    expect(guard.status().faults).toBe(faults + 1);
    expect(thrownBy(() => file.region.check())).toMatchObject({ code: 'ERR_MEMLANE_TRUNCATED', path: file.path });
  });

  test('a cut inside the last page raises no fault, and is found all the same', () => {
    using file = sparse(4);
    truncateSync(file.path, 4 * PAGE_SIZE - 1);
    file.region.check();
    expect(thrownBy(() => file.region.verify())?.code).toBe('ERR_MEMLANE_TRUNCATED');
  });
});

test('lock keeps a range in memory until unlock, or close', () => {
  using file = sparse(4);
  const { region } = file;
  const before = statusNumber('VmLck');
  const kib = PAGE_SIZE / 1024;
  region.lock({ offset: PAGE_SIZE, length: 2 * PAGE_SIZE });
  expect(statusNumber('VmLck') - before).toBe(2 * kib);
  expect(region.residency().residentPages).toBe(2);
  region.unlock({ offset: PAGE_SIZE, length: PAGE_SIZE });
  expect(statusNumber('VmLck') - before).toBe(kib);
  region.close();
  expect(statusNumber('VmLck') - before).toBe(0);
});
