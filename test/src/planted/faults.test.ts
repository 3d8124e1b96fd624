import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { type Consumer, createRing, createWorkQueue, openWorkQueue } from 'memlane';
import type { Kind } from '../programs/planted-rules.ts';
import { until } from '../ring/conformance/bed.ts';
import { Program, type ProgramOptions, runProgram } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import type { FaultName } from './faults.ts';

// Each rule is kept by what ships, and seen to be broken where the fault is planted: else the test would prove nothing.

// All rings are made in one place, and all their ends take their places in one.
const KINDS: readonly Kind[] = ['broadcast', 'work queue', 'latest value', 'counters'];

function planting(fault: FaultName | undefined): ProgramOptions {
  const register = fileURLToPath(new URL('./register.js', import.meta.url));
  return fault === undefined ? {} : { nodeOptions: ['--import', register], environment: { MEMLANE_FAULT: fault } };
}

async function result(scratch: Scratch, kind: Kind, fault: FaultName | undefined): Promise<unknown> {
  const given = { path: scratch.file('shared'), kind, scene: 'late' };
  return (await runProgram('planted-rules', given, planting(fault)))[0];
}

describe('rule 6: creation is complete or has not been', () => {
  const early = (kind: Kind): FaultName => {
    if (kind === 'work queue') return 'work queue named before it is whole';
    return kind === 'broadcast' || kind === 'mpsc'
      ? 'ring named before it is whole'
      : 'latest value or counters named before they are whole';
  };

  test.each(KINDS)('a creator that is killed leaves nothing: %s', async (kind) => {
    for (const fault of [undefined, early(kind)]) {
      using scratch = scratchFolder();
      const given = { path: scratch.file('shared'), kind, scene: 'create' };
      await using creator = new Program('planted-rules', given, planting(fault));
      expect(await creator.end()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(scratch.entries()).toEqual(fault === undefined ? [] : ['shared']);
    }
  });

  test.each(KINDS)('nobody takes a place in what has lost its name: %s', async (kind) => {
    using scratch = scratchFolder();
    expect(await result(scratch, kind, undefined)).toBe('ERR_MEMLANE_DELETED');
    expect(await result(scratch, kind, 'name not looked at after the lock')).toBe('taken');
  });
});

describe('rule 1: death wakes', () => {
  test.each(['broadcast', 'mpsc', 'work queue'] as const)('who sleeps for it in the event loop: %s', async (kind) => {
    // A work queue is looked through by its ends, once in a slice, in the event loop as well.
    const planted = kind === 'work queue' ? 'the dead not looked for' : 'death not watched';
    for (const [fault, patienceMs] of [
      [undefined, 20_000],
      [planted, 500],
    ] as const) {
      using scratch = scratchFolder();
      const path = scratch.file('shared');
      using shared =
        kind === 'work queue' ? createWorkQueue(path, { capacity: 4 }) : createRing(path, { topology: kind });
      if (kind === 'work queue') openWorkQueue(path).producer().tryWrite('message');
      const role = kind === 'broadcast' ? 'consumer' : 'producer';
      const dying = kind === 'work queue' ? { path, holds: 'message' } : { path, role };
      await using mortal = new Program(kind === 'work queue' ? 'work-holder' : 'ring-attach', dying);
      await mortal.next(kind === 'work queue' ? 'holds' : 'attached');
      await using sleeper = new Program('planted-rules', { path, kind, scene: 'death', patienceMs }, planting(fault));
      await sleeper.next('waiting');
      const side = kind === 'broadcast' ? 'producers' : 'consumers';
      await until(() => shared.statistics()[side].some(({ parks }) => parks > 0), 'it sleeps');
      mortal.kill();
      await mortal.end();
      sleeper.tell('go');
      expect(await sleeper.next('result')).toBe(fault === undefined ? 'woken' : 'asleep');
    }
  });
});

test('rule 7: a resize whose coordinator has died is ended by a member', async () => {
  for (const fault of [undefined, 'dead coordinator not followed'] as const) {
    using scratch = scratchFolder();
    const path = scratch.file('data');
    writeFileSync(path, new Uint8Array(20_000));
    await using member = new Program('shared-member', { path }, planting(fault));
    await member.next('joined');
    await using coordinator = new Program('shared-member', { path, dies: 'before the cut' });
    await coordinator.next('joined');
    coordinator.tell('resize 100 20000');
    await coordinator.end();
    expect(await member.next('shrink')).toBe(100);
    if (fault === undefined) expect(await member.next('resize')).toBe(20_000);
    else await expect(member.next('resize', 500)).rejects.toThrow("no 'resize'");
  }
});

describe('a lane that grows', () => {
  const SENT = 40;
  const grow = async (path: string, first: number, fault: FaultName | undefined): Promise<unknown> => {
    const given = { path, kind: 'spsc', scene: 'grow', first };
    return (await runProgram('planted-rules', given, planting(fault)))[0];
  };

  /** What arrives, to the first thing that is wrong. */
  function numbersIn(consumer: Consumer): unknown {
    const numbers: number[] = [];
    try {
      for (let message = consumer.tryRead(); message !== null; message = consumer.tryRead()) {
        expect(String(message.data)).toBe(`message ${message.type}`);
        numbers.push(message.type);
      }
    } catch (error) {
      return (error as Error).message;
    }
    return numbers;
  }

  const all = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

  test('rule 5: the older segment is read to its end before it is given back', async () => {
    for (const fault of [undefined, 'older segment given back at once'] as const) {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using ring = createRing(path, { capacityBytes: 4096, maxCapacityBytes: 16_384 });
      const consumer = ring.consumer();
      expect(await grow(path, 0, fault)).toBe(2 * SENT);
      const numbers = numbersIn(consumer);
      if (fault === undefined) expect(numbers).toEqual(all(2 * SENT));
      else expect(numbers).toMatch(/^A peer has written -\d+ into length/);
    }
  });

  test('rule 7: a resize that its producer has left is ended by the successor', async () => {
    for (const fault of [undefined, 'move of the dead not finished'] as const) {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using ring = createRing(path, { capacityBytes: 4096, maxCapacityBytes: 16_384 });
      const consumer = ring.consumer();
      const dying = { path, kind: 'spsc', scene: 'grow', first: 0 };
      await using first = new Program('planted-rules', dying, planting('killed in the middle of a move'));
      expect(await first.end()).toEqual({ code: null, signal: 'SIGKILL' });
      // The successor announces nothing of its own, and goes on behind the mark.
      const next = { path, kind: 'spsc', scene: 'go on', first: SENT };
      expect(await runProgram('planted-rules', next, planting(fault))).toEqual([2 * SENT]);
      const numbers = numbersIn(consumer);
      if (fault === undefined) expect(numbers).toEqual(all(2 * SENT));
      else expect(numbers).toMatch(/^A peer has written -\d+ into length/);
    }
  });
});

test('rule 9: nothing of a worker thread that was terminated is watched any more, unless nobody follows it', async () => {
  using scratch = scratchFolder();
  const given = (name: string): object => ({ path: scratch.file(name), way: 'terminated' });
  expect(await runProgram('guard-departed', given('followed'))).toMatchObject([{ watched: 0 }]);
  // The next one finds ranges of the first among its own.
  const unfollowed = runProgram('guard-departed', given('not'), planting('dead thread not followed'));
  await expect(unfollowed).rejects.toThrow(/Error: \d+ ranges/);
});
