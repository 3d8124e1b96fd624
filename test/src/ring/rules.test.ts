import { existsSync, readdirSync, statSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { createRing, openRing, type WaitStrategy } from 'memlane';
import { Program } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { asleep, bellsIn, CONSUMER, PRODUCER, peek, ringState, slot } from './ring-bytes.ts';

// The rules of birth and death: who dies where, and what the others find.

const ASLEEP = 2;
const CAPACITY = 65536;

/** A ring that nobody has open. */
function newRing(scratch: Scratch): string {
  const path = scratch.file('orders.ring');
  createRing(path, { capacityBytes: CAPACITY }).close();
  return path;
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`for 20 s not: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('death wakes', () => {
  const ways = [
    { name: 'in the event loop', wait: 'event', blocking: false, call: 'write' },
    { name: 'in a blocked thread', wait: 'park', blocking: true, call: 'futexWake' },
  ] as const;

  test.each(ways)(
    'a producer that sleeps $name goes on when its consumer dies between advance and ring',
    async ({ wait, blocking, call }) => {
      using scratch = scratchFolder();
      const path = newRing(scratch);
      await using sleeper = new Program('ring-sleeper', { path, role: 'producer', wait, blocking });
      const before = await sleeper.next<number>('attached');
      await until(
        () => asleep(path, PRODUCER),
        () => `the producer sleeps\n${ringState(path)}`,
      );
      await using mortal = new Program('ring-mortal', { path, role: 'consumer', call, when: 'working' });
      expect(await mortal.end()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(mortal.all('survived')).toEqual([]);
      // Everything was read, so as much again finds room.
      await until(
        () => sleeper.all('written').includes(2 * before),
        () => `the ring is full again\n${ringState(path)}`,
      );
    },
  );

  test.each(ways)(
    'a consumer that sleeps $name goes on when its producer dies between publish and ring',
    async ({ wait, blocking, call }) => {
      using scratch = scratchFolder();
      const path = newRing(scratch);
      await using sleeper = new Program('ring-sleeper', { path, role: 'consumer', wait, blocking });
      await sleeper.next('attached');
      await until(
        () => asleep(path, CONSUMER),
        () => `the consumer sleeps\n${ringState(path)}`,
      );
      await using mortal = new Program('ring-mortal', { path, role: 'producer', call, when: 'working' });
      expect(await mortal.end()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(mortal.all('survived')).toEqual([]);
      expect(await sleeper.next('read')).toEqual(['last words']);
    },
  );

  test.each(ways)(
    'whoever dies before it has said that it is there leaves a sleeper $name to its successor',
    async ({ wait, blocking, call }) => {
      using scratch = scratchFolder();
      const path = newRing(scratch);
      await using sleeper = new Program('ring-sleeper', { path, role: 'consumer', wait, blocking });
      await sleeper.next('attached');
      await until(
        () => asleep(path, CONSUMER),
        () => `the consumer sleeps\n${ringState(path)}`,
      );
      await using mortal = new Program('ring-mortal', { path, role: 'producer', call, when: 'attaching' });
      expect(await mortal.end()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(mortal.all('attached')).toEqual([]);
      using ring = openRing(path);
      ring.producer().tryWrite('from the successor');
      expect(await sleeper.next('read')).toEqual(['from the successor']);
    },
  );

  test('a sleeper whom nobody could ring for want of a descriptor is rung with the next message', async () => {
    using scratch = scratchFolder();
    const path = newRing(scratch);
    await using sleeper = new Program('ring-sleeper', { path, role: 'consumer', wait: 'event', blocking: false });
    await sleeper.next('attached');
    const wrapper = ['sh', '-c', 'ulimit -n 100 && exec "$@"', 'sh'];
    await using writer = new Program('ring-exhausted', { path }, { wrapper });
    expect(await writer.next('outcomes')).toEqual({ without: 'EMFILE' });
    expect(await sleeper.next('read')).toEqual(['without', 'again']);
  });

  test('a sleeper outlives any number of idle peers, and hears the next one', async () => {
    using scratch = scratchFolder();
    const path = newRing(scratch);
    await using sleeper = new Program('ring-sleeper', { path, role: 'consumer', wait: 'event', blocking: false });
    await sleeper.next('attached');
    for (let round = 0; round < 3; round++) {
      await using idle = new Program('ring-attach', { path, role: 'producer' });
      expect(await idle.next('attached')).toEqual({ peerAlive: true });
      idle.kill();
      await idle.end();
    }
    using ring = openRing(path);
    const producer = ring.producer();
    producer.tryWrite('at last');
    expect(await sleeper.next('read')).toEqual(['at last']);
  });
});

describe('a slot is recovered before it is reused', () => {
  const ways: readonly { name: string; wait: WaitStrategy; blocking: boolean; kind: number }[] = [
    { name: 'event loop', wait: 'event', blocking: false, kind: 0 },
    { name: 'thread', wait: 'park', blocking: true, kind: 1 },
  ];

  test.each(ways)(
    'the successor of a consumer that died asleep, its $name parked, inherits nothing',
    async ({ wait, blocking, kind }) => {
      using scratch = scratchFolder();
      const path = newRing(scratch);
      const words = (name: string): number => peek(path, slot(CONSUMER), name);
      let generation: number;
      let parked: number;
      {
        await using dead = new Program('ring-sleeper', { path, role: 'consumer', wait, blocking });
        await dead.next('attached');
        await until(
          () => asleep(path, CONSUMER),
          () => `the consumer sleeps\n${ringState(path)}`,
        );
        dead.kill();
        await dead.end();
        // This is what it left: a word that says that it sleeps, and a bell.
        expect(words('parked') & 3).toBe(ASLEEP | kind);
        expect(words('state')).toBe(1);
        expect(words('pid')).toBe(dead.pid);
        generation = words('generation');
        parked = words('parked');
        expect(bellsIn(scratch.path)).toEqual([`${CONSUMER}.${generation}`]);
      }
      using ring = openRing(path);
      expect(ring.statistics().consumers[0].alive).toBe(false);
      const consumer = ring.consumer();
      expect(words('parked') & ASLEEP).toBe(0);
      expect(words('parked') >>> 2).toBe(parked >>> 2); // the episode stays: a writer may have rung it
      expect(words('generation')).toBe(generation + 1);
      expect(words('state')).toBe(1);
      expect(words('pid')).toBe(process.pid);
      expect(bellsIn(scratch.path)).toEqual([`${CONSUMER}.${generation + 1}`]);
      const producer = ring.producer();
      producer.tryWrite('x');
      expect(ring.statistics().producers[0].wakes).toBe(0); // nobody sleeps
      consumer.close();
      producer.close();
      expect(words('state')).toBe(0);
      expect(bellsIn(scratch.path)).toEqual([]);
    },
  );

  test('a bell that was rung for the dead is not taken for one that was rung for its successor', async () => {
    using scratch = scratchFolder();
    const path = newRing(scratch);
    using ring = openRing(path);
    const producer = ring.producer();
    {
      await using dead = new Program('ring-sleeper', { path, role: 'consumer', wait: 'event', blocking: false });
      await dead.next('attached');
      await until(
        () => asleep(path, CONSUMER),
        () => `the consumer sleeps\n${ringState(path)}`,
      );
      dead.kill('SIGSTOP'); // asleep in that episode for good
      await until(
        () => dead.diagnosis().includes('T (stopped)'),
        () => dead.diagnosis(),
      );
      producer.tryWrite('rung for the dead');
      expect(ring.statistics().producers[0].wakes).toBe(1);
      dead.kill();
      await dead.end();
    }
    await using successor = new Program('ring-sleeper', { path, role: 'consumer', wait: 'event', blocking: false });
    expect(await successor.next('read')).toEqual(['rung for the dead']);
    await until(
      () => asleep(path, CONSUMER),
      () => `the successor sleeps\n${ringState(path)}`,
    );
    producer.tryWrite('rung for the successor');
    expect(await successor.next('read')).toEqual(['rung for the successor']);
  });

  test.each(['producer', 'consumer'] as const)('a %s that dies while it attaches keeps nobody out', async (role) => {
    using scratch = scratchFolder();
    const path = newRing(scratch);
    // Before its bell exists, and with the lock of the whole file held.
    for (let round = 0; round < 2; round++) {
      await using dead = new Program('ring-attach', { path, role, call: 'mkfifo' });
      expect(await dead.end()).toEqual({ code: null, signal: 'SIGKILL' });
    }
    await using other = new Program('ring-attach', { path, role });
    expect(await other.next('attached')).toEqual({ peerAlive: false });
    expect(bellsIn(scratch.path)).toEqual([`${role === 'producer' ? PRODUCER : CONSUMER}.1`]);
    other.tell('leave');
    await other.success();
    expect(bellsIn(scratch.path)).toEqual([]);
  });

  test('the end of a dead producer’s stream is not the end of its successor’s', async () => {
    using scratch = scratchFolder();
    const path = newRing(scratch);
    using ring = openRing(path);
    const consumer = ring.consumer();
    const first = ring.producer();
    first.end();
    expect(consumer.isEnded).toBe(true);
    first.close();
    expect(consumer.isEnded).toBe(true);
    const second = ring.producer();
    expect(consumer.isEnded).toBe(false);
    second.tryWrite('new');
    expect(consumer.tryRead()?.data.toString()).toBe('new');
  });
});

describe('creation is complete or has not been', () => {
  const deaths = [
    { call: 'fallocate', after: false },
    { call: 'fallocate', after: true },
    { call: 'mmap', after: false },
    { call: 'mmap', after: true },
    { call: 'linkat', after: false },
  ] as const;
  const cases = (['memory', 'disk'] as const).flatMap((medium) => deaths.map((death) => ({ medium, ...death })));

  test.each(cases)(
    'a creator killed in $call (after: $after), in $medium, leaves the name free and nothing else',
    async ({ medium, call, after }) => {
      using scratch = scratchFolder(medium);
      const path = scratch.file('orders.ring');
      await using creator = new Program('ring-create', { path, call, after });
      expect(await creator.end()).toEqual({ code: null, signal: 'SIGKILL' });
      expect(scratch.entries()).toEqual([]);
      createRing(path, { capacityBytes: CAPACITY }).close();
      expect(scratch.entries()).toEqual(['orders.ring']);
    },
  );

  test.each(['memory', 'disk'] as const)(
    'a creator killed directly after the link, in %s, leaves a whole ring',
    async (medium) => {
      using scratch = scratchFolder(medium);
      const path = scratch.file('orders.ring');
      await using creator = new Program('ring-create', { path, call: 'linkat', after: true });
      expect(await creator.end()).toEqual({ code: null, signal: 'SIGKILL' });
      using ring = openRing(path);
      const producer = ring.producer();
      const consumer = ring.consumer();
      producer.tryWrite('x');
      expect(consumer.tryRead()?.data.toString()).toBe('x');
    },
  );

  test('a new ring is for its owner alone unless asked otherwise, and so is the folder that it is put into', () => {
    using scratch = scratchFolder();
    const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8);
    createRing(scratch.file('new/private.ring'), { capacityBytes: CAPACITY }).close();
    createRing(scratch.file('new/shared.ring'), { capacityBytes: CAPACITY, mode: 0o640 }).close();
    expect(mode(scratch.file('new'))).toBe('700');
    expect(mode(scratch.file('new/private.ring'))).toBe('600');
    expect(mode(scratch.file('new/shared.ring'))).toBe('640');
    using ring = openRing(scratch.file('new/shared.ring'));
    ring.consumer();
    const bell = readdirSync(scratch.file('new')).find((name) => name.startsWith('.memlane-bell-')) ?? '';
    expect(mode(scratch.file(`new/${bell}`))).toBe('600');
  });

  test('of many who open or create a ring at one moment, all get the same one', async () => {
    using scratch = scratchFolder();
    await using creators = new Crowd('ring-open-or-create', 4);
    await creators.all((program) => program.next('ready'));
    for (let round = 0; round < 40; round++) {
      const path = scratch.file(`round-${round}.ring`);
      const time = Date.now() + 10;
      const got = await creators.all((program) => {
        program.tell(`${path} ${time}`);
        return program.next<{ ino: number; linked: number }>('got');
      });
      const inodes = new Set(got.flatMap(({ ino, linked }) => [ino, linked]));
      expect({ round, inodes: inodes.size }).toEqual({ round, inodes: 1 });
      expect(existsSync(path)).toBe(true);
    }
    expect(scratch.entries()).toHaveLength(40);
  });
});

describe('attaching and removing exclude each other', () => {
  test('nobody ever holds a place in a ring that has lost its name', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('contested.ring');
    const rival = (work: string): Program => new Program('ring-rivals', { path, work, forMs: 1500 });
    await using first = rival('attach');
    await using second = rival('attach');
    await using remover = rival('remove');
    const outcomes = [];
    for (const program of [first, second, remover]) outcomes.push(await program.next<{ done: number }>('ended'));
    for (const { done } of outcomes) expect(done).toBeGreaterThan(10);
    // The bells go with the ring, and those who hold a place take theirs along.
    expect(scratch.entries().filter((name) => name !== 'contested.ring')).toEqual([]);
  });
});

/** Several runs of one program. */
class Crowd implements AsyncDisposable {
  readonly #programs: readonly Program[];

  constructor(name: string, size: number) {
    this.#programs = Array.from({ length: size }, () => new Program(name));
  }

  all<Result>(ask: (program: Program) => Promise<Result>): Promise<Result[]> {
    return Promise.all(this.#programs.map(ask));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) await program[Symbol.asyncDispose]();
  }
}
