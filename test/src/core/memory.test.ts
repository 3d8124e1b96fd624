import { expect, test } from '@jest/globals';
import { memory } from '@memlane/core';

const words = new Int32Array(new SharedArrayBuffer(16));

test('operations on words do what their names say, and wrap around at 32 bits', () => {
  memory.store(words, 1, 5);
  expect(memory.load(words, 1)).toBe(5);
  expect(memory.getAndAdd(words, 1, 3)).toBe(5);
  expect(memory.load(words, 1)).toBe(8);
  expect(memory.compareAndSet(words, 1, 7, 1)).toBe(false);
  expect(memory.load(words, 1)).toBe(8);
  expect(memory.compareAndSet(words, 1, 8, 1)).toBe(true);
  expect([...words]).toEqual([0, 1, 0, 0]);
  memory.store(words, 2, 0x7fffffff);
  expect(memory.getAndAdd(words, 2, 1)).toBe(0x7fffffff);
  expect(memory.load(words, 2)).toBe(-0x80000000);
});

test('a sleep lasts as long as was asked for', () => {
  const start = performance.now();
  memory.sleepSync(30);
  expect(performance.now() - start).toBeGreaterThan(29);
});
