import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import {
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  F_ADD_SEALS,
  F_GET_SEALS,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_CLOEXEC,
} from './constants.ts';
import { checkInteger, checkPath, LinuxError, orThrow, throwArgument } from './errors.ts';
import { systemCalls } from './system-calls.ts';

/** `__O_TMPFILE | O_DIRECTORY`; the second part differs between the architectures, so Node is asked for it. */
export const O_TMPFILE: number = 0o20000000 | constants.O_DIRECTORY;

/**
 * Opens a file with `open(2)` flags. Always close-on-exec; Node closes it when the worker thread that opened it is
 * terminated, which it would not do for a descriptor that came from the table of system calls.
 *
 * @throws LinuxError with the errno of open; ERR_MEMLANE_ARGUMENT.
 */
export function open(path: string, flags: number, mode = 0o600): number {
  checkPath('path', path);
  // Not left to Node, which ends the process for a mode of 2^31, and for -0: hence also the sum.
  const permissions = checkMode(mode) + 0;
  try {
    return openSync(path, flags, permissions);
  } catch (error) {
    throw fromNode(error, path);
  }
}

/** Returns `value` when it can be the permissions of a file; throws ERR_MEMLANE_ARGUMENT otherwise. */
export function checkMode(value: unknown): number {
  return checkInteger('mode', value, 0, 0o7777);
}

/**
 * Opens a file for a handle of Node's, a net.Socket for example, which will close it. Node itself does not know the
 * descriptor: it would close that number a second time, and by then perhaps somebody else's, when a worker thread ends.
 *
 * @throws LinuxError with the errno of open.
 */
export function openForHandle(path: string, flags: number): number {
  return orThrow(systemCalls.open(path, flags | O_CLOEXEC, 0), 'open', path);
}

/** Closes a descriptor of {@link open}. */
export function close(fd: number): void {
  closeSync(fd);
}

/** Status of an open file: sizes as Numbers, exact up to 2^53. */
export function status(fd: number): Stats {
  try {
    return fstatSync(fd);
  } catch (error) {
    throw fromNode(error);
  }
}

/** Turns an error of `node:fs` into a LinuxError; anything else is returned as it is. */
export function fromNode(error: unknown, path?: string): unknown {
  const { errno, syscall } = error as { errno?: unknown; syscall?: unknown };
  if (typeof errno !== 'number' || typeof syscall !== 'string') return error;
  return new LinuxError(syscall, Math.abs(errno), path);
}

/**
 * Reserves space on the file system for a range and extends the file to hold it: a full file system is ENOSPC here
 * instead of SIGBUS at the first store.
 *
 * @throws LinuxError ENOSPC, EDQUOT, EOPNOTSUPP.
 */
export function allocate(fd: number, offset: number, length: number, path?: string): void {
  fallocate(fd, 0, offset, length, path);
}

/** As {@link allocate}, leaving the file as long as it is: one that was cut meanwhile must not look whole again. */
export function allocateWithin(fd: number, offset: number, length: number, path?: string): void {
  fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length, path);
}

/** Gives the space of a range back to the file system; the range reads as zeros. @throws LinuxError EOPNOTSUPP. */
export function punchHole(fd: number, offset: number, length: number, path?: string): void {
  fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length, path);
}

function fallocate(fd: number, mode: number, offset: number, length: number, path: string | undefined): void {
  for (;;) {
    const result = systemCalls.fallocate(fd, mode, offset, length);
    if (result !== -EINTR) {
      orThrow(result, 'fallocate', path);
      return;
    }
  }
}

const EINTR = 4;

/** Sets the length of a file without reserving space. */
export function truncate(fd: number, length: number, path?: string): void {
  orThrow(systemCalls.ftruncate(fd, length), 'ftruncate', path);
}

/**
 * Gives a file without a name (O_TMPFILE) its name, atomically.
 *
 * @throws LinuxError EEXIST when the name is taken.
 */
export function linkUnnamed(fd: number, path: string): void {
  // The /proc path with AT_SYMLINK_FOLLOW, because AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH.
  orThrow(systemCalls.linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, path, AT_SYMLINK_FOLLOW), 'linkat', path);
}

/** What the kernel takes: NAME_MAX without the `memfd:` that it puts in front. */
const MAX_MEMORY_FILE_NAME = 249;

/**
 * Creates an anonymous memory file that can be sealed, and returns a descriptor that Node owns.
 *
 * The kernel's descriptor is opened a second time through /proc and closed: see {@link open}.
 *
 * @throws LinuxError EMFILE, ENFILE, ENOMEM; ERR_MEMLANE_ARGUMENT.
 */
export function createMemoryFile(name: string): number {
  if (typeof name !== 'string' || name.includes('\0') || Buffer.byteLength(name) > MAX_MEMORY_FILE_NAME)
    throwArgument('name', name, `a string without zero bytes, of at most ${MAX_MEMORY_FILE_NAME} bytes`);
  const raw = orThrow(systemCalls.memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), 'memfd_create');
  try {
    return open(`/proc/self/fd/${raw}`, constants.O_RDWR);
  } finally {
    systemCalls.close(raw);
  }
}

/** Adds seals (F_SEAL_*) to a memory file. */
export function addSeals(fd: number, seals: number): void {
  orThrow(systemCalls.fcntl(fd, F_ADD_SEALS, seals), 'fcntl(F_ADD_SEALS)');
}

/** The seals of a file; 0 for a file that cannot have any. */
export function getSeals(fd: number): number {
  return Math.max(0, systemCalls.fcntl(fd, F_GET_SEALS, 0));
}

/**
 * Creates an eventfd: a counter in the kernel, to raise by writing and to wait for by reading eight bytes. The descriptor
 * is not Node's: close it through the table of system calls.
 */
export function createEventFd(initial = 0, flags: number = EFD_CLOEXEC | EFD_NONBLOCK): number {
  return orThrow(systemCalls.eventfd(initial, flags), 'eventfd');
}

/** Creates a FIFO. @throws LinuxError EEXIST, EACCES, EROFS. */
export function makeFifo(path: string, mode = 0o600): void {
  orThrow(systemCalls.mkfifo(path, mode), 'mkfifo', path);
}
