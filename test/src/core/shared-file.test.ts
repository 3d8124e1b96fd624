import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { type Access, SharedFile, type Trust } from '@memlane/core';
import { isByteWriteLocked, makeFifo, PAGE_SIZE, replaceSystemCall, tryLockByte } from '@memlane/linux';
import { NOBODY, rootTest } from '../linux/machine.ts';
import { closesOnExec, openDescriptors } from '../linux/proc.ts';
import { Program, runProgram } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { thrownBy } from '../support/speech.ts';

/** What opening throws; looks that a refusal leaves no descriptor behind. */
function refusal(path: string, access?: Access, trust?: Trust): string | undefined {
  const before = openDescriptors();
  const error = thrownBy(() => SharedFile.open(path, access, trust).close());
  expect(openDescriptors()).toEqual(before);
  if (error !== undefined) expect(error.path).toBe(path);
  return error?.code;
}

function ordinary(scratch: Scratch, mode = 0o600): string {
  const path = scratch.file('ordinary');
  writeFileSync(path, 'contents');
  chmodSync(path, mode);
  return path;
}

describe('open trusts', () => {
  test('a regular file of this user, for what it is asked for', () => {
    using scratch = scratchFolder();
    const path = ordinary(scratch);
    for (const access of ['read', 'readwrite'] as const) {
      const file = SharedFile.open(path, access);
      expect(file).toMatchObject({ path, access, anonymous: false, length: 8, sealed: false, handoverPath: path });
      expect(file.identity).toEqual({ dev: statSync(path).dev, ino: statSync(path).ino });
      expect(closesOnExec(file.fd)).toBe(true);
      file.close();
    }
    expect(refusal(path)).toBeUndefined();
  });

  test('no link, whatever it leads to', () => {
    using scratch = scratchFolder();
    const path = ordinary(scratch);
    symlinkSync(path, scratch.file('link'));
    symlinkSync('nowhere', scratch.file('dangling'));
    mkdirSync(scratch.file('folder'));
    symlinkSync('folder', scratch.file('to folder'));
    for (const link of ['link', 'dangling', 'to folder'])
      for (const access of ['read', 'readwrite'] as const)
        expect(refusal(scratch.file(link), access)).toBe('ERR_MEMLANE_SYMLINK');
  });

  test('links on the way to it, which are the business of whoever owns the folders', () => {
    using scratch = scratchFolder();
    ordinary(scratch);
    symlinkSync('.', scratch.file('here'));
    expect(refusal(scratch.file('here/ordinary'))).toBeUndefined();
  });

  test('neither folder nor FIFO nor socket nor device, and waits for none of them', async () => {
    using scratch = scratchFolder();
    mkdirSync(scratch.file('folder'));
    makeFifo(scratch.file('fifo'));
    const server = createServer().listen(scratch.file('socket'));
    await once(server, 'listening');
    try {
      for (const path of ['folder', 'fifo', 'socket'].map(scratch.file).concat('/dev/null'))
        for (const access of ['read', 'readwrite'] as const)
          expect(`${path} ${refusal(path, access)}`).toBe(`${path} ERR_MEMLANE_NOT_A_FILE`);
    } finally {
      server.close();
    }
  });

  test('no file that everybody may write to, unless told to', () => {
    using scratch = scratchFolder();
    for (const mode of [0o602, 0o666, 0o777, 0o646]) {
      const path = ordinary(scratch, mode);
      expect(refusal(path)).toBe('ERR_MEMLANE_PERMISSIVE');
      expect(refusal(path, 'read')).toBe('ERR_MEMLANE_PERMISSIVE');
      expect(refusal(path, 'readwrite', { allowWorldWritable: true })).toBeUndefined();
      expect(thrownBy(() => SharedFile.open(path))?.message).toContain(mode.toString(8));
    }
    for (const mode of [0o600, 0o644, 0o660, 0o755, 0o664]) expect(refusal(ordinary(scratch, mode))).toBeUndefined();
  });

  rootTest('for root, no file of another user, unless that user is named', () => {
    using scratch = scratchFolder();
    const path = ordinary(scratch, 0o666);
    chownSync(path, NOBODY, NOBODY);
    expect(refusal(path, 'readwrite', { allowWorldWritable: true })).toBe('ERR_MEMLANE_OWNER');
    expect(refusal(path, 'readwrite', { trustOwner: 1 })).toBe('ERR_MEMLANE_OWNER');
    expect(refusal(path, 'readwrite', { trustOwner: NOBODY })).toBe('ERR_MEMLANE_PERMISSIVE');
    expect(refusal(path, 'readwrite', { trustOwner: NOBODY, allowWorldWritable: true })).toBeUndefined();
    expect(thrownBy(() => SharedFile.open(path))?.message).toContain(`user ${NOBODY}`);
  });

  rootTest('for anybody else, files of root and their own', async () => {
    using scratch = scratchFolder();
    chmodSync(scratch.path, 0o755);
    const make = (name: string, owner: number): string => {
      writeFileSync(scratch.file(name), 'x', { mode: 0o644 });
      chownSync(scratch.file(name), owner, owner);
      return scratch.file(name);
    };
    const attempts = [
      { path: make('of root', 0), access: 'read' },
      { path: scratch.file('of root'), access: 'readwrite' },
      { path: make('of another', 1), access: 'read' },
      { path: scratch.file('of another'), access: 'read', trust: { trustOwner: 1 } },
      { path: make('own', NOBODY), access: 'readwrite' },
    ];
    expect(await runProgram('core-trust', { uid: NOBODY, attempts })).toEqual([
      [null, 'EACCES', 'ERR_MEMLANE_OWNER', null, null],
    ]);
  });

  test('nothing that is not there', () => {
    using scratch = scratchFolder();
    expect(refusal(scratch.file('none'))).toBe('ENOENT');
    expect(refusal(`${ordinary(scratch)}/below`)).toBe('ENOTDIR');
  });
});

