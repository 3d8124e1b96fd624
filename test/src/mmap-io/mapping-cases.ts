import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, fileIn, mapped, PAGE, returns, SIZE, spelled } from './case.ts';

const MAP_ANONYMOUS = 0x20;

/** What the package exports. */
export const surfaceCases: readonly Case[] = [
  {
    name: 'exports exactly these names and numbers',
    run: (mmap) => {
      const values = Object.entries(mmap).filter(([name]) => name !== 'PAGESIZE');
      return values.map(([name, value]) => `${name} ${typeof value === 'function' ? 'function' : value}`).sort();
    },
    expect: returns([
      'MADV_DONTNEED 4',
      'MADV_NORMAL 0',
      'MADV_RANDOM 1',
      'MADV_SEQUENTIAL 2',
      'MADV_WILLNEED 3',
      'MAP_NONBLOCK 65536',
      'MAP_POPULATE 32768',
      'MAP_PRIVATE 2',
      'MAP_SHARED 1',
      'PROT_EXEC 4',
      'PROT_NONE 0',
      'PROT_READ 1',
      'PROT_WRITE 2',
      'advise function',
      'incore function',
      'map function',
      'sync function',
    ]),
  },
  {
    name: 'lets nothing but sync be assigned to',
    run: (mmap) =>
      Object.entries(Object.getOwnPropertyDescriptors(mmap))
        .filter(([, { writable, configurable }]) => writable || configurable)
        .map(([name]) => name),
    expect: returns(['sync']),
  },
  {
    name: 'PAGESIZE is the page of this machine',
    run: (mmap) => mmap.PAGESIZE === PAGE,
    expect: returns(true),
  },
];

