import { describe, expect, test } from '@jest/globals';
import { createRing, openRing, type RingShape, type WaitStrategy } from 'memlane';
import { Program, runProgram } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { until } from './conformance/bed.ts';
import { asleep, bellsIn, placesOf, readBytes } from './ring-bytes.ts';

// The rules of birth and death, in rings for many. Of joining (rule 3), see interleaving.test.ts and broadcast.test.ts; of a
// lane's memory (rule 5), many-producers.test.ts.

const CAPACITY = 65536;

const SHAPES: readonly RingShape[] = [
  { topology: 'mpsc', producers: 3 },
  { topology: 'broadcast', consumers: 3 },
  { topology: 'broadcast', consumers: 3, overwrite: true },
  { topology: 'bus', producers: 3, consumers: 3 },
];

function newRing(scratch: Scratch, shape: RingShape): string {
  const path = scratch.file('orders.ring');
  createRing(path, { capacityBytes: CAPACITY, ...shape }).close();
  return path;
}

const ways: readonly { wait: WaitStrategy; blocking: boolean; call: string }[] = [
  { wait: 'event', blocking: false, call: 'write' },
  { wait: 'park', blocking: true, call: 'futexWake' },
];

describe('rule 1: death wakes', () => {
  const cases = SHAPES.filter(({ overwrite }) => overwrite !== true).flatMap((shape) =>
    ways.map((way) => ({ ...way, shape })),
  );

  test.each([SHAPES[1], SHAPES[3]])('whoever flushes does not wait for a consumer that has died: %j', async (shape) => {
    using scratch = scratchFolder();
    const path = newRing(scratch, shape ?? {});
    using ring = openRing(path);
    const producer = ring.producer();
    await using idle = new Program('ring-attach', { path, role: 'consumer' });
    await idle.next('attached');
    producer.tryWrite('nobody reads this');
    expect(producer.flushSync(0)).toBe(false);
    const flushed = producer.flush();
    idle.kill();
    await flushed;
    expect(producer.flushSync(0)).toBe(true);
  });

  test.each(cases)(
    'a consumer that sleeps ($wait) goes on when its producer dies between publish and ring: $shape',
    async ({ shape, wait, blocking, call }) => {
      using scratch = scratchFolder();
      const path = newRing(scratch, shape);
      const consumer = shape.producers ?? 1;
      await using sleeper = new Program('ring-sleeper', { path, role: 'consumer', wait, blocking });
      await sleeper.next('attached');
      await until(() => asleep(path, consumer), 'the consumer sleeps');
      await using mortal = new Program('ring-mortal', {
        path,
        role: 'producer',
        call,
        when: 'working',
        other: consumer,
      });
      expect(await mortal.end()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(mortal.all('survived')).toEqual([]);
      expect(await sleeper.next('read')).toEqual(['last words']);
    },
  );
});

describe('rule 2: a slot is recovered before it is reused', () => {
  test.each([SHAPES[1], SHAPES[3]])(
    'the successor of a consumer that died asleep inherits neither its sleep nor its place: %j',
    async (shape = {}) => {
      using scratch = scratchFolder();
      const path = newRing(scratch, shape);
      const { geometry } = placesOf({ capacityBytes: CAPACITY, ...shape });
      const slot = shape.producers ?? 1;
      const isMasked = (): boolean => ((readBytes(path, geometry.sleepersOffset, 4).readInt32LE() >> slot) & 1) === 1;
      await using dead = new Program('ring-sleeper', { path, role: 'consumer', wait: 'event', blocking: false });
      await dead.next('attached');
      await until(() => asleep(path, slot) && isMasked(), 'the consumer sleeps');
      dead.kill();
      await dead.end();
      expect(isMasked()).toBe(true); // it stays until the place is taken
      using ring = openRing(path);
      const producer = ring.producer();
      for (let n = 0; n < 10; n++) producer.tryWrite(`${n}`);
      const consumer = ring.consumer();
      expect(isMasked()).toBe(false);
      expect(asleep(path, slot)).toBe(false);
      expect(consumer.tryRead()).toBeNull(); // from now on, not from where the dead was
      const wakes = ring.statistics().producers[0]?.wakes;
      producer.tryWrite('now');
      expect(ring.statistics().producers[0]?.wakes).toBe(wakes); // nobody sleeps
      expect(consumer.tryRead()?.data.toString()).toBe('now');
    },
  );

  test('the successor of a producer that died goes on in its lane, and not in its end', async () => {
    using scratch = scratchFolder();
    const path = newRing(scratch, { topology: 'mpsc', producers: 1 });
    using ring = openRing(path);
    const consumer = ring.consumer();
    const traffic = { seed: 1, maxLength: 10 };
    await using dead = new Program('ring-numbered-writer', { path, traffic, count: 3, end: true, stay: true });
    await dead.next('written');
    dead.kill();
    await dead.end();
    expect(consumer.poll(() => {})).toBe(3);
    expect(consumer.isEnded).toBe(true);
    const producer = ring.producer();
    expect(consumer.isEnded).toBe(false);
    producer.tryWrite('new');
    expect(consumer.tryRead()?.data.toString()).toBe('new');
  });
});

describe('rule 6: creation is complete or has not been', () => {
  const deaths = [
    { call: 'fallocate', after: true },
    { call: 'mmap', after: true },
    { call: 'linkat', after: false },
  ] as const;
  const cases = [SHAPES[0], SHAPES[3]].flatMap((shape) => deaths.map((death) => ({ ...death, shape })));

  test.each(cases)(
    'a creator killed in $call (after: $after) leaves the name free: $shape',
    async ({ shape, call, after }) => {
      using scratch = scratchFolder();
      const path = scratch.file('orders.ring');
      await using creator = new Program('ring-create', { path, call, after, shape });
      expect(await creator.end()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(scratch.entries()).toEqual([]);
    },
  );

  test.each(['producer', 'consumer'])('a %s killed while it attaches keeps nobody out, in any place', async (role) => {
    using scratch = scratchFolder();
    const path = newRing(scratch, { topology: 'bus', producers: 1, consumers: 1 });
    for (let round = 0; round < 2; round++) {
      await using dead = new Program('ring-attach', { path, role, call: 'mkfifo' });
      expect(await dead.end()).toEqual({ code: null, signal: 'SIGKILL' });
    }
    using ring = openRing(path);
    const producer = ring.producer();
    const consumer = ring.consumer();
    producer.tryWrite('x');
    expect(consumer.tryRead()?.data.toString()).toBe('x');
    for (let n = 0; n < (2 * CAPACITY) / 1008; n++) {
      expect(producer.tryWrite('x'.repeat(1000))).toBe(true); // nor does it hold anybody up
      consumer.poll(() => {});
    }
  });
});

describe('rule 9: a worker thread that is terminated', () => {
  test.each([
    { role: 'consumer', blocking: false },
    { role: 'producer', blocking: false },
    { role: 'producer', blocking: true },
  ])('holds nobody up, and leaves nothing: a $role (blocked: $blocking)', async ({ role, blocking }) => {
    using scratch = scratchFolder();
    const [ended] = await runProgram<{ mappings: number }>(
      'ring-terminate-many',
      { path: scratch.file('ring'), role, blocking },
      { event: 'ended' },
    );
    const outcome = { alive: 2, wasHeldUp: role === 'consumer', goesOn: true, aliveNow: 1, leftBlocks: 0 };
    expect(ended).toEqual({ outcomes: [outcome, outcome, outcome, outcome], mappings: ended?.mappings, left: [] });
    expect(ended?.mappings).toBeLessThanOrEqual(1 + 2 * 2);
    expect(bellsIn(scratch.path)).toEqual([]);
  });
});
