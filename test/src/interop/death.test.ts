import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { afterAll, describe, expect, test } from '@jest/globals';
import { LANE, ringGeometry } from '@memlane/ring/layout';
import { createRing, openRing, type Topology } from 'memlane';
import { scratchFolder } from '../support/scratch.ts';
import { describeInC } from './compiler.ts';
import {
  all,
  Crew,
  dismiss,
  LANGUAGES,
  type Language,
  other,
  type Strategy,
  until,
  untilParked,
  whole,
} from './peers.ts';

const CAPACITY = 4096;
const SHORT = 8;
const FULL = CAPACITY / 16;
/** The ways in which one can sleep. */
const sleeps: Readonly<Record<Language, readonly Strategy[]>> = { C: ['park'], 'Node.js': ['event', 'park'] };
const sleepers = LANGUAGES.flatMap((language) => sleeps[language].map((wait) => ({ language, wait })));

afterAll(dismiss);

describeInC('a sleeper', () => {
  describe.each(sleepers)('in $language, $wait', ({ language, wait }) => {
    test('is woken by a message, by room, by the end, and leaves no bell', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using ring = createRing(path, { capacityBytes: CAPACITY });
      await using crew = new Crew();
      const [asleep, awake] = [crew.peer(language), crew.peer(other(language))];

      await asleep.ask(`consume ${path}`);
      await awake.ask(`produce ${path}`);
      // Two FIFOs each; those of both languages have the same names.
      expect(
        scratch.entries().filter((name) => /^\.memlane-bell-[0-9a-f]{32}\.[01]\.1(\.life)?$/.test(name)),
      ).toHaveLength(4);
      let woken = asleep.ask(`wait ${wait}`);
      await untilParked(path, 1);
      await awake.tryWrite(1, 0, 1, SHORT);
      expect(await woken).toBe(true);
      expect(await asleep.read(1, SHORT, wait)).toEqual(all({ 1: whole(1) }, false));
      const read = asleep.read(1, SHORT, wait);
      await untilParked(path, 1);
      await awake.ask('end');
      expect(await read).toEqual(all({}));
      expect(ring.statistics().consumers[0]?.parks).toBeGreaterThanOrEqual(2);
      expect(ring.statistics().producers[0]?.wakes).toBeGreaterThanOrEqual(1);
      for (const peer of [asleep, awake]) await peer.ask('leave');

      await asleep.ask(`produce ${path}`);
      await awake.ask(`consume ${path}`);
      expect(await asleep.tryWrite(1, 0, 2 * FULL, SHORT)).toBe(FULL);
      woken = asleep.ask(`wait ${wait} 100`);
      await untilParked(path, 0);
      await awake.read(50, SHORT, 'park');
      expect(await woken).toBe(true);
      for (const peer of [asleep, awake]) await peer.ask('leave');
      expect(scratch.entries()).toEqual(['ring']);
    });

    test('among many is woken by somebody who looks at the mask', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      // The slots of the sleepers stand in the second word of the mask, for the first time.
      using ring = createRing(path, { topology: 'bus', producers: 40, consumers: 3, capacityBytes: CAPACITY });
      await using crew = new Crew();
      const consumer = await crew.take(language, 'consume', path);
      const producer = await crew.take(other(language), 'produce', path);
      for (let n = 0; n < 3; n++) {
        const read = consumer.read(1, SHORT, wait);
        await untilParked(path, 40);
        await producer.tryWrite(1, n, 1, SHORT);
        expect(await read).toEqual(all({ 1: whole(1, n) }, false));
      }
      // And not always by itself: who looks around for a moment, as sleepers do now and then, is not rung.
      expect(ring.statistics().producers[0]?.wakes).toBeGreaterThanOrEqual(1);
      expect(await producer.tryWrite(1, 3, 2 * FULL, SHORT)).toBe(FULL);
      const woken = producer.ask(`wait ${sleeps[other(language)][0]} 100`);
      await untilParked(path, 0);
      await consumer.read(50, SHORT, wait);
      expect(await woken).toBe(true);
    });

    test('learns that the last of those it waits for has died', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { topology: 'mpsc', producers: 4, capacityBytes: CAPACITY });
      await using crew = new Crew();
      const consumer = await crew.take(language, 'consume', path);
      const [ends, dies] = [
        await crew.take(other(language), 'produce', path),
        await crew.take(other(language), 'produce', path),
      ];
      await ends.tryWrite(1, 0, 3, SHORT);
      await dies.tryWrite(2, 0, 3, SHORT);
      await ends.ask('end');
      const read = consumer.read(7, SHORT, wait);
      await untilParked(path, 4);
      await dies.kill();
      expect(await read).toEqual(all({ 1: whole(3), 2: whole(3) }));
    });

    // The kernel closes what a process had open one after the other, and may let others run in between.
    test('learns of a death that takes its time', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { topology: 'mpsc', producers: 4, capacityBytes: CAPACITY });
      await using crew = new Crew();
      const consumer = await crew.take(language, 'consume', path);
      const [ends, dies] = [await crew.take('C', 'produce', path), await crew.take('C', 'produce', path)];
      await ends.ask('end');
      const read = consumer.read(1, SHORT, wait);
      await untilParked(path, 4);
      dies.program.tell('fade 200');
      expect(await read).toEqual(all({}));
    });

    test('that a dead consumer held up goes on', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using ring = createRing(path, { topology: 'broadcast', consumers: 4, capacityBytes: CAPACITY });
      await using crew = new Crew();
      const producer = await crew.take(language, 'produce', path);
      const consumer = await crew.take(other(language), 'consume', path);
      const lasts = await crew.take(language, 'consume', path);
      expect(await producer.tryWrite(1, 0, 2 * FULL, SHORT)).toBe(FULL);
      await lasts.read(FULL, SHORT, 'park');
      expect(await producer.tryWrite(1, FULL, FULL, SHORT)).toBe(0);
      const woken = producer.ask(`wait ${wait} 100`);
      await untilParked(path, 0);
      expect(ring.statistics().consumers.map(({ alive }) => alive)).toEqual([true, true]);
      await consumer.kill();
      expect(await woken).toBe(true);
      expect(ring.statistics().consumers.map(({ alive }) => alive)).toEqual([false, true]);
      expect(await producer.tryWrite(1, FULL, 2 * FULL, SHORT)).toBe(FULL);
    });
  });
});

