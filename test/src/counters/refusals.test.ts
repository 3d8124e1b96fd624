import { truncateSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { LINE_BYTES, SUPERBLOCK } from '@memlane/core';
import { CELL, COUNTER, COUNTERS_HEADER, countersGeometry } from '@memlane/ring/layout';
import { createCounters, openCounters, openLatestValue, removeCounters } from 'memlane';
import { scratchFolder } from '../support/scratch.ts';
import { thrownBy } from '../support/speech.ts';
import { eachWrongValue, FREE_FIELDS, OWN_CODES } from '../support/wrong-values.ts';

const geometry = countersGeometry(3, 2);

/** Makes a file with a counter and a gauge, closes it, and returns its path. */
function make(path: string): string {
  using counters = createCounters(path, { counters: 3, participants: 2 });
  counters.counter('one').add(1);
  counters.gauge('two').set(2);
  return path;
}

test('each field of the head, with each kind of wrong value', () => {
  using scratch = scratchFolder();
  const path = make(scratch.file('counters'));
  const works = (): void => {
    using counters = openCounters(path);
    expect([counters.get('one'), counters.get('two')]).toEqual([1, 2]);
  };
  let refused = 0;
  for (const placed of [
    { descriptor: SUPERBLOCK, offset: 0 },
    { descriptor: COUNTERS_HEADER, offset: SUPERBLOCK.bytes },
  ])
    eachWrongValue(path, placed, (field) => {
      if (FREE_FIELDS.has(field)) {
        works();
        return;
      }
      const error = thrownBy(() => openCounters(path).close());
      expect(OWN_CODES[field] ?? ['ERR_MEMLANE_CORRUPT']).toContain(error?.code);
      if (error?.code === 'ERR_MEMLANE_CORRUPT') expect([field, 'fileLength', 'slotCount']).toContain(error.field);
      refused += 1;
    });
  expect(refused).toBeGreaterThan(60);
  works();
  expect(thrownBy(() => openLatestValue(path))?.code).toBe('ERR_MEMLANE_KIND');
});

test('each field of what is said of a counter: what cannot be is named, and nothing else happens', () => {
  using scratch = scratchFolder();
  const path = make(scratch.file('counters'));
  const named = new Set<string>();
  for (const index of [0, 1, 2])
    eachWrongValue(path, { descriptor: COUNTER, offset: geometry.countersOffset + index * COUNTER.bytes }, () => {
      using counters = openCounters(path);
      for (const use of [() => counters.snapshot(), () => counters.get('two')]) {
        const error = thrownBy(use);
        if (error === undefined) continue;
        expect(error.code).toBe('ERR_MEMLANE_CORRUPT');
        named.add(error.field ?? '');
      }
    });
  expect([...named].sort()).toEqual(['labelBytes', 'owner', 'setter', 'status']);
});

test('each field of a cell: a number like any other', () => {
  using scratch = scratchFolder();
  const path = make(scratch.file('counters'));
  for (let slot = 0; slot < 2; slot++)
    eachWrongValue(path, { descriptor: CELL, offset: geometry.cellsOffset + slot * geometry.rowBytes }, () => {
      using counters = openCounters(path);
      expect(counters.snapshot()).toHaveLength(2);
      expect(counters.get('two')).toBe(2);
    });
});

test('a file that is cut while it is used, and what is left of it', () => {
  using scratch = scratchFolder('disk');
  const path = make(scratch.file('counters'));
  {
    using counters = openCounters(path);
    const [counter, gauge] = [counters.counter('one'), counters.gauge('two')];
    truncateSync(path, 0);
    for (const use of [
      () => counter.value,
      () => counter.increment(),
      () => gauge.set(1),
      () => counters.get('one'),
      () => counters.snapshot(),
      () => counters.counter('three'),
    ])
      expect(thrownBy(use)?.code).toBe('ERR_MEMLANE_TRUNCATED');
  }
  expect(thrownBy(() => openCounters(path))?.code).toBe('ERR_MEMLANE_NOT_MEMLANE');
  removeCounters(path);
  expect(scratch.entries()).toEqual([]);
});

test("participants' cells share no lines", () => {
  for (const counters of [1, 3, 8, 9, 100]) {
    const { cellsOffset, rowBytes, countersOffset } = countersGeometry(counters, 4);
    expect([cellsOffset % LINE_BYTES, rowBytes % LINE_BYTES, countersOffset % 8]).toEqual([0, 0, 0]);
    expect(rowBytes).toBeGreaterThanOrEqual(counters * CELL.bytes);
  }
});
