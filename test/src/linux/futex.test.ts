import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { memory as shared } from '@memlane/core';
import { addressOf, futexWait, futexWake, PAGE_SIZE, replaceSystemCall } from '@memlane/linux';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause, thrownBy } from '../support/speech.ts';
import { mapShared } from './pages.ts';

/** Waits until a program sleeps in the kernel on its word, and not on some lock of the engine's. */
async function asleep(program: Program): Promise<void> {
  const address = await program.next<number>('waiting');
  const call = `${process.arch === 'arm64' ? 98 : 202} 0x${address.toString(16)} `;
  while (!readFileSync(`/proc/${program.pid}/syscall`, 'utf8').startsWith(call)) await pause(1);
}

describe('between processes', () => {
  test('whoever sleeps on a word of a file is woken through another mapping of it', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('word');
    writeFileSync(path, new Uint8Array(PAGE_SIZE));
    using mapping = mapShared(path);
    await using waiter = new Program('linux-futex-waiter', { path });
    await asleep(waiter);
    expect(futexWake(mapping.address)).toBe(1);
    expect(await waiter.next('awake')).toBeLessThan(20_000);
  });

  test('as many are woken as was asked for', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('word');
    writeFileSync(path, new Uint8Array(PAGE_SIZE));
    using mapping = mapShared(path);
    await using first = new Program('linux-futex-waiter', { path });
    await using second = new Program('linux-futex-waiter', { path });
    await Promise.all([asleep(first), asleep(second)]);
    expect(futexWake(mapping.address, 1)).toBe(1);
    await Promise.race([first.ended, second.ended]);
    await pause(50);
    expect([first.running, second.running].filter(Boolean)).toHaveLength(1);
    expect(futexWake(mapping.address, 100)).toBe(1);
    await Promise.all([first.success(), second.success()]);
  });
});

describe('in one thread', () => {
  const words = new Int32Array(new SharedArrayBuffer(64));
  const address = addressOf(words);

  test('nobody sleeps on a word that has changed', () => {
    shared.store(words, 0, 7);
    const start = performance.now();
    futexWait(address, 6, 20_000);
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  test('a sleep lasts as long as was asked for when nobody ends it', () => {
    shared.store(words, 0, 7);
    for (const timeoutMs of [30, 0.5, 1001]) {
      const start = performance.now();
      futexWait(address, 7, timeoutMs);
      expect(performance.now() - start).toBeGreaterThan(timeoutMs * 0.99);
    }
  });

  test('waking where nobody sleeps wakes nobody', () => {
    expect(futexWake(address)).toBe(0);
    expect(futexWake(address, 1000)).toBe(0);
  });

  test('a bad address is refused by name', () => {
    expect(thrownBy(() => futexWait(PAGE_SIZE, 0, 10))).toMatchObject({
      name: 'LinuxError',
      code: 'EFAULT',
      syscall: 'futex(FUTEX_WAIT)',
    });
    expect(thrownBy(() => futexWait(address + 1, 0, 10))).toMatchObject({ code: 'EINVAL' });
  });

  test.each([
    ['EINTR', -4],
    ['EAGAIN', -11],
    ['ETIMEDOUT', -110],
    ['woken', 0],
  ])('%s is no error: the caller looks at its own condition', (_name, result) => {
    using _fault = replaceSystemCall('futexWait', () => () => result);
    futexWait(address, 0, 1);
  });
});
