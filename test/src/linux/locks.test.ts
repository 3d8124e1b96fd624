import { constants as fs, openSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  close,
  constants,
  isByteWriteLocked,
  open,
  replaceSystemCall,
  systemCalls,
  tryLockByte,
  unlockByte,
} from '@memlane/linux';
import { Program } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { pause, thrownBy } from '../support/speech.ts';

const BYTE = (1n << 62n) + 5n;

/** A file, and two open file descriptions of it. */
function twice() {
  const scratch = scratchFolder();
  const path = scratch.file('locked');
  writeFileSync(path, '');
  const [first, second] = [open(path, fs.O_RDWR), open(path, fs.O_RDWR)];
  return {
    path,
    first,
    second,
    [Symbol.dispose]: () => {
      close(first);
      close(second);
      scratch[Symbol.dispose]();
    },
  };
}

describe('two descriptions of one file', () => {
  test('exclude each other from a byte, until the first gives it back', () => {
    using file = twice();
    expect(tryLockByte(file.first, BYTE)).toBe(true);
    expect(tryLockByte(file.second, BYTE)).toBe(false);
    unlockByte(file.first, BYTE);
    expect(tryLockByte(file.second, BYTE)).toBe(true);
    expect(tryLockByte(file.first, BYTE)).toBe(false);
  });

  test('see the lock of the other one, and not their own', () => {
    using file = twice();
    expect(isByteWriteLocked(file.second, BYTE)).toBe(false);
    tryLockByte(file.first, BYTE);
    expect(isByteWriteLocked(file.second, BYTE)).toBe(true);
    expect(isByteWriteLocked(file.first, BYTE)).toBe(false);
    unlockByte(file.first, BYTE);
    expect(isByteWriteLocked(file.second, BYTE)).toBe(false);
  });

  test('lock bytes, not files: the neighbours are free', () => {
    using file = twice();
    tryLockByte(file.first, BYTE);
    for (const other of [0n, BYTE - 1n, BYTE + 1n, BYTE & 0xffff_ffffn]) {
      expect(isByteWriteLocked(file.second, other)).toBe(false);
      expect(tryLockByte(file.second, other)).toBe(true);
    }
    expect(isByteWriteLocked(file.second, BYTE)).toBe(true);
  });

  test('a lock goes with its description, and with no other one', () => {
    using file = twice();
    const third = open(file.path, fs.O_RDWR);
    tryLockByte(third, BYTE);
    // A POSIX lock of this process would go here.
    close(open(file.path, fs.O_RDWR));
    expect(isByteWriteLocked(file.first, BYTE)).toBe(true);
    close(third);
    expect(isByteWriteLocked(file.first, BYTE)).toBe(false);
  });

  test('locking twice and unlocking what is not locked is no error', () => {
    using file = twice();
    expect([tryLockByte(file.first, BYTE), tryLockByte(file.first, BYTE)]).toEqual([true, true]);
    unlockByte(file.first, BYTE);
    unlockByte(file.first, BYTE);
    expect(tryLockByte(file.second, BYTE)).toBe(true);
  });
});

test('a read lock is in the way, but is no sign of life', () => {
  using file = twice();
  const flock = new DataView(new ArrayBuffer(32));
  flock.setInt16(0, constants.F_RDLCK, true);
  flock.setBigInt64(8, BYTE, true);
  flock.setBigInt64(16, 1n, true);
  const reader = openSync(file.path, 'r');
  expect(systemCalls.fcntlLock(reader, constants.F_OFD_SETLK, new Uint8Array(flock.buffer))).toBe(0);
  expect(isByteWriteLocked(file.first, BYTE)).toBe(false);
  expect(tryLockByte(file.first, BYTE)).toBe(false);
  close(reader);
  expect(tryLockByte(file.first, BYTE)).toBe(true);
});

test('what is not contention is thrown', () => {
  using file = twice();
  const readOnly = open(file.path, fs.O_RDONLY);
  expect(thrownBy(() => tryLockByte(readOnly, BYTE))).toMatchObject({
    name: 'LinuxError',
    code: 'EBADF',
    syscall: 'fcntl(F_OFD_SETLK)',
  });
  close(readOnly);
  expect(thrownBy(() => unlockByte(99_999, BYTE))).toMatchObject({ code: 'EBADF', syscall: 'fcntl(F_OFD_SETLK)' });
  expect(thrownBy(() => isByteWriteLocked(99_999, BYTE))).toMatchObject({ syscall: 'fcntl(F_OFD_GETLK)' });
  using _fault = replaceSystemCall('fcntlLock', () => () => -37);
  expect(thrownBy(() => tryLockByte(file.first, BYTE))).toMatchObject({ code: 'ENOLCK' });
});

test.each([
  ['EAGAIN', -11],
  ['EACCES', -13],
])('%s is contention', (_name, result) => {
  using _fault = replaceSystemCall('fcntlLock', () => () => result);
  expect(tryLockByte(0, BYTE)).toBe(false);
});

describe('between processes', () => {
  const locked = (scratch: Scratch): { path: string; fd: number } & Disposable => {
    const path = scratch.file('locked');
    writeFileSync(path, '');
    const fd = open(path, fs.O_RDWR);
    return { path, fd, [Symbol.dispose]: () => close(fd) };
  };

  test('a lock is seen, given back, and free for the next', async () => {
    using scratch = scratchFolder();
    using file = locked(scratch);
    await using holder = new Program('linux-lock-holder', { path: file.path, byte: String(BYTE) });
    await holder.next('locked');
    expect(isByteWriteLocked(file.fd, BYTE)).toBe(true);
    expect(tryLockByte(file.fd, BYTE)).toBe(false);
    holder.tell('unlock');
    await holder.next('unlocked');
    expect(tryLockByte(file.fd, BYTE)).toBe(true);
    holder.tell('lock');
    expect(await holder.next('refused')).toBe(false);
  });

  test('a stopped holder is alive, a killed one is not', async () => {
    using scratch = scratchFolder();
    using file = locked(scratch);
    await using holder = new Program('linux-lock-holder', { path: file.path, byte: String(BYTE) });
    await holder.next('locked');
    holder.kill('SIGSTOP');
    await pause(50);
    expect(isByteWriteLocked(file.fd, BYTE)).toBe(true);
    holder.kill('SIGKILL');
    await holder.end();
    expect(isByteWriteLocked(file.fd, BYTE)).toBe(false);
    expect(tryLockByte(file.fd, BYTE)).toBe(true);
  });

  test('a child of the holder does not inherit the lock', async () => {
    using scratch = scratchFolder();
    using file = locked(scratch);
    await using holder = new Program('linux-lock-holder', { path: file.path, byte: String(BYTE), child: true });
    const child = await holder.next<number>('child');
    try {
      await holder.next('locked');
      expect(isByteWriteLocked(file.fd, BYTE)).toBe(true);
      holder.kill('SIGKILL');
      await holder.end();
      expect(process.kill(child, 0)).toBe(true);
      expect(isByteWriteLocked(file.fd, BYTE)).toBe(false);
    } finally {
      process.kill(child, 'SIGKILL');
    }
  });

  test('a worker thread that is terminated gives its lock back', async () => {
    using scratch = scratchFolder();
    using file = locked(scratch);
    await using holder = new Program('linux-lock-holder', { path: file.path, byte: String(BYTE), thread: true });
    await holder.next('locked');
    expect(isByteWriteLocked(file.fd, BYTE)).toBe(true);
    holder.tell('terminate');
    await holder.next('terminated');
    expect(isByteWriteLocked(file.fd, BYTE)).toBe(false);
    expect(holder.running).toBe(true);
  });
});
