import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** One row of the error table: what happened, and what to do about it. */
export interface ErrorDescription {
  readonly meaning: string;
  readonly remedy: string;
}

/**
 * Every code that memlane itself throws, with its remedy. Codes are permanent: compare by `error.code`, never by class
 * or message. docs/errors.md is compared with this table by a test.
 */
export const ERROR_CODES = {
  ERR_MEMLANE_ARGUMENT: {
    meaning: 'An argument has the wrong type or lies outside its limits.',
    remedy: 'Pass a value inside the limits that the message names.',
  },
  ERR_MEMLANE_BUSY: {
    meaning:
      'The place in the file (of a producer, a consumer, a writer, a counter; the attach lock) is held by somebody who is alive.',
    remedy: 'Close the other one first, or attach to another ring; a dead holder never causes this.',
  },
  ERR_MEMLANE_CLOSED: {
    meaning: 'The object was closed before this call.',
    remedy: 'Do not use an object after close(); open or attach it anew.',
  },
  ERR_MEMLANE_CODEC: {
    meaning: 'The bytes of a message are not what the codec of the queue writes.',
    remedy: 'Find out who else writes to the queue; a message that nobody can read ends among the dead letters.',
  },
  ERR_MEMLANE_CONCURRENT: {
    meaning:
      'One endpoint was used twice at the same time: a second wait, or a poll handler that reads from its consumer.',
    remedy: 'Await the first wait before starting the second; leave reading to the poll that calls the handler.',
  },
  ERR_MEMLANE_CORRUPT: {
    meaning: 'A field of the file, or a word that a peer wrote, has a value that no correct program writes.',
    remedy: 'Remove the file and create it again; find out who else writes to it.',
  },
  ERR_MEMLANE_DELETED: {
    meaning: 'The file was deleted or replaced while it was being attached to.',
    remedy: 'Open it again by name; the name may now mean a new file.',
  },
  ERR_MEMLANE_ENDED: {
    meaning: 'The producer said end(); this stream takes no more messages.',
    remedy: 'Attach a new producer to start the next stream.',
  },
  ERR_MEMLANE_EVICTED: {
    meaning: 'The consumer was further behind than the ring allows (maxLagBytes), and the producer has passed it over.',
    remedy: 'Close it and attach anew; read faster, or allow more lag, or a larger capacity.',
  },
  ERR_MEMLANE_EXISTS: {
    meaning: 'The name is taken by another file.',
    remedy:
      'Open it instead (openRing, openOrCreateRing and the like), remove it (removeRing), or choose another name.',
  },
  ERR_MEMLANE_FULL: {
    meaning: "There is no room for the message, and the queue was told to fail then (whenFull: 'fail').",
    remedy: "Consume faster, create the queue with a larger capacity, or let it wait (whenFull: 'wait').",
  },
  ERR_MEMLANE_INVALID: {
    meaning: 'The schema of the queue refuses the message; the error says what it has found.',
    remedy: 'Send what the schema allows; on the receiving side: give sender and receiver the same schema.',
  },
  ERR_MEMLANE_IO: {
    meaning:
      'A page of the mapped file could not be had: the device failed, the file was cut and grown again, or may not be written any more. A private page stands in its place.',
    remedy: 'Look into the kernel log, and for who else changes the file; then open it again.',
  },
  ERR_MEMLANE_KIND: {
    meaning: 'The file is one of memlane, but of another kind than was asked for.',
    remedy: 'Open it with the function for its kind.',
  },
  ERR_MEMLANE_MESSAGE_TOO_LONG: {
    meaning: 'The message does not fit the ring, even when the ring is empty.',
    remedy: 'Create the ring with a larger capacityBytes, or split the message.',
  },
  ERR_MEMLANE_NOT_A_FILE: {
    meaning: 'The path names a directory, a FIFO, a socket or a device, not a regular file.',
    remedy: 'Pass the path of a regular file.',
  },
  ERR_MEMLANE_NOT_MEMLANE: {
    meaning: 'The file does not begin with the magic number, or its creation never finished.',
    remedy: 'Check the path; remove the file if it was meant to be one of memlane.',
  },
  ERR_MEMLANE_NO_SPACE: {
    meaning: 'The file system had no space for a page of the mapped file that was stored to; the store is lost.',
    remedy: 'Free space, then open the file again; files that memlane creates have their space reserved.',
  },
  ERR_MEMLANE_OWNER: {
    meaning: 'The file belongs to neither this user nor root, so its contents cannot be trusted.',
    remedy: 'Run as the owner, or name that user in trustOwner if you mean it.',
  },
  ERR_MEMLANE_PEER_DIED: {
    meaning:
      'The server died (or closed) while it had the request: as often as the service allows, or when a part of a stream had come.',
    remedy:
      'Send the request again, if it may be done twice; find out what the servers die of; allow more retries when creating the service.',
  },
  ERR_MEMLANE_PERMISSIVE: {
    meaning: 'Every user of the machine may write to the file, so its contents cannot be trusted.',
    remedy: 'Remove the permission (chmod o-w), or pass allowWorldWritable if you mean it.',
  },
  ERR_MEMLANE_PLATFORM: {
    meaning: 'memlane cannot run on this machine or this Node.js, or its native part is missing or of another version.',
    remedy:
      'Use Linux on x64 or arm64 with Node.js 20.19 or later. If it is the native part: install memlane anew; in a checkout, install gcc and run npm run build.',
  },
  ERR_MEMLANE_READ_ONLY: {
    meaning: 'The region or file was opened with read access, and a call, or a store through its memory, would write.',
    remedy: "Open it with access 'readwrite'.",
  },
  ERR_MEMLANE_REMOTE: {
    meaning: 'The handler of the server has failed; error.cause is what it has thrown, with name, message and code.',
    remedy: 'Read error.cause; mend the handler, or what it was asked.',
  },
  ERR_MEMLANE_SIGNATURE: {
    meaning: 'The file was made by a build whose layout differs from this one, though the version number is the same.',
    remedy: 'Use the same build on both sides, or remove the file and create it again.',
  },
  ERR_MEMLANE_STALE: {
    meaning:
      'The reference names a buffer that is gone, or was used already, or whose sender has left before it was taken.',
    remedy:
      'Take each reference once, and while its sender or the message that carries it is there; share the buffer again.',
  },
  ERR_MEMLANE_SYMLINK: {
    meaning: 'The last part of the path is a symbolic link, which could lead to a file that somebody else chose.',
    remedy: 'Pass the path of the file itself (realpath).',
  },
  ERR_MEMLANE_TOO_LARGE: {
    meaning: 'This Node.js cannot address that much in one region.',
    remedy: 'Map a smaller window (offset, length), or use Node.js 22 or later.',
  },
  ERR_MEMLANE_TRUNCATED: {
    meaning: 'The file is shorter than its header says, or than the part that was asked for or mapped.',
    remedy: 'Find out who cut it; remove it and create it again.',
  },
  ERR_MEMLANE_TYPE: {
    meaning: 'The queue exists, but with another pattern, codec or type of messages than it is opened with.',
    remedy: 'Open it with what it was created with (listQueues tells), or choose another name.',
  },
  ERR_MEMLANE_UNSEALED: {
    meaning: 'The anonymous file is not sealed against shrinking, so whoever sent it could cut it under this process.',
    remedy: 'Make it with createAnonymousRing or Region.createAnonymous, which seal it.',
  },
  ERR_MEMLANE_VERSION: {
    meaning: 'The file has another layout version than this build understands.',
    remedy: 'Upgrade the older side, or remove the file and create it again.',
  },
  ERR_MEMLANE_WAIT_STRATEGY: {
    meaning: 'The wait strategy cannot be used this way: park blocks the thread, event needs the event loop.',
    remedy: "Use 'adaptive', or 'park' with waitSync() and 'event' with await.",
  },
} as const;