describeInC('a place', () => {
  describe.each(LANGUAGES)('that was left by death in %s', (language) => {
    test.each(['spsc', 'broadcast'] as const)('is taken over in the other language: %s', async (topology: Topology) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { topology, capacityBytes: CAPACITY, startPosition: 2 ** 32 - 1024 });
      await using crew = new Crew();
      const consumer = await crew.take(language, 'consume', path, topology === 'spsc' ? '' : 'name=bill');
      const producer = await crew.take(language, 'produce', path);
      await producer.tryWrite(1, 0, 100, SHORT);
      expect(await consumer.read(60, SHORT, 'park')).toEqual(all({ 1: whole(60) }, false));
      expect(await producer.tryWrite(1, 100, FULL, SHORT)).toBe(FULL - 40);
      const sleeping = producer.ask('wait park');
      sleeping.catch(() => {});
      await untilParked(path, 0);
      for (const peer of [producer, consumer]) await peer.kill();

      const writer = await crew.take(other(language), 'produce', path);
      const reader = await crew.take(other(language), 'consume', path, topology === 'spsc' ? '' : 'name=bill');
      const written = writer.write(1, FULL + 60, 2000, SHORT, 'park');
      expect(await reader.read(2000 + FULL, SHORT, 'park')).toEqual(all({ 1: whole(2000 + FULL, 60) }, false));
      expect(await written).toBe(2000);
      expect(scratch.entries()).toHaveLength(5); // the bells of the dead are gone
      for (const peer of [writer, reader]) await peer.ask('leave');
      expect(scratch.entries()).toEqual(['ring']);
    });
  });

  test('is seen alive and dead by both', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, { topology: 'mpsc', producers: 3, capacityBytes: CAPACITY });
    await using crew = new Crew();
    const watcher = await crew.take('C', 'consume', path);
    const inNode = await crew.take('Node.js', 'produce', path);
    const inC = await crew.take('C', 'produce', path);
    const seen = async (): Promise<unknown> => [
      [await watcher.ask('alive 0'), await watcher.ask('alive 1'), await watcher.ask('alive 2')],
      ring.statistics().producers.map(({ alive }) => alive),
    ];
    expect(await seen()).toEqual([
      [true, true, false],
      [true, true],
    ]);
    await inNode.kill();
    await inC.kill();
    expect(await seen()).toEqual([
      [false, false, false],
      [false, false],
    ]);
    expect(() => openRing(path).unlink()).toThrow(`Process ${watcher.program.pid} is attached`);
  });
});

/** Whether a lane is reserved, and the bytes that the file takes. */
function spaceOf(path: string, lane: number, producers: number, consumers: number, topology: Topology) {
  const { lanesOffset, laneBytes } = ringGeometry(
    { topology, producers, consumers, capacityBytes: CAPACITY, maxLevel: 0 },
    4096,
  );
  const word = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  readSync(fd, word, 0, 4, lanesOffset + lane * laneBytes + LANE.fields.reserved.offset);
  const bytes = fstatSync(fd).blocks * 512;
  closeSync(fd);
  return { reserved: word.readInt32LE(), bytes };
}

describeInC('a lane', () => {
  describe.each(LANGUAGES)('whose consumer is in %s', (language) => {
    test.each(['mpsc', 'bus'] as const)('is given back when nobody needs it: %s', async (topology: Topology) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { topology, producers: 2, capacityBytes: CAPACITY });
      const consumers = topology === 'mpsc' ? 1 : 16;
      const space = () => spaceOf(path, 0, 2, consumers, topology);
      await using crew = new Crew();
      const consumer = await crew.take(language, 'consume', path);
      const empty = space();
      for (let round = 0; round < 3; round++) {
        const producer = await crew.take(other(language), 'produce', path);
        await producer.tryWrite(1, 10 * round, 10, SHORT);
        expect(space()).toEqual({ reserved: 1, bytes: empty.bytes + CAPACITY });
        if (round === 1) await producer.kill();
        else await producer.ask('leave');
        if (language === 'C') expect(await consumer.ask('tidy')).toBe(0); // not while somebody has to read it
        expect(await consumer.read(10, SHORT, 'park')).toEqual(all({ 1: whole(10, 10 * round) }, false));
        if (language === 'C') expect(await consumer.ask('tidy')).toBe(1);
        else {
          const read = consumer.read(1, SHORT, 'event');
          await until('the lane is given back', () => space().reserved === 0);
          const next = await crew.take('Node.js', 'produce', path);
          await next.tryWrite(2, round, 1, SHORT);
          expect(await read).toEqual(all({ 2: whole(1, round) }, false));
          await next.ask('leave');
          continue;
        }
        expect(space()).toEqual(empty);
      }
    });
  });
});
