import { afterAll, describe, expect, test } from '@jest/globals';
import { createAnonymousRing, createRing } from 'memlane';
import { scratchFolder } from '../support/scratch.ts';
import { describeInC } from './compiler.ts';
import { all, Crew, dismiss, LANGUAGES, other, type Read, type Strategy, whole } from './peers.ts';

/*
 * C and Node.js, in both directions, over every topology. The capacity is a few messages, so that records wrap around the end
 * all the time and both sides wait for each other; positions begin shortly before they wrap.
 */

const CAPACITY = 4096;
const LONGEST = 1500;
const startPosition = 2 ** 32 - 8 * CAPACITY;
const waits: readonly (readonly [inNode: Strategy, inC: Strategy])[] = [
  ['event', 'park'],
  ['park', 'park'],
  ['spin', 'spin'],
];

afterAll(dismiss);

describeInC('one producer, one consumer', () => {
  describe.each(LANGUAGES)('from %s', (from) => {
    test.each(waits)('Node.js by %s, C by %s: all arrive, in order, and the end', async (inNode, inC) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { capacityBytes: CAPACITY, startPosition });
      await using crew = new Crew();
      const producer = await crew.take(from, 'produce', path);
      const consumer = await crew.take(other(from), 'consume', path);
      const [writing, reading] = from === 'C' ? [inC, inNode] : [inNode, inC];
      const read = consumer.read(4000, LONGEST, reading);
      expect(await producer.write(1, 0, 3000, LONGEST, writing)).toBe(3000);
      await producer.ask('end');
      expect(await read).toEqual(all({ 1: whole(3000) }));
    });

    test('with checksums', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { capacityBytes: CAPACITY, startPosition, checksums: true });
      await using crew = new Crew();
      const producer = await crew.take(from, 'produce', path);
      const consumer = await crew.take(other(from), 'consume', path);
      const read = consumer.read(2000, LONGEST, 'park');
      await producer.write(1, 0, 1500, LONGEST, 'park');
      await producer.ask('end');
      expect(await read).toEqual(all({ 1: whole(1500) }));
    });

    test('in a sealed memory file', async () => {
      await using crew = new Crew();
      using ring = createAnonymousRing({ capacityBytes: CAPACITY });
      const descriptor = ring.descriptor();
      const place = { C: descriptor.path, 'Node.js': JSON.stringify(descriptor) };
      const producer = await crew.take(from, 'produce', place[from]);
      const consumer = await crew.take(other(from), 'consume', place[other(from)]);
      const read = consumer.read(2000, LONGEST, from === 'C' ? 'event' : 'park');
      await producer.write(1, 0, 1000, LONGEST, from === 'C' ? 'park' : 'event');
      await producer.ask('end');
      expect(await read).toEqual(all({ 1: whole(1000) }));
    });

    test('the longest message, and the shortest', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { capacityBytes: CAPACITY, startPosition: 8 });
      await using crew = new Crew();
      const producer = await crew.take(from, 'produce', path);
      const consumer = await crew.take(other(from), 'consume', path);
      for (const longest of [8, CAPACITY - 8]) {
        const read = consumer.read(200, longest, 'park');
        await producer.write(1, 0, 200, longest, 'park');
        expect(await read).toEqual(all({ 1: whole(200) }, false));
      }
    });
  });
});