/** What a mapping is and whom it shares memory with. */
export const mappingCases: readonly Case[] = [
  {
    name: 'map returns a Buffer of exactly the size',
    run: (mmap, folder) => {
      const buffer = mapped(mmap, folder);
      return [Buffer.isBuffer(buffer), buffer.length, buffer.byteOffset, buffer.buffer.byteLength];
    },
    expect: returns([true, SIZE, 0, SIZE]),
  },
  {
    name: 'the buffer holds the file',
    run: (mmap, folder) => mapped(mmap, folder).equals(readFileSync(join(folder, 'file'))),
    expect: returns(true),
  },
  {
    name: 'nothing lies past the end of the buffer',
    run: (mmap, folder) => typeof mapped(mmap, folder)[SIZE],
    expect: returns('undefined'),
  },
  {
    name: 'stores reach the file and do not lengthen it',
    run: (mmap, folder) => {
      const buffer = mapped(mmap, folder);
      buffer.write('first', 0);
      buffer.write('last', SIZE - 4);
      const file = readFileSync(join(folder, 'file'), 'latin1');
      return [file.length, file.slice(0, 5), file.slice(-4)];
    },
    expect: returns([SIZE, 'first', 'last']),
  },
  {
    name: 'writes to the file reach the buffer, also when it is mapped for reading',
    run: (mmap, folder) => {
      const path = fileIn(folder);
      const buffer = mmap.map(SIZE, mmap.PROT_READ, mmap.MAP_SHARED, openSync(path, 'r'));
      writeSync(openSync(path, 'r+'), 'news', PAGE);
      return buffer.toString('latin1', PAGE, PAGE + 4);
    },
    expect: returns('news'),
  },
  {
    name: 'PROT_WRITE alone can be read too',
    run: (mmap, folder) => {
      const buffer = mmap.map(SIZE, mmap.PROT_WRITE, mmap.MAP_SHARED, openSync(fileIn(folder), 'r+'));
      return buffer.toString('latin1', 4, 8);
    },
    expect: returns('0004'),
  },
  {
    name: 'two mappings of one file see each other',
    run: (mmap, folder) => {
      const first = mapped(mmap, folder);
      const second = mmap.map(100, mmap.PROT_READ, mmap.MAP_SHARED, openSync(join(folder, 'file'), 'r'));
      first[99] = 250;
      return second[99];
    },
    expect: returns(250),
  },
  {
    name: 'stores into MAP_PRIVATE stay private',
    run: (mmap, folder) => {
      const buffer = mapped(mmap, folder, mmap.MAP_PRIVATE);
      buffer.write('mine', PAGE);
      return [
        buffer.toString('latin1', PAGE, PAGE + 4),
        readFileSync(join(folder, 'file'), 'latin1').slice(PAGE, PAGE + 4),
      ];
    },
    expect: returns(['mine', spelled(PAGE)]),
  },
  {
    name: 'MADV_DONTNEED throws private stores away',
    run: (mmap, folder) => {
      const buffer = mapped(mmap, folder, mmap.MAP_PRIVATE);
      buffer.write('mine', PAGE);
      buffer.write('mine', 2 * PAGE);
      mmap.advise(buffer, PAGE, PAGE, mmap.MADV_DONTNEED);
      return [buffer.toString('latin1', PAGE, PAGE + 4), buffer.toString('latin1', 2 * PAGE, 2 * PAGE + 4)];
    },
    expect: returns([spelled(PAGE), 'mine']),
  },
  {
    name: 'map begins at the offset',
    run: (mmap, folder) =>
      mmap.map(8, mmap.PROT_READ, mmap.MAP_SHARED, openSync(fileIn(folder), 'r'), PAGE).toString('latin1'),
    expect: returns(spelled(PAGE) + spelled(PAGE + 4)),
  },
  {
    name: 'an offset past 4 GiB is not cut to 32 bits',
    run: (mmap, folder) => {
      const fd = openSync(join(folder, 'sparse'), 'w+');
      ftruncateSync(fd, 2 ** 32 + PAGE);
      writeSync(fd, 'near', 0);
      writeSync(fd, 'far!', 2 ** 32);
      return mmap.map(4, mmap.PROT_READ, mmap.MAP_SHARED, fd, 2 ** 32).toString('latin1');
    },
    expect: { dropIn: returns('far!'), original: returns('near') },
  },
  {
    name: 'the mapping outlives the descriptor',
    run: (mmap, folder) => {
      const fd = openSync(fileIn(folder), 'r+');
      const buffer = mmap.map(SIZE, mmap.PROT_READ, mmap.MAP_SHARED, fd);
      closeSync(fd);
      return buffer.toString('latin1', 2 * PAGE, 2 * PAGE + 4);
    },
    expect: returns(spelled(2 * PAGE)),
  },
  {
    name: 'a mapping whose advice is refused stays behind',
    run: (mmap, folder) => {
      const path = fileIn(folder);
      try {
        mmap.map(SIZE, mmap.PROT_READ, mmap.MAP_SHARED, openSync(path, 'r'), 0, 99);
      } catch {
        return readFileSync('/proc/self/maps', 'latin1').includes(path);
      }
      return 'it was not refused';
    },
    expect: { dropIn: returns(false), original: returns(true) },
  },
  {
    name: 'anonymous memory is zero',
    run: (mmap) => {
      const buffer = mmap.map(100, 3, mmap.MAP_PRIVATE | MAP_ANONYMOUS, -1);
      return [buffer.length, buffer.every((byte) => byte === 0)];
    },
    expect: returns([100, true]),
  },
  {
    name: 'slices share the mapping',
    run: (mmap, folder) => {
      const buffer = mapped(mmap, folder);
      buffer.subarray(100, 200)[5] = 1;
      return buffer[105];
    },
    expect: returns(1),
  },
  {
    name: 'a store without PROT_WRITE',
    run: (mmap, folder) => {
      mmap.map(SIZE, mmap.PROT_READ, mmap.MAP_SHARED, openSync(fileIn(folder), 'r'))[0] = 1;
    },
    expect: { dies: 'SIGSEGV' },
  },
  {
    name: 'a load without PROT_READ',
    run: (mmap, folder) => mmap.map(SIZE, mmap.PROT_NONE, mmap.MAP_SHARED, openSync(fileIn(folder), 'r'))[0],
    expect: { dies: 'SIGSEGV' },
  },
  {
    name: 'structuredClone of the buffer, then a store',
    run: (mmap, folder) => {
      const buffer = mapped(mmap, folder);
      structuredClone(buffer)[0] = 7;
      return buffer[0];
    },
    expect: { dropIn: returns(7), original: returns('0'.charCodeAt(0)) },
  },
  {
    name: 'what the buffer sits on',
    run: (mmap, folder) => mapped(mmap, folder).buffer.constructor.name,
    expect: { dropIn: returns('SharedArrayBuffer'), original: returns('ArrayBuffer') },
  },
];
