import {
  closeSync,
  constants as fs,
  fstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  addSeals,
  allocate,
  close,
  constants,
  createEventFd,
  createMemoryFile,
  getSeals,
  linkUnnamed,
  makeFifo,
  O_TMPFILE,
  open,
  openForHandle,
  PAGE_SIZE,
  replaceSystemCall,
  status,
  systemCalls,
  truncate,
} from '@memlane/linux';
import { runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { thrownBy } from '../support/speech.ts';
import { rootTest } from './machine.ts';
import { mapShared } from './pages.ts';
import { closesOnExec, openDescriptors } from './proc.ts';

const { F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE } = constants;

/** A descriptor that is closed at the end of the scope. */
function holding(fd: number): Disposable & { readonly fd: number } {
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

describe('open', () => {
  test('opens close-on-exec, with the mode asked for', () => {
    using scratch = scratchFolder();
    using file = holding(open(scratch.file('a'), fs.O_RDWR | fs.O_CREAT, 0o640));
    expect(status(file.fd).mode & 0o777).toBe(0o640 & ~process.umask());
    expect(closesOnExec(file.fd)).toBe(true);
  });

  test.each([2 ** 31, 2 ** 32, -1, 0.5, 0o10000, '0600', null, 8n])(
    'names the mode %s, which could end the process',
    (mode) => {
      using scratch = scratchFolder();
      expect(thrownBy(() => open(scratch.file('a'), fs.O_RDWR | fs.O_CREAT, mode as number))).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringContaining('mode is '),
      });
      expect(scratch.entries()).toEqual([]);
    },
  );

  test('takes a negative zero for a mode', () => {
    using scratch = scratchFolder();
    using file = holding(open(scratch.file('a'), fs.O_RDWR | fs.O_CREAT, -0));
    expect(status(file.fd).mode & 0o777).toBe(0);
  });

  test.each([undefined, null, 7, '', 'a\0b', Buffer.from('a'), Symbol('a'), {}])('names what is no path', (path) => {
    expect(thrownBy(() => open(path as string, fs.O_RDONLY))).toMatchObject({
      code: 'ERR_MEMLANE_ARGUMENT',
      message: expect.stringContaining('path is '),
    });
  });

  test.each([undefined, null, 7, 'a\0b', {}, 'x'.repeat(250), 'ä'.repeat(125)])(
    'names what is no name of a memory file',
    (name) => {
      expect(thrownBy(() => createMemoryFile(name as string))).toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
    },
  );

  test('follows no link with O_NOFOLLOW', () => {
    using scratch = scratchFolder();
    writeFileSync(scratch.file('target'), '');
    symlinkSync('target', scratch.file('link'));
    const path = scratch.file('link');
    expect(thrownBy(() => open(path, fs.O_RDONLY | fs.O_NOFOLLOW))).toMatchObject({
      name: 'LinuxError',
      code: 'ELOOP',
      syscall: 'open',
      path,
    });
    close(open(path, fs.O_RDONLY));
  });

  test('is refused by name and with a remedy', () => {
    using scratch = scratchFolder();
    const path = scratch.file('none');
    expect(thrownBy(() => open(path, fs.O_RDONLY))).toMatchObject({ code: 'ENOENT', path, remedy: expect.any(String) });
    expect(thrownBy(() => status(99999))).toMatchObject({ name: 'LinuxError', code: 'EBADF', syscall: 'fstat' });
  });
});

test('openForHandle opens what Node does not know of, close-on-exec too', () => {
  using scratch = scratchFolder();
  const path = scratch.file('a');
  writeFileSync(path, 'contents');
  const fd = openForHandle(path, fs.O_RDONLY);
  expect(openDescriptors().get(fd)).toBe(path);
  expect(closesOnExec(fd)).toBe(true);
  expect(systemCalls.close(fd)).toBe(0);
  expect(thrownBy(() => openForHandle(scratch.file('none'), fs.O_RDONLY))).toMatchObject({
    name: 'LinuxError',
    code: 'ENOENT',
    syscall: 'open',
    path: scratch.file('none'),
  });
});

describe('a file without a name', () => {
  test('gets one, complete, by linkUnnamed', () => {
    using scratch = scratchFolder();
    using file = holding(open(scratch.path, O_TMPFILE | fs.O_RDWR));
    writeSync(file.fd, 'complete');
    expect(scratch.entries()).toEqual([]);
    linkUnnamed(file.fd, scratch.file('named'));
    expect(scratch.entries()).toEqual(['named']);
    expect(readFileSync(scratch.file('named'), 'utf8')).toBe('complete');
    expect(statSync(scratch.file('named')).ino).toBe(status(file.fd).ino);
  });

  test('does not replace a name that is taken', () => {
    using scratch = scratchFolder();
    const path = scratch.file('taken');
    writeFileSync(path, 'first');
    using file = holding(open(scratch.path, O_TMPFILE | fs.O_RDWR));
    expect(thrownBy(() => linkUnnamed(file.fd, path))).toMatchObject({ code: 'EEXIST', syscall: 'linkat', path });
    expect(readFileSync(path, 'utf8')).toBe('first');
  });
});