describeInC('lanes that grow', () => {
  describe.each(LANGUAGES)('from %s', (from) => {
    test.each(['spsc', 'mpsc', 'broadcast', 'bus'] as const)(
      'go on in a larger or smaller segment, and come back: %s',
      async (topology) => {
        using scratch = scratchFolder();
        const path = scratch.file('ring');
        const capacities = { capacityBytes: CAPACITY, maxCapacityBytes: 8 * CAPACITY };
        using _ring = createRing(path, { topology, ...capacities, startPosition });
        await using crew = new Crew();
        const consumer = await crew.take(other(from), 'consume', path);
        let producer = await crew.take(from, 'produce', path);
        let written = 0;
        const write = async (most: number): Promise<number> => {
          const count = await producer.tryWrite(1, written, most, LONGEST);
          written += count;
          return count;
        };
        for (let round = 0; round < 3; round++) {
          const first = written;
          // Full, it goes on in a larger one, which has as much room as if nothing were unread.
          expect(await write(1000)).toBeLessThan(10);
          await producer.ask('resize 3');
          expect(await write(1000)).toBeGreaterThan(20);
          expect(await producer.refusal('resize 0')).toMatchObject({ code: 'BUSY' });
          if (round > 0) {
            // A successor in the other language finds two segments in use.
            await producer.kill();
            producer = await crew.take(round === 1 ? other(from) : from, 'produce', path);
          }
          const count = written - first;
          expect(await consumer.read(count, LONGEST, 'park')).toEqual(all({ 1: whole(count, first) }, false));
          await producer.ask('resize 1');
          const reading = consumer.read(500, LONGEST, 'park');
          await producer.write(1, written, 500, LONGEST, 'park');
          expect(await reading).toEqual(all({ 1: whole(500, written) }, false));
          written += 500;
          await producer.ask('resize 0');
          await write(1); // behind the mark, which a consumer passes when it looks for messages
          expect(await consumer.read(1, LONGEST, 'park')).toEqual(all({ 1: whole(1, written - 1) }, false));
        }
      },
    );

    test.each(['broadcast', 'bus'] as const)(
      'are joined in either segment, and left for a name: %s',
      async (topology) => {
        using scratch = scratchFolder();
        const path = scratch.file('ring');
        const capacities = { capacityBytes: CAPACITY, maxCapacityBytes: 8 * CAPACITY };
        using _ring = createRing(path, { topology, consumers: 4, ...capacities, startPosition });
        await using crew = new Crew();
        let producer = await crew.take(from, 'produce', path);
        await producer.write(1, 0, 1000, LONGEST, 'park'); // for nobody: the tail moves
        await producer.ask('resize 3');
        await producer.write(1, 1000, 3, LONGEST, 'park');
        // The oldest are in the older segment, for whoever comes, and for a name.
        const named = await crew.take(other(from), 'consume', path, 'oldest name=bill');
        const late = await crew.take(other(from), 'consume', path, 'oldest');
        const read = await late.read(1, LONGEST, 'park');
        const { first } = read.seen[1] as { first: number };
        expect(first).toBeGreaterThan(900);
        expect(first).toBeLessThan(1000);
        expect(await late.read(1002 - first, LONGEST, 'park')).toEqual(
          all({ 1: whole(1002 - first, first + 1) }, false),
        );
        await late.ask('leave');
        await named.kill();
        expect(await producer.refusal('resize 0')).toMatchObject({ code: 'BUSY' });
        await producer.kill();
        producer = await crew.take(other(from), 'produce', path);
        expect(await producer.refusal('resize 0')).toMatchObject({ code: 'BUSY' });
        await producer.write(1, 1003, 3, LONGEST, 'park');
        const again = await crew.take(from, 'consume', path, 'name=bill');
        expect(await again.read(1006 - first, LONGEST, 'park')).toEqual(all({ 1: whole(1006 - first, first) }, false));
        await producer.ask('resize 0');
        const last = await crew.take(from, 'consume', path, 'oldest');
        await producer.write(1, 1006, 1, LONGEST, 'park');
        expect((await last.read(1, LONGEST, 'park')).fault).toBe('');
      },
    );

    test('are taken up by a consumer that comes later', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using _ring = createRing(path, { capacityBytes: CAPACITY, maxCapacityBytes: 8 * CAPACITY, startPosition });
      await using crew = new Crew();
      const producer = await crew.take(from, 'produce', path);
      const before = await producer.tryWrite(1, 0, 1000, LONGEST);
      await producer.ask('resize 2');
      const after = await producer.tryWrite(1, before, 1000, LONGEST);
      const count = before + after;
      for (const [language, first, most] of [
        [other(from), 0, before - 1],
        [from, before - 1, 3],
        [other(from), before + 2, count - before - 2],
      ] as const) {
        const consumer = await crew.take(language, 'consume', path);
        expect(await consumer.read(most, LONGEST, 'park')).toEqual(all({ 1: whole(most, first) }, false));
        await consumer.ask('leave');
      }
    });
  });
});

