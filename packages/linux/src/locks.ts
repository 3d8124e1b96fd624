import { F_OFD_GETLK, F_OFD_SETLK, F_RDLCK, F_UNLCK, F_WRLCK } from './constants.ts';
import { LinuxError, orThrow } from './errors.ts';
import { systemCalls } from './system-calls.ts';

/*
 * Open-file-description locks (fcntl(2), F_OFD_*): a lock belongs to the open() that took it and the kernel drops it when
 * the last descriptor of that open() is closed, whatever way its holder dies. It knows nothing of pids, so neither pid
 * reuse nor pid namespaces can fool it. Rejected: flock(2), one lock a file; POSIX locks, dropped when any descriptor of
 * the process closes the file.
 *
 * struct flock: i16 type, i16 whence, 4 bytes of padding, i64 start, i64 length, i32 pid (0 for OFD), 4 bytes of padding.
 */
const flock = new Uint8Array(32);
const fields = new DataView(flock.buffer);

function describe(type: number, byte: bigint): Uint8Array {
  fields.setInt16(0, type, true);
  fields.setInt16(2, 0, true); // SEEK_SET
  fields.setBigInt64(8, byte, true);
  fields.setBigInt64(16, 1n, true);
  fields.setInt32(24, 0, true); // must be 0, or the kernel says EINVAL
  return flock;
}

/**
 * Takes a write lock on one byte of the file for this open file description. Does not block.
 *
 * @returns false when another description holds any lock on that byte.
 * @throws LinuxError for anything but contention (EBADF when `fd` is not open for writing).
 */
export function tryLockByte(fd: number, byte: bigint): boolean {
  const result = systemCalls.fcntlLock(fd, F_OFD_SETLK, describe(F_WRLCK, byte));
  if (result >= 0) return true;
  const error = new LinuxError('fcntl(F_OFD_SETLK)', -result);
  if (error.code === 'EAGAIN' || error.code === 'EACCES') return false;
  throw error;
}

/** Gives a byte lock back. A byte that was not locked is no error. */
export function unlockByte(fd: number, byte: bigint): void {
  orThrow(systemCalls.fcntlLock(fd, F_OFD_SETLK, describe(F_UNLCK, byte)), 'fcntl(F_OFD_SETLK)');
}

/**
 * Whether another open file description holds a write lock on that byte. A description does not see its own lock, and a
 * read lock does not count: any reader of the file could take one and pretend to be alive.
 */
export function isByteWriteLocked(fd: number, byte: bigint): boolean {
  orThrow(systemCalls.fcntlLock(fd, F_OFD_GETLK, describe(F_RDLCK, byte)), 'fcntl(F_OFD_GETLK)');
  return fields.getInt16(0, true) === F_WRLCK;
}