describe('a new file', () => {
  test('has no name until it is published, whole', () => {
    using scratch = scratchFolder();
    const file = SharedFile.createUnnamed(scratch.path, 3 * PAGE_SIZE);
    expect(scratch.entries()).toEqual([]);
    expect(file).toMatchObject({ path: undefined, length: 3 * PAGE_SIZE, access: 'readwrite', anonymous: false });
    writeFileSync(file.handoverPath, 'complete', { flag: 'r+' });
    file.publish(scratch.file('a'));
    expect(scratch.entries()).toEqual(['a']);
    expect(file).toMatchObject({ path: scratch.file('a'), handoverPath: scratch.file('a') });
    expect(readFileSync(scratch.file('a'), 'utf8').slice(0, 8)).toBe('complete');
    expect(statSync(scratch.file('a'))).toMatchObject({ nlink: 1, blocks: (3 * PAGE_SIZE) / 512 });
    file.close();
  });

  test('that is closed before leaves nothing', () => {
    using scratch = scratchFolder();
    const before = openDescriptors();
    const file = SharedFile.createUnnamed(scratch.path, PAGE_SIZE);
    file.close();
    file.close();
    expect(scratch.entries()).toEqual([]);
    expect(openDescriptors()).toEqual(before);
  });

  test.each([
    ['ENOSPC', -28],
    ['EDQUOT', -122],
    ['EIO', -5],
  ])('whose space is refused (%s) leaves nothing', (code, result) => {
    using scratch = scratchFolder();
    const before = openDescriptors();
    using _fault = replaceSystemCall('fallocate', () => () => result);
    expect(thrownBy(() => SharedFile.createUnnamed(scratch.path, PAGE_SIZE))).toMatchObject({
      name: 'LinuxError',
      code,
      path: scratch.path,
    });
    expect(thrownBy(() => SharedFile.createAnonymous('a', PAGE_SIZE))).toMatchObject({ code, path: 'memfd:a' });
    expect(scratch.entries()).toEqual([]);
    expect(openDescriptors()).toEqual(before);
  });

  test('has its length where the file system reserves no space', () => {
    using scratch = scratchFolder();
    using _fault = replaceSystemCall('fallocate', () => () => -95);
    const file = SharedFile.createUnnamed(scratch.path, 3 * PAGE_SIZE + 1);
    expect(file.length).toBe(3 * PAGE_SIZE + 1);
    file.close();
  });

  test('cannot be made where its folder cannot', () => {
    using scratch = scratchFolder();
    const path = `${ordinary(scratch)}/below`;
    expect(thrownBy(() => SharedFile.createUnnamed(path, 1))).toMatchObject({
      name: 'LinuxError',
      syscall: 'mkdir',
      path,
    });
  });

  test('does not get a name that is taken, nor one in a folder that is not there', () => {
    using scratch = scratchFolder();
    const path = ordinary(scratch);
    const file = SharedFile.createUnnamed(scratch.path, PAGE_SIZE);
    expect(thrownBy(() => file.publish(path))).toMatchObject({ code: 'ERR_MEMLANE_EXISTS', path });
    expect(thrownBy(() => file.publish(scratch.file('none/a')))).toMatchObject({ name: 'LinuxError', code: 'ENOENT' });
    expect(file.path).toBeUndefined();
    expect(readFileSync(path, 'utf8')).toBe('contents');
    file.publish(scratch.file('free'));
    file.close();
    expect(scratch.entries()).toEqual(['free', 'ordinary']);
  });

  test('of a creator that is killed before it publishes leaves nothing', async () => {
    using scratch = scratchFolder();
    await using creator = new Program('core-publisher', { folder: scratch.path, number: 1, tmpfile: true });
    await creator.next('ready');
    creator.tell('create');
    await creator.next('created');
    creator.kill();
    await creator.end();
    expect(scratch.entries()).toEqual([]);
  });
});

