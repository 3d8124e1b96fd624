import { expect, test } from '@jest/globals';
import { createAnonymousCounters, createAnonymousLatestValue } from 'memlane';
import { Program } from '../support/program.ts';
import { fault, VALUE_BYTES } from './pattern.ts';

// In memory without a name, which the other process opens by what is left of it in /proc.

const TURNS = 20_000;

test('a latest value and counters in sealed memory, between processes, one of which is killed and succeeded', async () => {
  using value = createAnonymousLatestValue({ valueBytes: VALUE_BYTES, startVersion: 2 ** 32 - 100 });
  using counters = createAnonymousCounters({ counters: 4, participants: 3 });
  const given = { value: value.descriptor(), counters: counters.descriptor(), turns: TURNS };
  expect([given.value, given.counters]).toMatchObject([{ anonymous: true }, { anonymous: true }]);
  const reader = value.reader();
  const target = new Uint8Array(VALUE_BYTES);
  const words = new Int32Array(target.buffer);
  let version = reader.version;
  for (let life = 1; life <= 2; life++) {
    await using program = new Program('cells-process', { ...given, hold: life === 1 });
    expect((await program.next<number>('begun')) | 0).toBe(version | 0);
    expect(reader.isWriterAlive()).toBe(true);
    program.tell('go');
    const goal = (version + TURNS) | 0;
    // Reads while it is written, and sleeps until it is.
    let last = version;
    while (((reader.version | 0) - goal) | 0) {
      await reader.wait();
      const length = reader.readInto(target);
      if (length < 0) continue;
      expect(fault(words, length, reader.version)).toBeUndefined();
      expect((reader.version - last) | 0).toBeGreaterThanOrEqual(0);
      last = reader.version;
    }
    await program.next('done');
    expect(counters.get('turns')).toBe(life * TURNS);
    expect((counters.get('version') ?? 0) | 0).toBe(goal);
    if (life === 1) program.kill();
    else program.tell('end');
    expect((await program.end()).signal).toBe(life === 1 ? 'SIGKILL' : null);
    // Of the value in the middle of which it died nothing is seen, and what was its own has gone with it.
    expect(fault(words, reader.readInto(target), reader.version)).toBeUndefined();
    expect(reader.version | 0).toBe(goal);
    expect(reader.isWriterAlive()).toBe(false);
    expect(counters.snapshot().filter(({ ownerPid }) => ownerPid !== undefined)).toHaveLength(0);
    version = goal;
  }
});
