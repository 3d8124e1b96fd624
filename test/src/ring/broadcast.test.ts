import { describe, expect, test } from '@jest/globals';
import { replaceSystemCall } from '@memlane/linux';
import { type Consumer, createAnonymousRing, createRing, openRing, type Ring, type RingShape } from 'memlane';
import { Cast, Program } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { CAPACITY, until } from './conformance/bed.ts';
import { Numbering, Reckoning } from './numbered.ts';

// What every consumer reads, who is waited for, and who is not.

const TRAFFIC = { seed: 3, maxLength: 100 };
/** Where positions wrap while the ring is in use. */
const STARTS = [0, 2 ** 31 - CAPACITY, 2 ** 32 - CAPACITY];

function make(shape: RingShape = {}): { ring: Ring; writer: Numbering } & Disposable {
  const ring = createAnonymousRing({ topology: 'broadcast', consumers: 4, capacityBytes: CAPACITY, ...shape });
  return { ring, writer: new Numbering(ring.producer(), TRAFFIC), [Symbol.dispose]: () => ring.close() };
}

function texts(consumer: Consumer): string[] {
  const found: string[] = [];
  consumer.poll((view, offset, length) => {
    found.push(view.buffer.toString('latin1', offset, offset + length));
  });
  return found;
}

describe('a producer that waits for its consumers', () => {
  test.each(STARTS)('is held up by the slowest, and by nobody who has gone, from %d', (startPosition) => {
    using bed = make({ startPosition });
    const { ring, writer } = bed;
    const readers = [ring.consumer(), ring.consumer(), ring.consumer()];
    const reckonings = readers.map(() => new Reckoning(TRAFFIC, 0));
    const read = (at: number): void => reckonings[at]?.readAll(readers[at] as Consumer);
    for (let round = 0; round < 30; round++) {
      writer.write(1000);
      const full = writer.next;
      read(round % 3);
      expect(writer.write(1)).toBe(0);
      read((round + 1) % 3);
      expect(writer.write(1)).toBe(0);
      expect(writer.next).toBe(full);
      read((round + 2) % 3);
      expect(writer.write(1)).toBe(1);
    }
    writer.write(1000);
    readers[0]?.close();
    expect(writer.write(1)).toBe(0);
    readers[1]?.close();
    read(2);
    expect(writer.write(1)).toBe(1);
    read(2);
    expect(reckonings[2]?.due).toBe(writer.next);
    readers[2]?.close();
    expect(writer.write(5000)).toBe(5000); // nobody is there
  });

  const ways = [
    { wait: 'event', blocking: false },
    { wait: 'adaptive', blocking: false },
    { wait: 'park', blocking: true },
  ] as const;

  test.each(ways)('goes on when a consumer that held it up is killed, also while it sleeps ($wait)', async (way) => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    createRing(path, { topology: 'broadcast', consumers: 4, capacityBytes: CAPACITY }).close();
    await using cast = new Cast();
    using ring = openRing(path, { access: 'read' });
    const parks = (): number => ring.statistics().producers[0]?.parks ?? 0;
    const written = (): number => ring.statistics().producers[0]?.messages ?? 0;
    // The bell and the lock of who dies are given back in no certain order: more than once.
    for (let round = 0; round < 3; round++) {
      const [first, second] = [0, 1].map(() => cast.start('ring-attach', { path, role: 'consumer' }));
      await first?.next('attached');
      await second?.next('attached');
      const before = parks();
      const sleeper = cast.start('ring-sleeper', { path, role: 'producer', ...way });
      await sleeper.next<number>('attached');
      const full = written();
      await until(() => parks() > before, 'the producer sleeps');
      first?.kill();
      await first?.end();
      expect(written()).toBe(full);
      second?.kill();
      await until(() => written() > full, 'the producer goes on');
      sleeper.kill();
      await sleeper.end();
    }
  });

  test('waits for a consumer that is stopped, until that goes on or dies', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, { topology: 'broadcast', consumers: 4, capacityBytes: CAPACITY });
    const writer = new Numbering(ring.producer(), TRAFFIC);
    await using reader = new Program('ring-numbered-reader', { path, traffic: TRAFFIC, due: 0, upTo: 2000 });
    await reader.next('attached');
    reader.kill('SIGSTOP');
    await until(() => reader.diagnosis().includes('T (stopped)'), 'it is stopped');
    writer.write(1000);
    expect(writer.producer.waitSync(250, 100)).toBe(false);
    reader.kill('SIGCONT');
    while (writer.next < 2000) {
      if (writer.write(1) === 0) expect(writer.producer.waitSync(20_000, writer.length)).toBe(true);
    }
    expect(await reader.next<{ due: number; lost: number }>('read')).toMatchObject({ due: 2000, lost: 0 });

    await using idle = new Program('ring-attach', { path, role: 'consumer' });
    await idle.next('attached');
    idle.kill('SIGSTOP');
    writer.write(1000);
    expect(writer.write(1)).toBe(0);
    idle.kill();
    await idle.end();
    expect(writer.write(1)).toBe(1);
  });

  test('delivers every message once and in order to each of several processes that are slower and faster', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    createRing(path, {
      topology: 'broadcast',
      consumers: 4,
      capacityBytes: CAPACITY,
      startPosition: 2 ** 31 - CAPACITY,
    }).close();
    await using cast = new Cast();
    const readers = [undefined, 1, undefined].map((napMs) =>
      cast.start('ring-numbered-reader', { path, traffic: TRAFFIC, due: 0, napMs }),
    );
    for (const reader of readers) await reader.next('attached');
    const count = 5000;
    const writer = cast.start('ring-numbered-writer', { path, traffic: TRAFFIC, count, batch: 3, end: true });
    expect(await writer.next('written')).toBe(count);
    for (const reader of readers) expect(await reader.next('read')).toMatchObject({ read: count, lost: 0, losses: 0 });
  });
});

