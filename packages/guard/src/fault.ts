import { readSync, statfsSync } from 'node:fs';
import { MemlaneError, type MemlaneErrorCode } from '@memlane/linux';

/** What stood behind an access that the kernel refused. */
export type FaultCause = 'truncated' | 'no-space' | 'io-error' | 'read-only' | 'unknown';

/** An access to a mapped file that would have ended the process. The first one of its range is kept. */
export interface Fault {
  readonly cause: FaultCause;
  readonly path: string | undefined;
  /** Byte of the file that was accessed. */
  readonly offset: number;
  /** Bytes that the file had at that moment; undefined when it could not be asked. */
  readonly fileLength: number | undefined;
  /** Accesses refused so far, this one included. */
  readonly count: number;
}

const CODES: Readonly<Record<FaultCause, MemlaneErrorCode>> = {
  truncated: 'ERR_MEMLANE_TRUNCATED',
  'no-space': 'ERR_MEMLANE_NO_SPACE',
  'io-error': 'ERR_MEMLANE_IO',
  'read-only': 'ERR_MEMLANE_READ_ONLY',
  unknown: 'ERR_MEMLANE_IO',
};

/** The fault as the error that the next check throws; its text says how to recover. */
export function faultError({ cause, path, offset, fileLength }: Fault): MemlaneError {
  const text: Readonly<Record<FaultCause, string>> = {
    truncated: `The mapped file was cut to ${fileLength} bytes, and byte ${offset} was accessed`,
    'no-space': `No space was left to store byte ${offset} of the mapped file`,
    'io-error': `The device could not read byte ${offset} of the mapped file`,
    'read-only': `Byte ${offset} of a file mapped with read access was stored to; the store went into a private page`,
    unknown: `Byte ${offset} of the mapped file could not be accessed`,
  };
  return new MemlaneError(CODES[cause], text[cause], { path, offset });
}

/** `enum cause` of native/guard.c. */
const Cause = { truncated: 1, unbacked: 2, readOnly: 3 } as const;

/** `si_code` of SIGBUS for memory that is broken. */
const BROKEN_MEMORY: readonly number[] = [4, 5];

/** Tells apart, by asking the file, what a signal leaves open. */
export function classify(cause: number, code: number, fd: number, offset: number): FaultCause {
  if (cause === Cause.truncated) return 'truncated';
  if (cause === Cause.readOnly) return 'read-only';
  if (BROKEN_MEMORY.includes(code)) return 'io-error';
  try {
    // A page inside the file that cannot be had: a hole that cannot be filled, or a device that cannot read it.
    readSync(fd, new Uint8Array(1), 0, 1, offset);
    // Otherwise: cut, and grown again before it was asked for its length; or a store that the file system refuses.
    return statfsSync(`/proc/self/fd/${fd}`).bavail === 0 ? 'no-space' : 'unknown';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EIO' ? 'io-error' : 'unknown';
  }
}