/** A permanent error code of memlane. */
export type MemlaneErrorCode = keyof typeof ERROR_CODES;

/**
 * An error of memlane's own: misuse, a file it will not trust, a peer that lies.
 *
 * @example
 * try { openRing('orders'); } catch (error) { if (error.code === 'ERR_MEMLANE_VERSION') upgrade(); else throw error; }
 */
export class MemlaneError extends Error {
  override readonly name: string = 'MemlaneError';
  /** Permanent code; the key into {@link ERROR_CODES}. */
  readonly code: MemlaneErrorCode;
  /** What to do about it. */
  readonly remedy: string;
  /** The file concerned, where there is one. */
  readonly path: string | undefined;
  /** The header field or shared word that is wrong, for ERR_MEMLANE_CORRUPT. */
  readonly field: string | undefined;
  /** The byte of the file that could not be accessed, for faults of a mapping. */
  readonly offset: number | undefined;

  constructor(
    code: MemlaneErrorCode,
    detail: string,
    where: { path?: string | undefined; field?: string; offset?: number; cause?: unknown } = {},
  ) {
    const { remedy }: ErrorDescription = ERROR_CODES[code];
    super(
      `${detail}${where.path === undefined ? '' : ` (${where.path})`}. ${remedy}`,
      'cause' in where ? { cause: where.cause } : {},
    );
    this.code = code;
    this.remedy = remedy;
    this.path = where.path;
    this.field = where.field;
    this.offset = where.offset;
  }
}

/** Throws ERR_MEMLANE_ARGUMENT naming the argument, its value and the limit. */
export function throwArgument(name: string, value: unknown, limit: string): never {
  throw new MemlaneError('ERR_MEMLANE_ARGUMENT', `${name} is ${describe(value)}, but must be ${limit}`);
}

/** Returns `value` when it is an integer in [min, max]; throws ERR_MEMLANE_ARGUMENT otherwise. */
export function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throwArgument(name, value, `an integer from ${min} to ${max}`);
  return value as number;
}

/** Throws ERR_MEMLANE_ARGUMENT unless `value` is what can be a path. */
export function checkPath(name: string, value: unknown): void {
  if (typeof value !== 'string' || value.length === 0 || value.includes('\0'))
    throwArgument(name, value, 'a path: a string, not empty and without zero bytes');
}

