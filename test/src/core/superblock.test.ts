import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  type CheckedSuperblock,
  FileKind,
  Region,
  readSuperblock,
  SharedFile,
  SUPERBLOCK,
  writeSuperblock,
} from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { withSeed } from '../support/random.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { type PlainError, thrownBy } from '../support/speech.ts';

const facts = {
  kind: FileKind.ring,
  signature: 0xdeadbeef,
  pageSize: PAGE_SIZE,
  fileLength: 2 * PAGE_SIZE,
  slotCount: 3,
  slotsOffset: 1024,
};
const expected = { kind: facts.kind, signature: facts.signature, headBytes: 640 };
const { fields } = SUPERBLOCK;

function written(scratch: Scratch, length: number = facts.fileLength): string {
  const path = scratch.file('a');
  using region = Region.create(path, length);
  writeSuperblock(region.buffer, facts);
  return path;
}

function read(path: string): CheckedSuperblock {
  const file = SharedFile.open(path, 'read');
  try {
    return readSuperblock(file, expected);
  } finally {
    file.close();
  }
}

function patch(path: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
}

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const f64 = (value: number): Uint8Array => new Uint8Array(Float64Array.of(value).buffer);

test('what is written is read, from a file that was opened for reading', () => {
  using scratch = scratchFolder();
  const before = Date.now();
  const { head, ...found } = read(written(scratch));
  expect(found).toEqual({
    fileId: expect.stringMatching(/^[0-9a-f]{32}$/),
    pageSize: PAGE_SIZE,
    slotCount: 3,
    slotsOffset: 1024,
    epoch: 0,
  });
  expect(head.byteLength).toBe(expected.headBytes);
  const createdAtMs = head.getFloat64(fields.createdAtMs.offset, true);
  expect(createdAtMs).toBeGreaterThanOrEqual(before);
  expect(createdAtMs).toBeLessThanOrEqual(Date.now());
});

test('no two files have the same id, and the head is a copy', () => {
  using scratch = scratchFolder();
  using other = scratchFolder();
  const path = written(scratch);
  const first = read(path);
  expect(first.fileId).not.toBe(read(written(other)).fileId);
  patch(path, fields.slotCount.offset, u32(99));
  expect(first.head.getUint32(fields.slotCount.offset, true)).toBe(3);
});

describe('a head that cannot be right', () => {
  test.each<[string, { offset: number }, Uint8Array, PlainError['code'], string | undefined]>([
    ['another magic', fields.magicLow, u32(1), 'ERR_MEMLANE_NOT_MEMLANE', undefined],
    ['the rest of another magic', fields.magicHigh, u32(0), 'ERR_MEMLANE_NOT_MEMLANE', undefined],
    ['a newer version', fields.version, u32(2), 'ERR_MEMLANE_VERSION', undefined],
    ['the other byte order', fields.byteOrder, u32(0x04030201), 'ERR_MEMLANE_CORRUPT', 'byteOrder'],
    ['another kind', fields.kind, u32(1), 'ERR_MEMLANE_KIND', undefined],
    ['another signature', fields.signature, u32(0xdeadbee0), 'ERR_MEMLANE_SIGNATURE', undefined],
    ['no ready word', fields.ready, u32(0), 'ERR_MEMLANE_NOT_MEMLANE', undefined],
    ['a longer file', fields.fileLength, f64(2 * PAGE_SIZE + 1), 'ERR_MEMLANE_TRUNCATED', undefined],
    ['a shorter file', fields.fileLength, f64(2 * PAGE_SIZE - 1), 'ERR_MEMLANE_CORRUPT', 'fileLength'],
    ['less than a head', fields.fileLength, f64(639), 'ERR_MEMLANE_CORRUPT', 'fileLength'],
    ['half a byte', fields.fileLength, f64(8191.5), 'ERR_MEMLANE_CORRUPT', 'fileLength'],
    ['no length', fields.fileLength, f64(Number.NaN), 'ERR_MEMLANE_CORRUPT', 'fileLength'],
    ['an endless file', fields.fileLength, f64(Number.POSITIVE_INFINITY), 'ERR_MEMLANE_CORRUPT', 'fileLength'],
    ['a negative length', fields.fileLength, f64(-8192), 'ERR_MEMLANE_CORRUPT', 'fileLength'],
  ])('%s', (_name, { offset }, bytes, code, field) => {
    using scratch = scratchFolder();
    const path = written(scratch);
    patch(path, offset, bytes);
    expect(thrownBy(() => read(path))).toMatchObject({ code, field, path });
  });

  test('a file of any other length', () => {
    using scratch = scratchFolder();
    for (const [length, code] of [
      [0, 'ERR_MEMLANE_NOT_MEMLANE'],
      [7, 'ERR_MEMLANE_NOT_MEMLANE'],
      [12, 'ERR_MEMLANE_TRUNCATED'],
      [639, 'ERR_MEMLANE_TRUNCATED'],
      [640, 'ERR_MEMLANE_TRUNCATED'],
      [2 * PAGE_SIZE - 1, 'ERR_MEMLANE_TRUNCATED'],
      [2 * PAGE_SIZE + 1, 'ERR_MEMLANE_CORRUPT'],
    ] as const) {
      const path = written(scratch);
      truncateSync(path, length);
      expect(`${length}: ${thrownBy(() => read(path))?.code}`).toBe(`${length}: ${code}`);
      writeFileSync(path, '');
      SharedFile.open(path).unlink();
    }
  });

  test('any bytes at all are read or refused by name', () =>
    withSeed((random) => {
      using scratch = scratchFolder();
      const path = written(scratch);
      const codes = new Set<string | undefined>();
      for (let round = 0; round < 500; round++) {
        const { offset } = random.pick(Object.values(fields));
        patch(path, offset + random.below(4), Uint8Array.of(random.below(256)));
        const error = thrownBy(() => read(path));
        codes.add(error?.code);
        if (error !== undefined) expect(`${error.name} ${error.code}`).toMatch(/^MemlaneError ERR_MEMLANE_/);
        if (random.chance(0.5)) {
          SharedFile.open(path).unlink();
          written(scratch);
        }
      }
      expect(codes.size).toBeGreaterThan(3);
    }));
});