describe('a consumer that is too far behind', () => {
  test.each(STARTS)('is passed over, and told so by each call, from %d', async (startPosition) => {
    using bed = make({ maxLagBytes: CAPACITY / 2, startPosition });
    const { ring, writer } = bed;
    const slow = ring.consumer();
    const quick = ring.consumer();
    const reckoning = new Reckoning(TRAFFIC, 0);
    for (let times = 0; times < 200; times++) {
      expect(writer.write(10)).toBe(10);
      reckoning.readAll(quick);
    }
    expect(() => slow.poll(() => {})).toThrow(expect.objectContaining({ code: 'ERR_MEMLANE_EVICTED' }));
    expect(() => slow.tryRead()).toThrow(expect.objectContaining({ code: 'ERR_MEMLANE_EVICTED' }));
    expect(() => slow.waitSync(0)).toThrow(expect.objectContaining({ code: 'ERR_MEMLANE_EVICTED' }));
    await expect(slow.wait()).rejects.toMatchObject({ code: 'ERR_MEMLANE_EVICTED' });
    slow.close();
    expect(reckoning.due).toBe(writer.next);
    const again = ring.consumer();
    const next = new Reckoning(TRAFFIC, writer.next);
    expect(writer.write(5)).toBe(5);
    next.readAll(again);
    expect(next.read).toBe(5);
  });

  test('is waited for as long as it is not further behind than it may be', () => {
    using bed = make({ maxLagBytes: CAPACITY });
    const { ring, writer } = bed;
    const slow = ring.consumer();
    const reckoning = new Reckoning(TRAFFIC, 0);
    writer.write(1000);
    const full = writer.next;
    expect(writer.write(1)).toBe(0);
    reckoning.readAll(slow);
    expect(reckoning.due).toBe(full);
  });

  test('is evicted in the event loop, too, and never reads a torn message', () =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      const traffic = { seed: random.next(), maxLength: 400 };
      createRing(path, {
        topology: 'broadcast',
        consumers: 4,
        capacityBytes: CAPACITY,
        maxLagBytes: CAPACITY / 2,
        startPosition: 2 ** 32 - 16 * CAPACITY,
      }).close();
      await using cast = new Cast();
      const reader = { path, traffic };
      const readers = [
        cast.start('ring-numbered-reader', reader),
        cast.start('ring-numbered-reader', { ...reader, napMs: 1, options: { from: 'oldest' } }),
      ];
      for (const one of readers) await one.next('attached');
      const writer = cast.start('ring-numbered-writer', { path, traffic, count: 30_000, end: true });
      await writer.next('written');
      type Total = { evicted: number; read: number };
      const totals = [];
      for (const one of readers) totals.push(await one.next<Total>('read'));
      expect(totals[1]?.evicted).toBeGreaterThan(0);
      expect(totals.reduce((sum, { read }) => sum + read, 0)).toBeGreaterThan(20); // the slow one alone: perhaps 2
    }));
});