describe('allocate', () => {
  test('extends the file and takes the space', () => {
    using scratch = scratchFolder();
    using file = holding(open(scratch.file('a'), fs.O_RDWR | fs.O_CREAT));
    allocate(file.fd, PAGE_SIZE, 2 * PAGE_SIZE);
    expect(fstatSync(file.fd)).toMatchObject({ size: 3 * PAGE_SIZE, blocks: (2 * PAGE_SIZE) / 512 });
  });

  rootTest('is ENOSPC on a full file system, which says what to do', async () => {
    using scratch = scratchFolder();
    mkdirSync(scratch.file('small'));
    const [error] = await runProgram('linux-full', scratch.file('small'), {
      wrapper: [
        ...['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs -o size=1m memlane "$1" && shift && exec "$@"', 'sh'],
        scratch.file('small'),
      ],
    });
    expect(error).toEqual({
      name: 'LinuxError',
      code: 'ENOSPC',
      syscall: 'fallocate',
      path: '/full',
      message: expect.stringContaining('/full'),
      remedy: expect.stringContaining('--shm-size'),
      sizeAfterwards: 0,
    });
  });

  test('is taken up again after a signal', () => {
    using scratch = scratchFolder();
    using file = holding(open(scratch.file('a'), fs.O_RDWR | fs.O_CREAT));
    let interrupted = 0;
    using _fault = replaceSystemCall(
      'fallocate',
      (original) =>
        (...range) =>
          interrupted++ < 3 ? -4 : original(...range),
    );
    allocate(file.fd, 0, PAGE_SIZE);
    expect(interrupted).toBe(4);
    expect(status(file.fd).size).toBe(PAGE_SIZE);
  });

  test('is refused by name', () => {
    using nothing = holding(open('/dev/null', fs.O_RDWR));
    expect(thrownBy(() => allocate(nothing.fd, 0, 1, '/a'))).toMatchObject({
      code: 'ENODEV',
      syscall: 'fallocate',
      path: '/a',
    });
  });
});

test('truncate sets the length, past 4 GiB too, and is refused by name', () => {
  using scratch = scratchFolder();
  using file = holding(open(scratch.file('a'), fs.O_RDWR | fs.O_CREAT));
  for (const length of [6 * 2 ** 30 + 1, 1]) {
    truncate(file.fd, length);
    expect(status(file.fd).size).toBe(length);
  }
  using readOnly = holding(open(scratch.file('a'), fs.O_RDONLY));
  expect(thrownBy(() => truncate(readOnly.fd, 5, '/a'))).toMatchObject({
    code: 'EINVAL',
    syscall: 'ftruncate',
    path: '/a',
  });
});

