import { afterAll, describe, expect, test } from '@jest/globals';
import { createRing } from 'memlane';
import { scratchFolder } from '../support/scratch.ts';
import { describeInC } from './compiler.ts';
import { all, Crew, dismiss, LANGUAGES, other, untilParked, whole } from './peers.ts';

const CAPACITY = 4096;
const startPosition = 2 ** 32 - 4 * CAPACITY;
/** Every message has 8 bytes, so 256 fill the ring. */
const SHORT = 8;
const FULL = CAPACITY / 16;

afterAll(dismiss);

describeInC('late consumers', () => {
  describe.each(LANGUAGES)('in %s', (language) => {
    test('begin at what comes from now on, or at the oldest message that is there', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { topology: 'broadcast', consumers: 3, capacityBytes: CAPACITY, startPosition });
      await using crew = new Crew();
      const producer = await crew.take(other(language), 'produce', path);
      await producer.write(1, 0, 1000, SHORT, 'park'); // for nobody: the tail moves
      const now = await crew.take(language, 'consume', path);
      const oldest = await crew.take(language, 'consume', path, 'oldest');
      const reading = oldest.read(FULL + 11, SHORT, 'park'); // or it would hold the producer up
      await producer.write(1, 1000, 10, SHORT, 'park');
      await producer.ask('end');
      expect(await now.read(FULL + 1, SHORT, 'park')).toEqual(all({ 1: whole(10, 1000) }));
      const read = await reading;
      const { first } = read.seen[1] as { first: number };
      expect(read).toEqual(all({ 1: whole(1010 - first, first) }));
      // The tail may be ahead of what had to go, but not beyond it by more than it moves at once.
      expect(first).toBeLessThanOrEqual(1000 - FULL + 2 * (FULL / 16));
    });

    test('go on where their name left off, in whatever language that was', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { topology: 'bus', producers: 2, consumers: 3, capacityBytes: CAPACITY });
      await using crew = new Crew();
      const producer = await crew.take(other(language), 'produce', path);
      const first = await crew.take(language, 'consume', path, 'name=bill');
      expect(await crew.peer('C').refusal(`consume ${path} name=bill`)).toMatchObject({ code: 'BUSY' });
      expect(await crew.peer('Node.js').refusal(`consume ${path} name=bill`)).toMatchObject({ code: 'BUSY' });
      await producer.write(1, 0, 20, SHORT, 'park');
      expect(await first.read(5, SHORT, 'park')).toEqual(all({ 1: whole(5) }, false));
      await first.ask('leave');
      const second = await crew.take(other(language), 'consume', path, 'name=bill');
      expect(await second.read(5, SHORT, 'park')).toEqual(all({ 1: whole(5, 5) }, false));
      await second.kill();
      // Kept for the name, whoever is there: producers wait.
      expect(await producer.tryWrite(1, 20, 2 * FULL, SHORT)).toBe(FULL - 10);
      const third = await crew.take(language, 'consume', path, 'name=bill');
      expect(await third.read(FULL, SHORT, 'park')).toEqual(all({ 1: whole(FULL, 10) }, false));
    });

    test('keep nothing, or so many bytes, for their name', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { topology: 'broadcast', consumers: 3, capacityBytes: CAPACITY });
      await using crew = new Crew();
      const producer = await crew.take(other(language), 'produce', path);
      for (const [keep, name] of [
        ['nothing', 'nina'],
        ['2048', 'bytes'],
      ] as const) {
        const consumer = await crew.take(language, 'consume', path, `keep=${keep} name=${name}`);
        await consumer.ask('leave');
        expect(await producer.tryWrite(1, 0, 3 * FULL, SHORT)).toBe(3 * FULL);
        const next = await crew.take(other(language), 'consume', path, `oldest keep=${keep} name=${name}`);
        await producer.tryWrite(1, 3 * FULL, 1, SHORT);
        const { seen } = await next.read(1, SHORT, 'park');
        expect(seen[1]?.first).toBeGreaterThanOrEqual(2 * FULL); // what it has missed is gone
        await next.ask('leave');
      }
    });

    test('are passed over when they are further behind than the ring allows', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, {
        topology: 'broadcast',
        consumers: 3,
        capacityBytes: CAPACITY,
        maxLagBytes: CAPACITY / 2,
      });
      await using crew = new Crew();
      const producer = await crew.take(other(language), 'produce', path);
      const consumer = await crew.take(language, 'consume', path);
      await producer.write(1, 0, 10, SHORT, 'park');
      expect(await consumer.read(10, SHORT, 'park')).toEqual(all({ 1: whole(10) }, false));
      expect(await producer.tryWrite(1, 10, 4 * FULL, SHORT)).toBe(4 * FULL);
      expect(await consumer.refusal(`read 1 ${SHORT} park`)).toMatchObject({ code: 'EVICTED' });
      const again = await crew.take(language, 'consume', path);
      await producer.write(1, 5000, 10, SHORT, 'park');
      expect(await again.read(10, SHORT, 'park')).toEqual(all({ 1: whole(10, 5000) }, false));
    });

    test('learn how many messages they have lost to a producer that overwrites', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, {
        topology: 'broadcast',
        consumers: 3,
        capacityBytes: CAPACITY,
        overwrite: true,
        startPosition,
      });
      await using crew = new Crew();
      const producer = await crew.take(other(language), 'produce', path);
      const consumer = await crew.take(language, 'consume', path, 'oldest');
      const lost: number[] = [];
      for (let round = 0; round < 5; round++) {
        const read = consumer.read(1e6, 100, 'spin');
        expect(await producer.tryWrite(1, 0, 20_000, 100)).toBe(20_000);
        await producer.ask('end');
        const { ended, faults, fault, seen, ...rest } = await read;
        const { first, next, count, skipped } = seen[1] as {
          first: number;
          next: number;
          count: number;
          skipped: number;
        };
        expect({ ended, faults, fault, next }).toEqual({ ended: true, faults: 0, fault: '', next: 20_000 });
        // Of 20 000 each was either read or lost.
        expect(count + rest.lost - (lost.at(-1) ?? 0)).toBe(20_000);
        expect(first + skipped).toBe(rest.lost - (lost.at(-1) ?? 0));
        lost.push(rest.lost);
        await producer.ask('leave');
        await producer.ask(`produce ${path}`);
      }
    });

    test('that want what is new go on there after they were overtaken', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, {
        topology: 'bus',
        producers: 2,
        consumers: 3,
        capacityBytes: CAPACITY,
        overwrite: true,
      });
      await using crew = new Crew();
      const producer = await crew.take(other(language), 'produce', path);
      const consumer = await crew.take(language, 'consume', path);
      await producer.tryWrite(1, 0, 3 * FULL, SHORT);
      const read = consumer.read(1, SHORT, 'park');
      await untilParked(path, 2);
      await producer.tryWrite(1, 3 * FULL, 1, SHORT);
      expect(await read).toEqual({ ...all({ 1: whole(1, 3 * FULL) }, false), lost: 3 * FULL });
    });
  });
});
