// What is done to the file. Everybody who may write to it can do that at any time.
import { closeSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { constants, systemCalls } from '@memlane/linux';

export interface Blow {
  readonly words: string;
  /** Whether it leaves the length and the head of the file: it may then hit nothing that somebody is still to read. */
  readonly mayMiss: boolean;
  readonly strike: (path: string, bytes: number) => void;
}

/** In this order: the first one has to leave something to be read, and take something away. */
export const BLOWS: readonly Blow[] = [
  { words: 'cut in half', mayMiss: false, strike: (path, bytes) => truncateSync(path, bytes >> 1) },
  { words: 'cut to nothing', mayMiss: false, strike: (path) => truncateSync(path, 0) },
  {
    words: 'cut to nothing and grown again',
    mayMiss: false,
    strike: (path, bytes) => {
      truncateSync(path, 0);
      truncateSync(path, bytes);
    },
  },
  // No access fails: there are zeros now, which only the checksums tell from messages.
  { words: 'every other page punched out', mayMiss: true, strike: punch },
];

/** Deals one of the {@link BLOWS}. */
export function strike(path: string, blow: number): void {
  BLOWS[blow].strike(path, statSync(path).size);
}

/** Of larger pages the kernel zeroes this much. The first one has the head of the ring. */
const PAGE_BYTES = 4096;
/** Some milliseconds: a consumer that is quicker than its producer has read most messages before they are punched out. */
const ROUNDS = 100;

function punch(path: string, bytes: number): void {
  const fd = openSync(path, 'r+');
  const zeros = new Uint8Array(PAGE_BYTES);
  const mode = constants.FALLOC_FL_PUNCH_HOLE | constants.FALLOC_FL_KEEP_SIZE;
  for (let round = 0; round < ROUNDS; round++) {
    for (let at = 2 * PAGE_BYTES; at < bytes; at += 2 * PAGE_BYTES) {
      // Where the file system knows no holes, the zeros are written: who reads them sees no difference.
      if (systemCalls.fallocate(fd, mode, at, PAGE_BYTES) < 0) writeSync(fd, zeros, 0, PAGE_BYTES, at);
    }
  }
  closeSync(fd);
}