describe('a memory file', () => {
  test('has a name in /proc only, is close-on-exec, and costs one descriptor', () => {
    const before = openDescriptors().size;
    using file = holding(createMemoryFile('some name'));
    expect(openDescriptors().get(file.fd)).toBe('/memfd:some name (deleted)');
    expect(openDescriptors().size).toBe(before + 1);
    expect(closesOnExec(file.fd)).toBe(true);
    expect(status(file.fd)).toMatchObject({ size: 0, nlink: 0 });
  });

  test('leaves no descriptor when it cannot be opened again', () => {
    const closed: number[] = [];
    using _made = replaceSystemCall('memfdCreate', () => () => 99_999);
    using _closed = replaceSystemCall('close', () => (fd) => {
      closed.push(fd);
      return 0;
    });
    expect(thrownBy(() => createMemoryFile('a'))).toMatchObject({ name: 'LinuxError', code: 'ENOENT' });
    expect(closed).toEqual([99_999]);
  });

  test('is refused by name', () => {
    using _fault = replaceSystemCall('memfdCreate', () => () => -24);
    expect(thrownBy(() => createMemoryFile('a'))).toMatchObject({ code: 'EMFILE', syscall: 'memfd_create' });
  });

  /** What each seal forbids; everything else stays allowed. */
  const deeds: Readonly<Record<string, (fd: number) => unknown>> = {
    shrink: (fd) => truncate(fd, PAGE_SIZE),
    grow: (fd) => truncate(fd, 3 * PAGE_SIZE),
    allocate: (fd) => allocate(fd, 0, 4 * PAGE_SIZE),
    write: (fd) => {
      const result = systemCalls.write(fd, Uint8Array.of(1), 1);
      if (result < 0) throw Object.assign(new Error('write'), { code: result === -1 ? 'EPERM' : String(result) });
    },
    map: (fd) => mapShared(fd)[Symbol.dispose](),
    seal: (fd) => addSeals(fd, F_SEAL_SHRINK),
  };

  test.each<[string, number, string[]]>([
    ['none', 0, []],
    ['F_SEAL_SHRINK', F_SEAL_SHRINK, ['shrink']],
    ['F_SEAL_GROW', F_SEAL_GROW, ['grow', 'allocate']],
    ['F_SEAL_WRITE', F_SEAL_WRITE, ['write', 'map']],
    ['F_SEAL_FUTURE_WRITE', F_SEAL_FUTURE_WRITE, ['write', 'map']],
    ['F_SEAL_SEAL', F_SEAL_SEAL, ['seal']],
    ['all of memlane', F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, ['shrink', 'grow', 'allocate', 'seal']],
  ])('with seal %s forbids just what that says', (_name, seals, forbidden) => {
    for (const [name, deed] of Object.entries(deeds)) {
      using file = holding(createMemoryFile('sealed'));
      truncate(file.fd, 2 * PAGE_SIZE);
      if (seals !== 0) addSeals(file.fd, seals);
      expect(getSeals(file.fd)).toBe(seals);
      const code = thrownBy(() => deed(file.fd))?.code;
      // mmap calls the same refusal by another name.
      const expected = name === 'map' ? /^E(PERM|ACCES)$/ : /^EPERM$/;
      if (forbidden.includes(name))
        expect(`${name}: ${code}`).toMatch(new RegExp(`^${name}: (${expected.source.slice(1, -1)})$`));
      else expect(`${name}: ${code}`).toBe(`${name}: undefined`);
    }
  });

  test('with F_SEAL_FUTURE_WRITE stays writable where it is mapped already', () => {
    using file = holding(createMemoryFile('sealed'));
    truncate(file.fd, PAGE_SIZE);
    using mapping = mapShared(file.fd);
    expect(thrownBy(() => addSeals(file.fd, F_SEAL_WRITE))).toMatchObject({
      code: 'EBUSY',
      syscall: 'fcntl(F_ADD_SEALS)',
    });
    addSeals(file.fd, F_SEAL_FUTURE_WRITE);
    mapping.bytes[0] = 5;
    const read = new Uint8Array(1);
    expect(systemCalls.read(file.fd, read, 1)).toBe(1);
    expect(read[0]).toBe(5);
  });

  test('alone has seals', () => {
    using scratch = scratchFolder('disk');
    using file = holding(open(scratch.file('a'), fs.O_RDWR | fs.O_CREAT));
    expect(getSeals(file.fd)).toBe(0);
    expect(thrownBy(() => addSeals(file.fd, F_SEAL_GROW))).toMatchObject({ code: 'EINVAL' });
  });
});

test('makeFifo makes a FIFO of its owner alone, and does not replace a name', () => {
  using scratch = scratchFolder();
  const path = scratch.file('fifo');
  makeFifo(path);
  const { mode } = statSync(path);
  expect(mode & fs.S_IFMT).toBe(fs.S_IFIFO);
  expect(mode & 0o777).toBe(0o600);
  expect(thrownBy(() => makeFifo(path))).toMatchObject({ code: 'EEXIST', syscall: 'mkfifo', path });
  expect(thrownBy(() => makeFifo(scratch.file('none/fifo')))).toMatchObject({ code: 'ENOENT' });
});

test('an eventfd adds up what is written and is empty once read', () => {
  const fd = createEventFd(3);
  expect(fd).toBeGreaterThan(2);
  expect(closesOnExec(fd)).toBe(true);
  const count = new BigUint64Array([4n]);
  expect(systemCalls.write(fd, new Uint8Array(count.buffer), 8)).toBe(8);
  expect(systemCalls.read(fd, new Uint8Array(count.buffer), 8)).toBe(8);
  expect(count[0]).toBe(7n);
  expect(systemCalls.read(fd, new Uint8Array(count.buffer), 8)).toBe(-11); // EAGAIN
  expect(systemCalls.close(fd)).toBe(0);
  expect(systemCalls.close(fd)).toBe(-9); // EBADF
  expect(thrownBy(() => createEventFd(0, -1))).toMatchObject({ code: 'EINVAL', syscall: 'eventfd' });
});