/** Producers 1 and 2 of Node.js, 3 and 4 of C, each with so many messages. */
const COUNT = 1000;
const everything = { 1: whole(COUNT), 2: whole(COUNT), 3: whole(COUNT), 4: whole(COUNT) };

describeInC('many', () => {
  test.each(LANGUAGES)('producers, of both languages, and a consumer in %s', async (language) => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using _ring = createRing(path, { topology: 'mpsc', producers: 5, capacityBytes: CAPACITY, startPosition });
    await using crew = new Crew();
    const consumer = await crew.take(language, 'consume', path);
    const read = consumer.read(5 * COUNT, LONGEST, language === 'C' ? 'park' : 'event');
    await produceInBoth(crew, path);
    expect(await read).toEqual(all(everything));
  });

  test.each(LANGUAGES)('consumers, of both languages, and a producer in %s', async (language) => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using _ring = createRing(path, { topology: 'broadcast', consumers: 40, capacityBytes: CAPACITY, startPosition });
    await using crew = new Crew();
    const reads = await consumeInBoth(crew, path);
    const producer = await crew.take(language, 'produce', path);
    await producer.write(1, 0, COUNT, LONGEST, language === 'C' ? 'park' : 'event');
    await producer.ask('end');
    for (const read of reads) expect(await read).toEqual(all({ 1: whole(COUNT) }));
  });

  test('producers and consumers, of both languages', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using _ring = createRing(path, {
      topology: 'bus',
      producers: 20,
      consumers: 20,
      capacityBytes: CAPACITY,
      startPosition,
    });
    await using crew = new Crew();
    const reads = await consumeInBoth(crew, path);
    await produceInBoth(crew, path);
    for (const read of reads) expect(await read).toEqual(all(everything));
  });

  test('producers and consumers, of both languages, with checksums and a limit to how far one may be behind', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using _ring = createRing(path, {
      topology: 'bus',
      producers: 4,
      consumers: 4,
      capacityBytes: 1 << 22, // so far behind is nobody
      maxLagBytes: 1 << 22,
      checksums: true,
    });
    await using crew = new Crew();
    const reads = await consumeInBoth(crew, path);
    await produceInBoth(crew, path);
    for (const read of reads) expect(await read).toEqual(all(everything));
  });
});

async function produceInBoth(crew: Crew, path: string): Promise<void> {
  const wait = { C: 'park', 'Node.js': 'event' } as const;
  const producers = await Promise.all(
    ([1, 2, 3, 4] as const).map(async (id) => ({
      id,
      peer: await crew.take(id < 3 ? 'Node.js' : 'C', 'produce', path),
    })),
  );
  await Promise.all(
    producers.map(async ({ id, peer }) => {
      await peer.write(id, 0, COUNT, LONGEST, wait[peer.language]);
      await peer.ask('end');
    }),
  );
}

/** Two consumers of each language, which read up to the end. */
async function consumeInBoth(crew: Crew, path: string): Promise<Promise<Read>[]> {
  const reads: Promise<Read>[] = [];
  for (const [language, wait] of [
    ['C', 'park'],
    ['Node.js', 'event'],
    ['C', 'spin'],
    ['Node.js', 'park'],
  ] as const) {
    const peer = await crew.take(language, 'consume', path);
    reads.push(peer.read(5 * COUNT, LONGEST, wait));
  }
  return reads;
}
