// node mmap-io-late-refusal.js: the kernel takes a mapping back half-way, as Linux before 6.12 does when the file's own
// mmap handler refuses a MAP_FIXED. Prints the error and whether V8's reservation has a hole afterwards.
import { openSync, readFileSync } from 'node:fs';
import mmap from '@memlane/core/mmap-io';
import { constants, replaceSystemCall, systemCalls } from '@memlane/linux';

const LENGTH = 3 * mmap.PAGESIZE;
const ENODEV = 19;
let refusedAt = 0;

replaceSystemCall('mmap', (original) => (address, length, protection, flags, fd, offset) => {
  if ((flags & constants.MAP_FIXED) === 0 || fd < 0) return original(address, length, protection, flags, fd, offset);
  systemCalls.munmap(address, length);
  refusedAt = address;
  return -ENODEV;
});

let message = 'none';
try {
  mmap.map(LENGTH, mmap.PROT_READ, mmap.MAP_SHARED, openSync(process.execPath, 'r'));
} catch (error) {
  message = (error as Error).message;
}

const covered = readFileSync('/proc/self/maps', 'latin1')
  .split('\n')
  .some((line) => {
    const [from, to] = line
      .split(' ', 1)[0]
      .split('-')
      .map((address) => Number.parseInt(address, 16));
    return from <= refusedAt && refusedAt + LENGTH <= to;
  });
process.stdout.write(JSON.stringify({ message, refused: refusedAt !== 0, covered }));
