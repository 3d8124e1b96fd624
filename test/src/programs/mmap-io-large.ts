// node mmap-io-large.js FOLDER: sizes and offsets that do not fit 32 bits, over sparse files.
import { constants } from 'node:buffer';
import { ftruncateSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import mmap from '@memlane/core/mmap-io';

const GIB = 2 ** 30;
const [folder] = process.argv.slice(2);

function sparse(name: string, length: number): number {
  const fd = openSync(join(folder, name), 'wx+');
  ftruncateSync(fd, length);
  return fd;
}

function read(fd: number, at: number): string {
  const bytes = Buffer.alloc(3);
  readSync(fd, bytes, 0, 3, at);
  return bytes.toString('latin1');
}

/** Maps a part of a file and stores at its two ends; returns what the file then holds there. */
function ends(name: string, fileLength: number, size: number, offset: number): unknown {
  const fd = sparse(name, fileLength);
  try {
    const buffer = mmap.map(size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, offset);
    // With a length: without one, Node.js 20 and 22 write nothing into a Buffer of 2 to 4 GiB, mapped or not.
    buffer.write('low', 0, 3);
    buffer.write('top', size - 3, 3);
    mmap.sync(buffer, Math.floor((size - 3) / mmap.PAGESIZE) * mmap.PAGESIZE, 3, true);
    mmap.advise(buffer, mmap.MADV_RANDOM);
    return [buffer.length, read(fd, offset), read(fd, offset + size - 3)];
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

process.stdout.write(
  JSON.stringify({
    longestBuffer: constants.MAX_LENGTH,
    window: ends('window', 6 * GIB, 3 * mmap.PAGESIZE, 6 * GIB - 3 * mmap.PAGESIZE),
    three: ends('three', 3 * GIB, 3 * GIB, 0),
    four: ends('four', 4 * GIB, 4 * GIB, 0),
    six: ends('six', 6 * GIB, 6 * GIB - 5, 0),
    unreachable: ends('unreachable', GIB, 2 ** 50, 0),
  }),
);
