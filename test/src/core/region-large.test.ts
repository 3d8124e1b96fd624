import { closeSync, openSync, readSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Region, Reservation } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { NODE_MAJOR } from '../linux/machine.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { thrownBy } from '../support/speech.ts';

const GIB = 2 ** 30;
const LENGTH = 6 * GIB;

/** A file of 6 GiB that takes no space. */
function large(scratch: Scratch): string {
  const path = scratch.file('large');
  writeFileSync(path, '', { mode: 0o600 });
  truncateSync(path, LENGTH);
  return path;
}

/** One byte of a file, by read(2) and write(2). */
function byteAt(path: string, offset: number, value?: number): number {
  const fd = openSync(path, 'r+');
  const byte = Uint8Array.of(value ?? 0);
  if (value === undefined) readSync(fd, byte, 0, 1, offset);
  else writeSync(fd, byte, 0, 1, offset);
  closeSync(fd);
  return byte[0] as number;
}

describe('a file of 6 GiB', () => {
  test('is read and written at its far end through a window', () => {
    using scratch = scratchFolder();
    const path = large(scratch);
    byteAt(path, LENGTH - 2, 1);
    using window = Region.open(path, { offset: 5 * GIB });
    expect(window.length).toBe(GIB);
    expect(window.bytes[GIB - 2]).toBe(1);
    window.bytes[GIB - 1] = 2;
    new Float64Array(window.buffer, 8, 1)[0] = 0.5;
    expect(byteAt(path, LENGTH - 1)).toBe(2);
    using again = Region.attach(window.descriptor());
    expect(new Float64Array(again.buffer, 8, 1)[0]).toBe(0.5);
  });

  if (NODE_MAJOR < 22)
    test('is too large for one region of this Node.js, which says what to do', () => {
      using scratch = scratchFolder();
      const path = large(scratch);
      expect(thrownBy(() => Region.open(path))).toMatchObject({
        code: 'ERR_MEMLANE_TOO_LARGE',
        message: expect.stringContaining(`${LENGTH} bytes`),
        remedy: expect.stringMatching(/window .* Node\.js 22/),
      });
      // 4 GiB are the limit.
      using region = Region.open(path, { length: 4 * GIB - PAGE_SIZE });
      region.bytes[4 * GIB - PAGE_SIZE - 1] = 4;
      expect(byteAt(path, 4 * GIB - PAGE_SIZE - 1)).toBe(4);
    });
  else
    test('is one region', () => {
      using scratch = scratchFolder();
      const path = large(scratch);
      using region = Region.open(path);
      expect(region).toMatchObject({ length: LENGTH, offset: 0 });
      for (const offset of [0, 4 * GIB - 1, 4 * GIB, LENGTH - 1]) {
        new Uint8Array(region.buffer, offset, 1)[0] = 7;
        expect(byteAt(path, offset)).toBe(7);
        byteAt(path, offset, 8);
        expect(region.bytes[offset]).toBe(8);
      }
      expect(region.residency({ offset: LENGTH - 1 })).toEqual({ residentPages: 1, pages: 1 });
      region.prefault({ offset: 5 * GIB, length: PAGE_SIZE });
      region.sync({ offset: 5 * GIB });
    });

  test('is what a region grows to, if it may', () => {
    using scratch = scratchFolder();
    const path = large(scratch);
    using writer = Region.open(path, { offset: LENGTH - PAGE_SIZE, maxLength: GIB });
    writer.grow(3 * PAGE_SIZE);
    writer.bytes[3 * PAGE_SIZE - 1] = 9;
    expect(statSync(path).size).toBe(LENGTH + 2 * PAGE_SIZE);
    expect(byteAt(path, LENGTH + 2 * PAGE_SIZE - 1)).toBe(9);
  });
});

test('what no machine has is too large, before any file is made', () => {
  using scratch = scratchFolder();
  const path = scratch.file('a');
  for (const maxLength of [2 ** 50, Number.MAX_SAFE_INTEGER])
    expect(thrownBy(() => Region.create(path, PAGE_SIZE, { maxLength }))).toMatchObject({
      code: 'ERR_MEMLANE_TOO_LARGE',
    });
  expect(scratch.entries()).toEqual([]);
});

test('a reservation is growable, on a page, and as long as was asked for', () => {
  for (const [length, most] of [
    [1, 1],
    [PAGE_SIZE, 3 * GIB],
    [0, PAGE_SIZE],
  ] as const) {
    const { buffer, address } = Reservation.allocate(length, most);
    expect([buffer.growable, buffer.byteLength, buffer.maxByteLength]).toEqual([true, length, most]);
    expect(address % PAGE_SIZE).toBe(0);
    expect(address).toBeGreaterThan(0);
  }
});
