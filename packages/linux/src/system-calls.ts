import './platform.ts';
import koffi from 'koffi';

/**
 * The system calls that memlane makes beyond `node:fs`, in the kernel's own convention: a result is >= 0 or -errno.
 * Nothing here throws; the typed wrappers of this package turn a refusal into a LinuxError. Addresses are Numbers:
 * user space ends below 2^53 on x64 and arm64, and a BigInt would cost an allocation a call.
 */
export interface SystemCalls {
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, length: number): number;
  msync(address: number, length: number, flags: number): number;
  /** msync on a thread of the pool; `done` gets the result. */
  msyncAsync(address: number, length: number, flags: number, done: (result: number) => void): void;
  madvise(address: number, length: number, advice: number): number;
  mincore(address: number, length: number, residency: Uint8Array): number;
  mlock(address: number, length: number): number;
  munlock(address: number, length: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  ftruncate(fd: number, length: number): number;
  memfdCreate(name: string, flags: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  /** fcntl with a `struct flock`, for the OFD lock commands. */
  fcntlLock(fd: number, command: number, flock: Uint8Array): number;
  linkat(oldDirectory: number, oldPath: string, newDirectory: number, newPath: string, flags: number): number;
  mkfifo(path: string, mode: number): number;
  eventfd(initial: number, flags: number): number;
  /** Puts the reading and the writing end into two words. */
  pipe2(ends: Int32Array, flags: number): number;
  open(path: string, flags: number, mode: number): number;
  read(fd: number, into: Uint8Array, length: number): number;
  write(fd: number, from: Uint8Array, length: number): number;
  close(fd: number): number;
  /** FUTEX_WAIT without the private flag: sleeps while the word at `address` equals `expected`. */
  futexWait(address: number, expected: number, timeoutMs: number): number;
  /** FUTEX_WAKE without the private flag; returns how many were woken. */
  futexWake(address: number, count: number): number;
  schedYield(): number;
  getPageSize(): number;
}

const libc = koffi.load(null);

type Native = { (...parameters: unknown[]): number; async(...parameters: unknown[]): void };

function bind(prototype: string): Native {
  return libc.func(prototype) as unknown as Native;
}

/** errno is read directly after the call, on the same thread, before anything else can make a system call. */
function result(returned: number): number {
  return returned === -1 ? -koffi.errno() : returned;
}

const native = {
  mmap: bind('int64_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)'),
  munmap: bind('int munmap(uintptr_t address, size_t length)'),
  msync: bind('int msync(uintptr_t address, size_t length, int flags)'),
  madvise: bind('int madvise(uintptr_t address, size_t length, int advice)'),
  mincore: bind('int mincore(uintptr_t address, size_t length, void *residency)'),
  mlock: bind('int mlock(uintptr_t address, size_t length)'),
  munlock: bind('int munlock(uintptr_t address, size_t length)'),
  fallocate: bind('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
  ftruncate: bind('int ftruncate(int fd, int64_t length)'),
  memfdCreate: bind('int memfd_create(const char *name, unsigned int flags)'),
  fcntl: bind('int fcntl(int fd, int command, int argument)'),
  fcntlLock: bind('int fcntl(int fd, int command, void *flock)'),
  linkat: bind('int linkat(int oldDirectory, const char *oldPath, int newDirectory, const char *newPath, int flags)'),
  mkfifo: bind('int mkfifo(const char *path, unsigned int mode)'),
  eventfd: bind('int eventfd(unsigned int initial, int flags)'),
  pipe2: bind('int pipe2(void *ends, int flags)'),
  // Variadic in C, as is syscall below: the integer registers are those of a fixed prototype on both ABIs.
  open: bind('int open(const char *path, int flags, unsigned int mode)'),
  read: bind('int64_t read(int fd, void *into, size_t length)'),
  write: bind('int64_t write(int fd, const void *from, size_t length)'),
  close: bind('int close(int fd)'),
  futex: bind('int64_t syscall(int64_t number, uintptr_t address, int64_t operation, int64_t value, void *timeout)'),
  schedYield: bind('int sched_yield()'),
  getPageSize: bind('int getpagesize()'),
};

const SYS_FUTEX = process.arch === 'arm64' ? 98 : 202;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;

/** A `struct timespec` of two 64-bit words, reused: the call returns before anybody else can run on this thread. */
const timespec = new Int32Array(4);

const table: SystemCalls = {
  mmap: (address, length, protection, flags, fd, offset) =>
    result(native.mmap(address, length, protection, flags, fd, offset)),
  munmap: (address, length) => result(native.munmap(address, length)),
  msync: (address, length, flags) => result(native.msync(address, length, flags)),
  msyncAsync: (address, length, flags, done) => {
    // errno of a pool thread cannot be read from here, so a failed call is made once more on this thread.
    native.msync.async(address, length, flags, (_error: unknown, returned: number) =>
      done(returned === 0 ? 0 : table.msync(address, length, flags)),
    );
  },
  madvise: (address, length, advice) => result(native.madvise(address, length, advice)),
  mincore: (address, length, residency) => result(native.mincore(address, length, residency)),
  mlock: (address, length) => result(native.mlock(address, length)),
  munlock: (address, length) => result(native.munlock(address, length)),
  fallocate: (fd, mode, offset, length) => result(native.fallocate(fd, mode, offset, length)),
  ftruncate: (fd, length) => result(native.ftruncate(fd, length)),
  memfdCreate: (name, flags) => result(native.memfdCreate(name, flags)),
  fcntl: (fd, command, argument) => result(native.fcntl(fd, command, argument)),
  fcntlLock: (fd, command, flock) => result(native.fcntlLock(fd, command, flock)),
  linkat: (oldDirectory, oldPath, newDirectory, newPath, flags) =>
    result(native.linkat(oldDirectory, oldPath, newDirectory, newPath, flags)),
  mkfifo: (path, mode) => result(native.mkfifo(path, mode)),
  eventfd: (initial, flags) => result(native.eventfd(initial, flags)),
  pipe2: (ends, flags) => result(native.pipe2(ends, flags)),
  open: (path, flags, mode) => result(native.open(path, flags, mode)),
  read: (fd, into, length) => result(native.read(fd, into, length)),
  write: (fd, from, length) => result(native.write(fd, from, length)),
  close: (fd) => result(native.close(fd)),
  futexWait: (address, expected, timeoutMs) => {
    timespec[0] = Math.floor(timeoutMs / 1000);
    timespec[2] = Math.floor((timeoutMs % 1000) * 1e6);
    return result(native.futex(SYS_FUTEX, address, FUTEX_WAIT, expected, timespec));
  },
  futexWake: (address, count) => result(native.futex(SYS_FUTEX, address, FUTEX_WAKE, count, null)),
  schedYield: () => result(native.schedYield()),
  getPageSize: () => result(native.getPageSize()),
};

/** The table that every wrapper of memlane calls through. Read-only to users; faults are put in by {@link replaceSystemCall}. */
export const systemCalls: Readonly<SystemCalls> = table;

/**
 * Replaces one entry of the table until the returned handle is disposed: the seam for fault injection.
 *
 * The replacement gets the original, so that it can fail once and then let calls through. Affects this thread only.
 * Replacements of one entry stack, and may be disposed in any order.
 *
 * @example
 * using fault = replaceSystemCall('fallocate', () => () => -28); // every fallocate says ENOSPC
 */
export function replaceSystemCall<Name extends keyof SystemCalls>(
  name: Name,
  replace: (original: SystemCalls[Name]) => SystemCalls[Name],
): Disposable {
  const original = table[name] as (...parameters: unknown[]) => unknown;
  const replacement = replace(table[name]) as typeof original;
  let active = true;
  // Passes through once disposed: another replacement, made later, may still call it or put it back.
  const layer = (...parameters: unknown[]): unknown => (active ? replacement : original)(...parameters);
  table[name] = layer as SystemCalls[Name];
  return {
    [Symbol.dispose](): void {
      active = false;
      if (table[name] === layer) table[name] = original as SystemCalls[Name];
    },
  };
}

/** Address of the first byte of a view. The caller keeps the view alive for as long as it uses the address. */
export function addressOf(view: ArrayBufferView): number {
  return Number(koffi.address(view));
}