const TYPES = { boolean: 'true or false', number: 'a number', function: 'a function' } as const;

/** Throws ERR_MEMLANE_ARGUMENT unless `value` is of that type. */
export function checkType(name: string, value: unknown, type: keyof typeof TYPES): void {
  if (typeof value !== type) throwArgument(name, value, TYPES[type]);
}

/** Throws ERR_MEMLANE_ARGUMENT unless `value` is one of `allowed`. */
export function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string)) throwArgument(name, value, `one of ${allowed.join(', ')}`);
}

/**
 * Returns `value` when it can be an object of options; throws ERR_MEMLANE_ARGUMENT otherwise. Not any object will do: an
 * AbortSignal, an array or a typed array in place of the options that were to hold it would count as options without any.
 */
export function checkOptions<Options extends object>(name: string, value: Options): Options {
  if (Object.prototype.toString.call(value) !== '[object Object]') throwArgument(name, value, 'an object with options');
  return value;
}

/** Throws ERR_MEMLANE_ARGUMENT unless `value` is an AbortSignal or undefined. By its shape: one of another realm will do. */
export function checkSignal(value: unknown): void {
  if (value === undefined) return;
  const signal = value as Partial<AbortSignal> | null;
  if (typeof signal?.throwIfAborted !== 'function' || typeof signal.addEventListener !== 'function')
    throwArgument('signal', value, 'an AbortSignal');
}

/** A value for people, of any kind, in a line that is not too long. */
function describe(value: unknown): string {
  if (typeof value === 'string') return value.length > 300 ? `a string of ${value.length} characters` : `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  const name: unknown = value.constructor?.name;
  return `of type ${typeof name === 'string' && name !== '' ? name : 'object'}`;
}

/** What to do about the refusals of the kernel that users of memlane meet. Compared with docs/errors.md by a test. */
export const SYSTEM_REMEDIES = {
  EACCES: 'This user lacks the permission: check owner and mode of the file and of every folder above it.',
  EAGAIN: 'A limit of the system is reached for now: try again, or raise the limit (ulimit -l for locked memory).',
  EDQUOT: "The user's disk quota is used up: free space or raise the quota.",
  EEXIST: 'The name is taken: choose another or remove it.',
  EINVAL: 'The kernel or the file system does not support this call with these arguments.',
  EIO: 'The device failed to read or write: look into the kernel log.',
  EMFILE: 'This process has too many open files: raise the limit (ulimit -n).',
  ENFILE: 'The system has too many open files: raise fs.file-max.',
  ENOENT: 'Nothing has that name: create it first, or check the path.',
  ENOMEM:
    'No memory or too many mappings: free memory, raise vm.max_map_count, or check the memory limit of the container.',
  ENOSPC:
    'The file system is full; in a container /dev/shm is 64 MB unless --shm-size says more: free space, enlarge it, or use another path.',
  ENOTDIR: 'A part of the path is not a folder.',
  EOPNOTSUPP: 'The file system does not support this call: use another one (tmpfs, ext4, xfs).',
  EPERM: 'The file is sealed, immutable or protected by another rule: see lsattr and the seals of the file.',
  EROFS: 'The file system is mounted read-only: use another path, or open with read access.',
} as const;

// Where two names share a number, the one that Linux documents for the calls made here comes last and wins.
// getSystemErrorName is no help: libuv calls 95 ENOTSUP.
const ERRNO_NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(constants.errno).map(([name, errno]): [number, string] => [errno, name]),
  [constants.errno.EAGAIN, 'EAGAIN'],
  [constants.errno.EOPNOTSUPP, 'EOPNOTSUPP'],
]);

/**
 * The kernel refused: one system call, its errno, and what to do.
 *
 * @example
 * try { createRing('big', { capacityBytes: 1 << 30 }); }
 * catch (error) { if (error.code === 'ENOSPC') console.error(error.remedy); }
 */
export class LinuxError extends Error {
  override readonly name: string = 'LinuxError';
  /** The errno's name, 'ENOSPC' for example. */
  readonly code: string;
  /** The positive errno of Linux. */
  readonly errno: number;
  /** The system call that failed. */
  readonly syscall: string;
  readonly path: string | undefined;
  readonly remedy: string | undefined;

  constructor(syscall: string, errno: number, path?: string) {
    const code = ERRNO_NAMES.get(errno) ?? `E${errno}`;
    const text = getSystemErrorMap().get(-errno)?.[1] ?? 'the system refused';
    const remedy = (SYSTEM_REMEDIES as Record<string, string>)[code];
    super(
      `${syscall} failed: ${code}, ${text}${path === undefined ? '' : ` (${path})`}.${remedy === undefined ? '' : ` ${remedy}`}`,
    );
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
    this.remedy = remedy;
  }
}

/** Returns the result of a system call from the table, or throws its refusal as a {@link LinuxError}. */
export function orThrow(result: number, syscall: string, path?: string): number {
  if (result < 0) throw new LinuxError(syscall, -result, path);
  return result;
}