describe('whoever joins while the producer is at full speed reads nothing that was overwritten', () => {
  const kinds: readonly RingShape[] = [{}, { maxLagBytes: CAPACITY }, { overwrite: true }, { checksums: true }];

  test.each(kinds)('%j', (shape) =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      const traffic = { seed: random.next(), maxLength: 40 };
      const startPosition = random.pick([2 ** 31, 2 ** 32]) - 256 * CAPACITY;
      createRing(path, {
        topology: 'broadcast',
        consumers: 4,
        capacityBytes: CAPACITY,
        startPosition,
        ...shape,
      }).close();
      await using cast = new Cast();
      const writer = cast.start('ring-numbered-writer', { path, traffic });
      await writer.next('attached');
      const joiners = (['now', 'oldest'] as const).map((from) =>
        cast.start('ring-numbered-reader', { path, traffic, options: { from }, rejoin: 3, joins: 40 }),
      );
      for (const joiner of joiners) expect(await joiner.next('read')).toMatchObject({ joined: 40 });
      expect(writer.running).toBe(true);
    }),
  );
});

describe('a producer that overwrites', () => {
  test.each(STARTS)('is never refused, and who was overtaken knows how many it has lost, from %d', (startPosition) => {
    using bed = make({ overwrite: true, startPosition });
    const { ring, writer } = bed;
    const reckonings = [new Reckoning(TRAFFIC, 0), new Reckoning(TRAFFIC, 0), new Reckoning(TRAFFIC, 0)];
    const readers = [
      ring.consumer({ onLoss: reckonings[0]?.onLoss }),
      ring.consumer({ from: 'now', onLoss: reckonings[1]?.onLoss }),
      ring.consumer({ onLoss: reckonings[2]?.onLoss }),
    ];
    for (let round = 0; round < 120; round++) {
      expect(writer.write(1 + ((round * 37) % 150))).toBeGreaterThan(0);
      for (const [at, reader] of readers.entries()) if (round % (at + 2) === 0) reckonings[at]?.readAll(reader);
    }
    writer.write(2);
    for (const [at, reader] of readers.entries()) {
      const reckoning = reckonings[at] as Reckoning;
      reckoning.readAll(reader);
      writer.write(1);
      reckoning.readAll(reader);
      const { read, lost, due } = reckoning;
      expect(due).toBe(writer.next);
      expect(read + lost).toBe(due);
      expect(reader.lostMessages).toBe(lost);
      expect(lost).toBeGreaterThan(0);
    }
  });

  test('tells how many bytes were lost, from where the reader was', () => {
    using bed = make({ overwrite: true });
    const { ring, writer } = bed;
    const losses: { records: number | undefined; bytes: number }[] = [];
    const consumer = ring.consumer({ onLoss: (loss) => losses.push(loss) });
    const { producer } = writer;
    const count = 3 * (CAPACITY / 64);
    for (let n = 0; n < count; n++) producer.tryWrite('x'.repeat(56));
    const read = texts(consumer).length;
    expect(losses).toEqual([{ records: count - read, bytes: (count - read) * 64 }]);
  });

  test('whoever has left a loop in the middle goes on, though the writer has overwritten what it gave not back', async () => {
    using bed = make({ overwrite: true });
    const { ring, writer } = bed;
    let lost = 0;
    const consumer = ring.consumer({ onLoss: ({ records = 0 }) => (lost += records) });
    const { producer } = writer;
    const [count, more] = [CAPACITY / 256, (CAPACITY - 512) / 128];
    for (let n = 0; n < count; n++) producer.tryWrite('x'.repeat(120));
    let seen = 0;
    for await (const _ of consumer) {
      seen += 1;
      if (seen === count) break;
    }
    for (let n = 0; n < more; n++) producer.tryWrite('y'.repeat(120));
    expect(texts(consumer)).toHaveLength(more);
    expect(lost).toBe(0);
  });

  test('who was overtaken while it waited, by a message that left nothing behind it, goes on with the next', () => {
    using bed = make({ overwrite: true });
    const { ring, writer } = bed;
    const consumer = ring.consumer({ wait: 'spin', from: 'now' });
    const { producer } = writer;
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 3; n++) producer.tryWrite('z'.repeat(CAPACITY / 2));
      consumer.waitSync(0); // finds that it was overtaken, and nothing to read: it does not advance
      for (let n = 0; n < 2; n++) {
        producer.tryWrite('next');
        consumer.waitSync(0);
        expect(texts(consumer).at(-1)).toBe('next');
      }
    }
  });

  test.each(STARTS)('to readers in other processes, no message is torn and each loss is exact, from %d', (start) =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      const [maxLength, count] = random.pick([
        [40, 60_000],
        [400, 20_000],
        [CAPACITY - 16, 6000], // with room for a checksum
      ] as const);
      const traffic = { seed: random.next(), maxLength };
      createRing(path, {
        topology: 'broadcast',
        consumers: 4,
        capacityBytes: CAPACITY,
        overwrite: true,
        checksums: random.chance(0.3),
        startPosition: start === 0 ? 0 : start - 16 * CAPACITY,
      }).close();
      await using cast = new Cast();
      const reader = (more: object): Program => cast.start('ring-numbered-reader', { path, traffic, due: 0, ...more });
      const readers = [reader({}), reader({ napMs: 1 }), reader({ options: { from: 'now' } })];
      for (const one of readers) await one.next('attached');
      const writer = cast.start('ring-numbered-writer', {
        path,
        traffic,
        count,
        batch: random.pick([1, 3]),
        end: true,
      });
      await writer.next('written');
      type Total = { read: number; lost: number; losses: number; due: number };
      let readByAny = 0;
      for (const [at, one] of readers.entries()) {
        const { read, lost, losses, due } = await one.next<Total>('read');
        readByAny += read;
        expect(read + lost).toBe(due);
        if (at < 2) expect(due).toBe(count); // the third may have been overtaken by the last message
        if (at === 1) expect(losses).toBeGreaterThan(0);
      }
      expect(readByAny).toBeGreaterThan(0); // one of them alone may have slept through it all
    }),
  );

  test('a producer that is killed at any moment leaves a ring whose losses its successor counts on', () =>
    withSeed(async (random) => {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using ring = newRing(path);
      const traffic = { seed: random.next(), maxLength: 200 };
      const reckoning = new Reckoning(traffic, 0);
      const consumer = ring.consumer({ onLoss: reckoning.onLoss, wait: 'park' });
      let from = 0;
      for (let life = 0; life < 6; life++) {
        await using writer = new Program('ring-numbered-writer', { path, traffic, from });
        await writer.next('attached');
        const until = performance.now() + random.between(1, 30);
        while (performance.now() < until) {
          reckoning.readAll(consumer);
          consumer.waitSync(1);
        }
        writer.kill();
        await writer.end();
        // Whatever it had published counts, and nothing else.
        reckoning.readAll(consumer);
        from = reckoning.due as number;
      }
      expect(reckoning.read + reckoning.lost).toBe(from);
      expect(from).toBeGreaterThan(100);
    }));
});

function newRing(path: string): Ring {
  return createRing(path, { topology: 'broadcast', consumers: 2, capacityBytes: CAPACITY, overwrite: true });
}

test('a producer that is refused again and again asks now and then who is alive, and not each time', () => {
  using ring = createAnonymousRing({ topology: 'broadcast', consumers: 4, capacityBytes: CAPACITY });
  const producer = ring.producer();
  ring.consumer();
  ring.consumer();
  while (producer.tryWrite('full'));
  let questions = 0;
  using _counted = replaceSystemCall('fcntlLock', (original) => (...parameters) => {
    questions += 1;
    return original(...parameters);
  });
  const since = performance.now();
  for (let look = 0; look < 20_000; look++) expect(producer.tryWrite('no room')).toBe(false);
  // Of two consumers, once a millisecond.
  expect(questions).toBeLessThanOrEqual(2 * (performance.now() - since + 1));
});