describe('where the file system knows no O_TMPFILE', () => {
  test('a new file has a hidden name until it is published, and loses it whatever happens', async () => {
    using scratch = scratchFolder();
    expect(await runProgram('core-without-tmpfile', scratch.path)).toEqual([
      {
        hidden: [expect.stringMatching(/^\.memlane-new-[0-9a-f]{16}$/)],
        hiddenMode: 0o600,
        pathBefore: null,
        published: ['a'],
        links: 1,
        contents: 'complete',
        existsAfterwards: ['a'],
        exists: 'ERR_MEMLANE_EXISTS',
        full: 'ENOSPC',
        fullAfterwards: ['a'],
        tooLarge: 'ERR_MEMLANE_TOO_LARGE',
        tooLargeAfterwards: ['a'],
        region: ['a', 'b'],
        other: 'EACCES',
      },
    ]);
    expect(scratch.entries()).toEqual(['a', 'b']);
  });
});

describe.each([
  ['by O_TMPFILE', true],
  ['without', false],
])('of several that publish at once (%s)', (_name, tmpfile) => {
  test('exactly one gets the name, and the others find its file complete', async () => {
    using scratch = scratchFolder();
    const rounds = 25;
    const programs = [1, 2, 3, 4].map(
      (number) => new Program('core-publisher', { folder: scratch.path, number, tmpfile }),
    );
    try {
      await Promise.all(programs.map((program) => program.next('ready')));
      for (const program of programs) program.tell(`race ${rounds}`);
      const outcomes = await Promise.all(programs.map((program) => program.next<string[]>('outcomes')));
      for (let round = 0; round < rounds; round++) {
        const winners = outcomes.flatMap((outcome, index) => (outcome[round] === 'won' ? [index + 1] : []));
        expect(winners).toHaveLength(1);
        const bytes = readFileSync(scratch.file(`race-${round}`));
        expect(bytes.equals(Buffer.alloc(PAGE_SIZE, winners[0]))).toBe(true);
        // What a loser says is the number of the winner, read off the file at once.
        const losers = outcomes.map((outcome) => outcome[round]).filter((outcome) => outcome !== 'won');
        expect(losers).toEqual(Array(3).fill(`lost to ${winners[0]}`));
      }
      expect(scratch.entries()).toHaveLength(rounds);
    } finally {
      for (const program of programs) await program[Symbol.asyncDispose]();
    }
  });
});

describe('an open file', () => {
  test('is told apart from what takes its name', () => {
    using scratch = scratchFolder();
    const path = ordinary(scratch);
    const file = SharedFile.open(path);
    file.expectLinked();
    file.expectIdentity(file.identity, path);
    unlinkSync(path);
    expect(thrownBy(() => file.expectLinked())).toMatchObject({ code: 'ERR_MEMLANE_DELETED', path });
    const other = SharedFile.open(ordinary(scratch));
    expect(thrownBy(() => other.expectIdentity(file.identity, path))).toMatchObject({ code: 'ERR_MEMLANE_DELETED' });
    const { dev, ino } = other.identity;
    expect(thrownBy(() => other.expectIdentity({ dev: dev + 1, ino }, path))).toMatchObject({ path });
    file.close();
    other.close();
  });

  test('without a name is not missing one when it is anonymous', () => {
    const file = SharedFile.createAnonymous('a', PAGE_SIZE);
    file.expectLinked();
    expect(file).toMatchObject({ path: undefined, anonymous: true, sealed: false, length: PAGE_SIZE });
    expect(file.handoverPath).toBe(`/proc/${process.pid}/fd/${file.fd}`);
    file.unlink();
    file.seal();
    expect(file.sealed).toBe(true);
    file.close();
  });

  test('unlinks its own name only', () => {
    using scratch = scratchFolder();
    const path = ordinary(scratch);
    const file = SharedFile.open(path);
    renameSync(path, scratch.file('elsewhere'));
    file.unlink();
    writeFileSync(path, 'of another');
    file.unlink();
    expect(readFileSync(path, 'utf8')).toBe('of another');
    unlinkSync(path);
    linkSync(scratch.file('elsewhere'), path);
    file.unlink();
    expect(scratch.entries()).toEqual(['elsewhere']);
    file.close();
  });

  test('is opened again as a description of its own, by itself', () => {
    using scratch = scratchFolder();
    const path = ordinary(scratch);
    const file = SharedFile.open(path);
    expect(tryLockByte(file.fd, 5n)).toBe(true);
    // The file, not its name.
    renameSync(path, scratch.file('elsewhere'));
    const again = file.reopen();
    expect(again).toMatchObject({ path, access: 'readwrite', identity: file.identity });
    expect(isByteWriteLocked(again.fd, 5n)).toBe(true);
    const reading = file.reopen('read');
    expect(thrownBy(() => tryLockByte(reading.fd, 6n))).toMatchObject({ code: 'EBADF' });
    for (const each of [file, again, reading]) each.close();
  });

  test('grows, and never shrinks', () => {
    using scratch = scratchFolder();
    const file = SharedFile.open(ordinary(scratch));
    file.grow(4);
    expect(file.length).toBe(8);
    file.grow(2 * PAGE_SIZE);
    expect(file.length).toBe(2 * PAGE_SIZE);
    expect(readFileSync(scratch.file('ordinary')).subarray(0, 9).toString()).toBe('contents\0');
    file.close();
  });
});
