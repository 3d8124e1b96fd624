import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statfsSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { constants, LinuxError, memory, PAGE_SIZE, replaceSystemCall, toPages } from '@memlane/linux';
import { runProgram, whyNotRoot } from '../support/program.ts';
import { type Medium, scratchFolder } from '../support/scratch.ts';
import { type PlainError, rejectionOf, thrownBy } from '../support/speech.ts';
import { NOBODY } from './machine.ts';
import { mapShared, reserve } from './pages.ts';
import { mappingAt, mappings, statusNumber } from './proc.ts';

const {
  MADV_DONTNEED,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MS_SYNC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} = constants;

/** A file of `pages` pages without a block, open for both and mapped. */
function mappedFile(pages: number, medium: Medium = 'memory') {
  const scratch = scratchFolder(medium);
  const path = scratch.file('pages');
  const fd = openSync(path, 'w+');
  ftruncateSync(fd, pages * PAGE_SIZE);
  const mapping = mapShared(fd, pages);
  const { address, bytes } = mapping;
  return {
    path,
    fd,
    address,
    bytes,
    [Symbol.dispose]: () => {
      mapping[Symbol.dispose]();
      closeSync(fd);
      scratch[Symbol.dispose]();
    },
  };
}

/** An address range that nothing is mapped at. */
function nowhere(): number {
  const address = memory.map(0, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memory.unmap(address, PAGE_SIZE);
  return address;
}

test('the page size is that of the machine, and toPages rounds up to it', () => {
  expect(PAGE_SIZE).toBe(Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' })));
  expect([0, 1, PAGE_SIZE, PAGE_SIZE + 1, 2 ** 40 + 1].map(toPages)).toEqual([
    0,
    PAGE_SIZE,
    PAGE_SIZE,
    2 * PAGE_SIZE,
    2 ** 40 + PAGE_SIZE,
  ]);
});

describe('map', () => {
  test('lays the pages of a file where it is told: what is stored is in the file, and the other way round', () => {
    using file = mappedFile(2);
    file.bytes[PAGE_SIZE + 5] = 99;
    expect(readFileSync(file.path)[PAGE_SIZE + 5]).toBe(99);
    writeSync(file.fd, Uint8Array.of(42), 0, 1, 7);
    expect(file.bytes[7]).toBe(42);
    expect(mappingAt(file.address)).toMatchObject({ path: file.path, permissions: 'rw-s', start: file.address });
  });

  test('begins at an offset of the file', () => {
    using file = mappedFile(3);
    const { address, bytes } = reserve(1);
    expect(memory.map(address, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, file.fd, 2 * PAGE_SIZE)).toBe(address);
    file.bytes[2 * PAGE_SIZE + 1] = 7;
    expect(bytes[1]).toBe(7);
    expect(mappingAt(address)).toMatchObject({ permissions: 'r--s', fileOffset: 2 * PAGE_SIZE });

    // Past what an int can hold.
    const far = 6 * 2 ** 30;
    ftruncateSync(file.fd, far + PAGE_SIZE);
    writeSync(file.fd, 'far', far);
    memory.map(address, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, file.fd, far);
    expect(Buffer.from(bytes.subarray(0, 3)).toString()).toBe('far');
  });

  test('keeps private stores to itself', () => {
    using file = mappedFile(1);
    const { address, bytes } = reserve(1);
    memory.map(address, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file.fd, 0);
    bytes[0] = 1;
    expect(file.bytes[0]).toBe(0);
  });

  test('chooses a page itself for address 0; unmap gives it back', () => {
    using file = mappedFile(1);
    const address = memory.map(0, PAGE_SIZE, PROT_READ, MAP_SHARED, file.fd, 0);
    expect(address % PAGE_SIZE).toBe(0);
    expect(mappingAt(address)?.path).toBe(file.path);
    memory.unmap(address, PAGE_SIZE);
    expect(mappings().filter(({ path }) => path === file.path)).toHaveLength(1);
  });

  test('says which file it was refused, and why', () => {
    using file = mappedFile(1);
    const map = (protection: number, flags: number, fd: number, offset: number) =>
      thrownBy(() => memory.map(0, PAGE_SIZE, protection, flags, fd, offset, file.path));
    expect(map(PROT_READ, MAP_SHARED, 9999, 0)).toMatchObject({ code: 'EBADF', syscall: 'mmap', path: file.path });
    expect(map(PROT_READ, MAP_SHARED, file.fd, 1)).toMatchObject({ code: 'EINVAL', syscall: 'mmap' });
    const readOnly = openSync(file.path, 'r');
    expect(map(PROT_READ | PROT_WRITE, MAP_SHARED, readOnly, 0)).toMatchObject({ code: 'EACCES' });
    closeSync(readOnly);
    expect(thrownBy(() => memory.map(0, 2 ** 52, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))).toMatchObject({
      name: 'LinuxError',
      code: 'ENOMEM',
    });
    expect(thrownBy(() => memory.unmap(1, PAGE_SIZE))).toMatchObject({ code: 'EINVAL', syscall: 'munmap' });
  });
});

describe('msync', () => {
  // tmpfs has nowhere to write to, so its pages stay dirty for ever.
  const written = (path: string): boolean => statfsSync(path).type !== 0x01021994;

  test('cleans the dirty pages of a mapping', () => {
    using file = mappedFile(4, 'disk');
    file.bytes.fill(1);
    const dirtyKib = (): number => {
      const { Shared_Dirty, Private_Dirty } = mappingAt(file.address)?.kib ?? {};
      return Number(Shared_Dirty) + Number(Private_Dirty);
    };
    expect(dirtyKib()).toBe((4 * PAGE_SIZE) / 1024);
    memory.sync(file.address, file.bytes.length, MS_SYNC);
    if (written(file.path)) expect(dirtyKib()).toBe(0);
    file.bytes.fill(2);
    expect(dirtyKib()).toBe((4 * PAGE_SIZE) / 1024);
  });

  test('does so on another thread, and rejects what the kernel refuses', async () => {
    using file = mappedFile(4, 'disk');
    file.bytes.fill(1);
    await memory.syncOffThread(file.address, file.bytes.length, MS_SYNC);
    if (written(file.path)) expect(mappingAt(file.address)?.kib).toMatchObject({ Shared_Dirty: 0, Private_Dirty: 0 });
    const refused = { name: 'LinuxError', syscall: 'msync', path: '/a' };
    const missing = nowhere();
    expect(await rejectionOf(() => memory.syncOffThread(missing, PAGE_SIZE, MS_SYNC, '/a'))).toMatchObject({
      ...refused,
      code: 'ENOMEM',
    });
    expect(await rejectionOf(() => memory.syncOffThread(file.address + 1, PAGE_SIZE, MS_SYNC, '/a'))).toMatchObject({
      ...refused,
      code: 'EINVAL',
    });
  });

  test('says that the device failed', async () => {
    using _fault = replaceSystemCall('msync', () => () => -5);
    using _faultOffThread = replaceSystemCall('msyncAsync', () => (_address, _length, _flags, done) => done(-5));
    const refused = { code: 'EIO', syscall: 'msync', path: '/a' };
    expect(thrownBy(() => memory.sync(0, 1, MS_SYNC, '/a'))).toMatchObject(refused);
    expect(await rejectionOf(() => memory.syncOffThread(0, 1, MS_SYNC, '/a'))).toMatchObject(refused);
  });
});

describe('madvise', () => {
  test('is passed on', () => {
    using file = mappedFile(2);
    memory.advise(file.address, PAGE_SIZE, MADV_SEQUENTIAL);
    expect(mappingAt(file.address)?.flags).toContain('sr');
    memory.advise(file.address, PAGE_SIZE, MADV_RANDOM);
    expect(mappingAt(file.address)?.flags).toContain('rr');
    expect(mappingAt(file.address + PAGE_SIZE)?.flags).not.toContain('rr');
  });

  test('drops what is not needed', () => {
    const { address, bytes } = reserve(2);
    bytes.fill(1);
    memory.advise(address, PAGE_SIZE, MADV_DONTNEED);
    expect([bytes[0], bytes[PAGE_SIZE]]).toEqual([0, 1]);
  });

  test('populates for reading, and for writing, which takes the space', () => {
    using file = mappedFile(4);
    memory.advise(file.address, 2 * PAGE_SIZE, MADV_POPULATE_READ);
    expect(mappingAt(file.address)?.kib.Rss).toBe((2 * PAGE_SIZE) / 1024);
    memory.advise(file.address, 3 * PAGE_SIZE, MADV_POPULATE_WRITE);
    expect(mappingAt(file.address)?.kib.Rss).toBe((3 * PAGE_SIZE) / 1024);
    expect(fstatSync(file.fd).blocks * 512).toBe(3 * PAGE_SIZE);
  });

  test('populates a mapping that may only be read for reading alone', () => {
    using file = mappedFile(1);
    const { address, bytes } = reserve(1);
    memory.map(address, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, file.fd, 0);
    memory.advise(address, PAGE_SIZE, MADV_POPULATE_READ);
    expect(thrownBy(() => memory.advise(address, PAGE_SIZE, MADV_POPULATE_WRITE))).toMatchObject({
      syscall: 'madvise',
    });
    expect(bytes[0]).toBe(0);
  });

  test.each([
    ['MADV_POPULATE_READ', MADV_POPULATE_READ],
    ['MADV_POPULATE_WRITE', MADV_POPULATE_WRITE],
  ])('%s past the end of the file is EFAULT, not SIGBUS', (_name, advice) => {
    using file = mappedFile(4);
    ftruncateSync(file.fd, 2 * PAGE_SIZE);
    memory.advise(file.address, 2 * PAGE_SIZE, advice);
    const past = thrownBy(() => memory.advise(file.address, 3 * PAGE_SIZE, advice, file.path));
    expect(past).toMatchObject({ name: 'LinuxError', code: 'EFAULT', syscall: 'madvise', path: file.path });
  });

  test('is refused by name', () => {
    using file = mappedFile(1);
    const missing = nowhere();
    expect(thrownBy(() => memory.advise(file.address, PAGE_SIZE, 9999))).toMatchObject({ code: 'EINVAL' });
    expect(thrownBy(() => memory.advise(missing, PAGE_SIZE, MADV_SEQUENTIAL))).toMatchObject({ code: 'ENOMEM' });
  });
});

describe('mincore', () => {
  test('tells page by page what is in memory', () => {
    using file = mappedFile(5);
    file.bytes[0] = 1;
    file.bytes[3 * PAGE_SIZE] = 1;
    const residency = memory.residency(file.address, 4 * PAGE_SIZE + 1);
    expect(Array.from(residency, (byte) => byte & 1)).toEqual([1, 0, 0, 1, 0]);
  });

  test('is refused by name', () => {
    const missing = nowhere();
    expect(thrownBy(() => memory.residency(missing, PAGE_SIZE))).toMatchObject({ code: 'ENOMEM', syscall: 'mincore' });
  });
});

describe('mlock', () => {
  test('holds the range and lets it go', () => {
    using file = mappedFile(4);
    memory.lock(file.address, 2 * PAGE_SIZE);
    expect(mappingAt(file.address)).toMatchObject({ flags: expect.arrayContaining(['lo']) });
    expect(mappingAt(file.address + 2 * PAGE_SIZE)?.flags).not.toContain('lo');
    expect(statusNumber('VmLck')).toBe((2 * PAGE_SIZE) / 1024);
    memory.unlock(file.address, 2 * PAGE_SIZE);
    expect(statusNumber('VmLck')).toBe(0);
  });

  test('is refused past the limit of locked memory, with a way out', async () => {
    // Root may lock what it likes, so the program gives root up.
    const [error] = await runProgram<PlainError>('linux-lock-limit', whyNotRoot === null ? NOBODY : null, {
      wrapper: ['sh', '-c', 'ulimit -l 64 && exec "$@"', 'sh'],
    });
    expect(error).toMatchObject({ name: 'LinuxError', code: 'ENOMEM', syscall: 'mlock' });
    expect(error?.remedy).toMatch(/free memory/);
  });

  test('is refused by name', () => {
    const missing = nowhere();
    expect(thrownBy(() => memory.lock(missing, PAGE_SIZE))).toMatchObject({ code: 'ENOMEM', syscall: 'mlock' });
    expect(thrownBy(() => memory.unlock(missing, PAGE_SIZE))).toMatchObject({ code: 'ENOMEM', syscall: 'munlock' });
  });
});

test('a refusal is a LinuxError for whoever asks with instanceof', () => {
  let caught: unknown;
  try {
    memory.unmap(1, 1);
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(LinuxError);
});
