import { describe, expect, test } from '@jest/globals';
import {
  attachCounters,
  type Counters,
  type CountersShape,
  createAnonymousCounters,
  createCounters,
  openCounters,
  openOrCreateCounters,
  removeCounters,
} from 'memlane';
import { scratchFolder } from '../support/scratch.ts';

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

describe.each(['named', 'anonymous', 'on disk'] as const)('counters, %s', (backing) => {
  /** Runs with two openings of one file. */
  function withPair(shape: CountersShape, run: (one: Counters, other: Counters) => void): void {
    using scratch = scratchFolder(backing === 'on disk' ? 'disk' : 'memory');
    const path = scratch.file('counters');
    using one = backing !== 'anonymous' ? createCounters(path, shape) : createAnonymousCounters(shape);
    using other = backing !== 'anonymous' ? openCounters(path) : attachCounters(one.descriptor());
    run(one, other);
  }

  test('add up what everybody has added', () =>
    withPair({}, (one, other) => {
      const [here, there] = [one.counter('requests'), other.counter('requests')];
      expect([here.value, there.value]).toEqual([0, 0]);
      expect(here.increment()).toBe(true);
      expect(there.add(41)).toBe(true);
      expect(here.add(0.5)).toBe(true);
      expect(here.add(0)).toBe(true);
      expect([here.value, there.value, one.get('requests')]).toEqual([42.5, 42.5, 42.5]);
      for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, '1', undefined, 1n])
        expect(() => here.add(wrong as never)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(here.value).toBe(42.5);
    }));

  test('are exact far beyond 32 bits', () =>
    withPair({}, (one, other) => {
      const [here, there] = [one.counter('bytes'), other.counter('bytes')];
      here.add(2 ** 52 - 1);
      there.add(2 ** 51);
      for (let count = 0; count < 10; count++) there.increment();
      expect(here.value).toBe(2 ** 52 + 2 ** 51 + 9);
    }));

  test('gauges have what was set last, by whomever', () =>
    withPair({}, (one, other) => {
      const [here, there] = [one.gauge('depth'), other.gauge('depth')];
      expect(here.value).toBe(0);
      for (const [gauge, value] of [
        [here, 1],
        [here, -2.5],
        [there, 3],
        [here, 4],
        [here, 5],
        [there, Number.NaN],
        [here, Number.NEGATIVE_INFINITY],
        [there, 0],
      ] as const) {
        expect(gauge.set(value)).toBe(true);
        expect([here.value, there.value, other.get('depth')]).toEqual([value, value, value]);
        expect(here.isFreed).toBe(false);
      }
      expect(() => here.set('1' as never)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      there.set(7);
      other.close();
      expect(here.value).toBe(7);
    }));

  test('a label is a counter or a gauge, and both are told apart by it', () =>
    withPair({ counters: 3 }, (one, other) => {
      one.counter('a').add(1);
      one.gauge('b').set(2);
      one.counter('ä€😀'.repeat(20)).add(3);
      expect(() => other.gauge('a')).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(() => other.counter('b')).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(() => other.counter('d')).toThrow(code('ERR_MEMLANE_BUSY'));
      expect(other.snapshot().map(({ label, kind, value }) => [label, kind, value])).toEqual([
        ['a', 'counter', 1],
        ['b', 'gauge', 2],
        ['ä€😀'.repeat(20), 'counter', 3],
      ]);
      for (const wrong of ['', 'x'.repeat(225), '€'.repeat(75), 5, undefined]) {
        expect(() => one.counter(wrong as never)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
        expect(() => one.get(wrong as never)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      }
      expect(one.get('x'.repeat(224))).toBeUndefined();
      expect(() => one.counter('a', { lifetime: 'day' as never })).toThrow(code('ERR_MEMLANE_ARGUMENT'));
    }));

  test('what was freed counts for nobody, and its place begins at nothing', () =>
    withPair({ counters: 1, participants: 2 }, (one, other) => {
      for (let round = 0; round < 5; round++) {
        const [here, there] = [one.counter(`round ${round}`), other.counter(`round ${round}`)];
        expect(here.value).toBe(0);
        here.add(5);
        there.add(6);
        expect(other.free(`round ${round}`)).toBe(true);
        expect(other.free(`round ${round}`)).toBe(false);
        expect([here.isFreed, here.increment(), here.add(3), here.value]).toEqual([true, false, false, Number.NaN]);
        expect(one.get(`round ${round}`)).toBeUndefined();
        const gauge = other.gauge('between');
        expect([gauge.value, there.add(1), gauge.value]).toEqual([0, false, 0]);
        gauge.set(8);
        expect(one.gauge('between').value).toBe(8);
        one.free('between');
        expect([gauge.set(9), gauge.value]).toEqual([false, Number.NaN]);
      }
    }));

  test('what belongs to its owner goes with it', () =>
    withPair({ counters: 2 }, (one, other) => {
      const mine = other.counter('mine', { lifetime: 'owner' });
      mine.add(3);
      other.counter('ours').add(4);
      const shared = one.counter('mine', { lifetime: 'file' }); // it is there: whose it is, is settled
      shared.add(1);
      expect(one.snapshot()).toMatchObject([
        { label: 'mine', value: 4, ownerPid: process.pid },
        { label: 'ours', value: 4, ownerPid: undefined },
      ]);
      other.close();
      expect([shared.isFreed, shared.increment(), shared.value]).toEqual([true, false, Number.NaN]);
      expect(one.snapshot()).toMatchObject([{ label: 'ours', value: 4 }]);
      expect(one.counter('next').value).toBe(0);
      expect(() => mine.increment()).toThrow(code('ERR_MEMLANE_CLOSED'));
      expect(() => mine.value).toThrow(code('ERR_MEMLANE_CLOSED'));
      expect(() => other.snapshot()).toThrow(code('ERR_MEMLANE_CLOSED'));
    }));

  test('who only reads takes no place', () =>
    withPair({ participants: 1 }, (one, other) => {
      one.counter('a').add(1);
      expect(other.get('a')).toBe(1);
      expect(other.snapshot()).toHaveLength(1);
      expect(() => other.counter('a')).toThrow(code('ERR_MEMLANE_BUSY'));
      one.close();
      other.counter('a').add(1);
      expect(other.get('a')).toBe(2);
    }));
});

test('are named, opened, handed on and removed like a ring', () => {
  using scratch = scratchFolder();
  const path = scratch.file('counters');
  expect(() => openCounters(path)).toThrow(code('ENOENT'));
  const one = openOrCreateCounters(path, { counters: 1 });
  const other = openOrCreateCounters(path, { counters: 20 });
  expect(() => createCounters(path)).toThrow(code('ERR_MEMLANE_EXISTS'));
  one.counter('a').add(2);
  expect(() => other.counter('b')).toThrow(code('ERR_MEMLANE_BUSY'));
  expect(() => removeCounters(path)).toThrow(code('ERR_MEMLANE_BUSY'));
  const observer = openCounters(path, { access: 'read' });
  expect([observer.get('a'), observer.snapshot().length]).toEqual([2, 1]);
  for (const use of [() => observer.counter('a'), () => observer.free('a'), () => observer.unlink()])
    expect(use).toThrow(code('ERR_MEMLANE_READ_ONLY'));
  for (const each of [one, other, observer]) {
    each.close();
    each.close();
    expect(() => each.counter('a')).toThrow(code('ERR_MEMLANE_CLOSED'));
  }
  removeCounters(path);
  expect(scratch.entries()).toEqual([]);
});

test.each<[CountersShape]>([
  [{ counters: 0 }],
  [{ counters: 16_385 }],
  [{ counters: 1.5 }],
  [{ participants: 0 }],
  [{ participants: 1024 }],
  [{ participants: '4' as never }],
])('%j is no shape', (shape) => {
  expect(() => createAnonymousCounters(shape)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
});
