import { truncateSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { SUPERBLOCK } from '@memlane/core';
import { LATEST_VALUE, LATEST_VALUE_HEADER, latestValueGeometry } from '@memlane/ring/layout';
import { createLatestValue, openCounters, openLatestValue, openRing, removeLatestValue } from 'memlane';
import { poke } from '../ring/ring-bytes.ts';
import { scratchFolder } from '../support/scratch.ts';
import { thrownBy } from '../support/speech.ts';
import { eachWrongValue, FREE_FIELDS, OWN_CODES } from '../support/wrong-values.ts';

const geometry = latestValueGeometry(64, 4, 2);
const words = { descriptor: LATEST_VALUE, offset: geometry.wordsOffset };

/** Makes one with two versions, closes it, and returns its path. */
function make(path: string): string {
  using value = createLatestValue(path, { valueBytes: 64, readers: 2 });
  using writer = value.writer();
  writer.write('one');
  writer.write('two');
  return path;
}

test('each field of the head, with each kind of wrong value', () => {
  using scratch = scratchFolder();
  const path = make(scratch.file('value'));
  const works = (): void => {
    using value = openLatestValue(path);
    expect(value.reader().read()?.data.toString()).toBe('two');
  };
  let refused = 0;
  for (const placed of [
    { descriptor: SUPERBLOCK, offset: 0 },
    { descriptor: LATEST_VALUE_HEADER, offset: SUPERBLOCK.bytes },
  ])
    eachWrongValue(path, placed, (field) => {
      if (FREE_FIELDS.has(field) || field === 'startVersion') {
        works();
        return;
      }
      const error = thrownBy(() => openLatestValue(path).close());
      if (field === 'valueBytes' && error === undefined) return; // another one, in a buffer of the same length
      expect(OWN_CODES[field] ?? ['ERR_MEMLANE_CORRUPT']).toContain(error?.code);
      // A number that could be disagrees with what follows from it; either may be named.
      if (error?.code === 'ERR_MEMLANE_CORRUPT') expect([field, 'fileLength', 'slotCount']).toContain(error.field);
      refused += 1;
    });
  expect(refused).toBeGreaterThan(60);
  works();
  expect(thrownBy(() => openRing(path))?.code).toBe('ERR_MEMLANE_KIND');
  expect(thrownBy(() => openCounters(path))?.code).toBe('ERR_MEMLANE_KIND');
});

test('each word of the writer: what cannot be is named, by the readers and by the next writer', () => {
  using scratch = scratchFolder();
  const path = make(scratch.file('value'));
  eachWrongValue(path, words, (field, value) => {
    using cell = openLatestValue(path);
    const number = value.readInt32LE();
    const reading = thrownBy(() => cell.reader().read());
    const target = new Uint8Array(64);
    expect(thrownBy(() => cell.reader().readInto(target))?.code).toBe(reading?.code);
    const writing = thrownBy(() => cell.writer().close());
    // The version is 2 in both words.
    const [version, intent] = field === 'version' ? [number, 2] : [2, number];
    const readable = (intent - version) >>> 0 < 4;
    const writable = (intent - version) >>> 0 <= 1;
    if (!readable) expect(reading).toMatchObject({ code: 'ERR_MEMLANE_CORRUPT', field: 'intent' });
    if (!writable) expect(writing).toMatchObject({ code: 'ERR_MEMLANE_CORRUPT', field: 'intent' });
    if (field === 'intent' && readable) expect(reading).toBeUndefined();
    if (writable) expect(writing).toBeUndefined();
  });
});

test('a length that cannot be', () => {
  using scratch = scratchFolder();
  const path = make(scratch.file('value'));
  using cell = openLatestValue(path);
  const buffer = geometry.buffersOffset + 2 * geometry.bufferBytes;
  const header = { descriptor: { name: '', bytes: 8, fields: { notLength: { type: 'i32', offset: 0, meaning: '' } } } };
  for (const length of [65, 2 ** 31 - 1, -1, -2, -(2 ** 31)]) {
    poke(path, { ...header, offset: buffer } as never, 'notLength', ~length);
    for (const use of [() => cell.reader().read(), () => cell.reader().readInto(new Uint8Array(64))])
      expect(thrownBy(use)).toMatchObject({ code: 'ERR_MEMLANE_CORRUPT', field: 'notLength' });
  }
  using writer = cell.writer();
  writer.write('three');
  expect(cell.reader().read()?.data.toString()).toBe('three');
});

test('a file that is cut while it is used, and what is left of it', async () => {
  using scratch = scratchFolder('disk');
  const path = make(scratch.file('value'));
  {
    using cell = openLatestValue(path);
    const writer = cell.writer();
    const [reader, sleeper] = [cell.reader(), cell.reader()];
    sleeper.read();
    const sleeping = sleeper.wait();
    truncateSync(path, 0);
    await expect(sleeping).rejects.toMatchObject({ code: 'ERR_MEMLANE_TRUNCATED' });
    for (const use of [
      () => reader.read(),
      () => reader.readInto(new Uint8Array(64)),
      () => reader.changed(),
      () => writer.write('x'),
      () => cell.statistics(),
    ])
      expect(thrownBy(use)?.code).toBe('ERR_MEMLANE_TRUNCATED');
  }
  expect(thrownBy(() => openLatestValue(path))?.code).toBe('ERR_MEMLANE_NOT_MEMLANE');
  removeLatestValue(path);
  expect(scratch.entries()).toEqual([]);
});
