import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { PAGE_SIZE } from '@memlane/linux';
import { Program, whyNotRoot } from '../support/program.ts';
import { type Medium, scratchFolder } from '../support/scratch.ts';

/** Runs a program where a file system has been mounted on the folder, in a mount namespace that goes with it. */
async function on(mount: string, scenario: string, medium: Medium = 'memory'): Promise<unknown> {
  using scratch = scratchFolder(medium);
  const folder = scratch.file('mounted');
  const image = scratch.file('image');
  mkdirSync(folder);
  if (mount.includes('IMAGE')) {
    execFileSync('truncate', ['--size=48M', image]);
    // Without a journal, and with every table in front, so that what is cut off behind is data.
    execFileSync('mkfs.ext4', ['-q', '-O', '^has_journal', '-E', 'lazy_itable_init=0', '-m', '0', image]);
  }
  const wrapper = ['unshare', '--mount', 'sh', '-c', `${mount.replaceAll('IMAGE', '"$1"')} "$0" && shift && exec "$@"`];
  await using program = new Program(
    'guard-sources',
    { folder, scenario, image },
    { wrapper: [...wrapper, folder, image] },
  );
  await program.success();
  expect(program.all('impossible')).toEqual([]);
  return program.all('result')[0];
}

/** Why this machine cannot make that, or null when it can. */
const why = {
  mounts: whyNotRoot ?? refusal('unshare', '--mount', 'true'),
  ext4:
    whyNotRoot ??
    refusal('unshare', '--mount', 'true') ??
    refusal('mkfs.ext4', '-V') ??
    refusal('losetup', '--find') ??
    (/\bext4$/m.test(readFileSync('/proc/filesystems', 'utf8')) ? null : 'the kernel knows no ext4'),
  hugePages:
    whyNotRoot ??
    (/^HugePages_Free: +[1-9]/m.test(readFileSync('/proc/meminfo', 'utf8'))
      ? null
      : 'no huge pages: sysctl vm.nr_hugepages=8'),
};

function refusal(command: string, ...of: string[]): string | null {
  const { status, error } = spawnSync(command, of);
  return status === 0 ? null : `${command}: ${error?.message ?? 'refused'}`;
}

function sourceTest(name: string, reason: string | null, run: () => Promise<void>): void {
  (reason === null ? test : test.skip)(reason === null ? name : `${name} (${reason})`, run);
}

const clean = { path: true, failed: 0, passedOn: 0 };

describe('told apart by the check and by the event', () => {
  const noSpace = {
    ...clean,
    code: 'ERR_MEMLANE_NO_SPACE',
    causes: ['no-space'],
    offset: 4096 * PAGE_SIZE + 3,
    many: true,
    kept: [1, 1],
  };

  sourceTest('no space on tmpfs', why.mounts, async () => {
    expect(await on('mount -t tmpfs -o size=1m none', 'full tmpfs')).toEqual(noSpace);
  });

  sourceTest('no space on ext4', why.ext4, async () => {
    expect(await on('mount -o loop IMAGE', 'full ext4', 'disk')).toEqual(noSpace);
  });

  sourceTest('a device that cannot be read', why.ext4, async () => {
    const result = (await on('mount -o loop IMAGE', 'io error', 'disk')) as { offset: number };
    expect(result).toEqual({
      ...clean,
      code: 'ERR_MEMLANE_IO',
      causes: ['io-error'],
      offset: 8 * 2 ** 20 - 10,
      many: false,
      read: 0,
    });
  });

  sourceTest('a file that may not be changed any more', why.ext4, async () => {
    expect(await on('mount -o loop IMAGE', 'immutable', 'disk')).toEqual({
      ...clean,
      code: 'ERR_MEMLANE_IO',
      causes: ['unknown'],
      offset: 3 * PAGE_SIZE + 1,
      many: false,
      // The page is a copy of the file's: what can be read stays.
      read: [7, 5],
    });
  });

  sourceTest('huge pages of tmpfs, cut', why.mounts, async () => {
    expect(await on('mount -t tmpfs -o huge=always,size=16m none', 'huge pages of tmpfs')).toEqual({
      ...clean,
      code: 'ERR_MEMLANE_TRUNCATED',
      causes: ['truncated'],
      offset: 2 ** 21 + PAGE_SIZE,
      many: false,
      sum: 2 ** 21 + PAGE_SIZE,
    });
  });

  sourceTest('hugetlbfs, cut', why.hugePages, async () => {
    expect(await on('mount -t hugetlbfs none', 'hugetlbfs')).toEqual({
      read: [1, 0, 7],
      faults: 1,
      failed: 0,
      passedOn: 0,
    });
  });
});
