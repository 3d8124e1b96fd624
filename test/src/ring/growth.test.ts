import { statSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { type Consumer, createAnonymousRing, createRing, type Handler, type Producer, type RingShape } from 'memlane';
import { Program } from '../support/program.ts';
import { chooseSeed, Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause, thrownBy } from '../support/speech.ts';
import { STORM_S, STORM_WATCHDOG_MS } from '../support/storm.ts';
import { Succession } from './growth.ts';
import { type Placed, peek, placesOf, poke } from './ring-bytes.ts';

const LEAST = 4096;
const MOST = 65_536;
const HEADER = 8;
const NAME = 'log';
const broadcast = { topology: 'broadcast', consumers: 3, capacityBytes: LEAST, maxCapacityBytes: MOST } as const;
const lane = placesOf(broadcast).lanes[0] as Placed;

/** Numbers the messages of one producer. */
class Writer {
  sent = 0;

  put(producer: Producer, length = 8 + (this.sent % 5) * 8): boolean {
    const offset = producer.tryClaim(length, this.sent);
    if (offset < 0) return false;
    producer.view.i32[offset >> 2] = ~this.sent;
    producer.commit();
    this.sent += 1;
    return true;
  }

  fill(producer: Producer): void {
    while (this.put(producer));
  }
}

/** Checks that every message from the first on comes, in order. */
class Reading {
  first: number | undefined;
  next: number | undefined;

  constructor(next?: number) {
    this.next = next;
  }

  readonly #check: Handler = (view, offset, _length, type) => {
    this.first ??= type;
    if (type !== (this.next ?? type) || view.i32[offset >> 2] !== ~type)
      throw new Error(`message ${type} with ${view.i32[offset >> 2]} instead of ${this.next}`);
    this.next = type + 1;
  };

  take(consumer: Consumer, limit?: number): number {
    return consumer.poll(this.#check, limit);
  }

  takeAll(consumer: Consumer, writer: Writer): void {
    while (this.take(consumer) > 0);
    expect(this.next).toBe(writer.sent);
  }
}

const shapes: RingShape[] = [
  { topology: 'broadcast', consumers: 6 },
  { topology: 'bus', producers: 2, consumers: 6 },
  { topology: 'broadcast', consumers: 6, startPosition: 2 ** 31 - LEAST - HEADER },
  { topology: 'bus', producers: 2, consumers: 6, startPosition: 2 ** 32 - HEADER },
];

describe.each(shapes)('a ring that many read, and that may grow, %j', (shape) => {
  const growable = { capacityBytes: LEAST, maxCapacityBytes: MOST, ...shape };
  const busy = (producer: Producer): unknown => thrownBy(() => producer.resize(2 * LEAST))?.code;

  test('everybody gets everything in order, whoever comes and goes meanwhile', () => {
    const seed = chooseSeed();
    const random = new Random(seed);
    using ring = createAnonymousRing(growable);
    const writer = new Writer();
    let producer = ring.producer();
    const readers = new Map<Consumer, Reading>([[ring.consumer(), new Reading(0)]]);
    const refusals = new Set<unknown>();
    const deeds = [
      () => {
        for (let n = random.below(60); n > 0; n--) writer.put(producer);
      },
      () => refusals.add(thrownBy(() => producer.resize(LEAST << random.below(5)))?.code),
      () => {
        if (readers.size === 6) return;
        if (random.below(2) === 0) readers.set(ring.consumer(), new Reading(writer.sent));
        else readers.set(ring.consumer({ from: 'oldest' }), new Reading());
      },
      () => {
        const leaving = [...readers.keys()][random.below(readers.size)] as Consumer;
        if (readers.size > 1 && readers.delete(leaving)) leaving.close();
      },
      () => {
        if (random.below(5) > 0) return;
        producer.close();
        producer = ring.producer();
      },
      () => {
        for (const [consumer, reading] of readers) reading.take(consumer, random.below(100));
      },
    ];
    for (let round = 0; round < 3000; round++) (deeds[random.below(deeds.length)] as () => void)();
    for (const [consumer, reading] of readers) {
      while (reading.take(consumer) > 0);
      if (reading.next !== undefined) expect(reading.next).toBe(writer.sent);
    }
    expect([...refusals].toSorted()).toEqual(['ERR_MEMLANE_BUSY', undefined]);
    expect({ seed, enough: writer.sent > 3000 }).toEqual({ seed, enough: true });
  });

  test('a larger message fits after it, and a smaller capacity takes that back', () => {
    using ring = createAnonymousRing(growable);
    const producer = ring.producer();
    const consumers = [ring.consumer(), ring.consumer()];
    expect(producer.maxMessageBytes).toBe(LEAST - 2 * HEADER);
    producer.resize(MOST);
    const large = Buffer.alloc(MOST - 2 * HEADER, 7);
    expect(producer.tryWrite(large)).toBe(true);
    for (const consumer of consumers) expect(consumer.tryRead()?.data.equals(large)).toBe(true);
    producer.resize(LEAST);
    expect(thrownBy(() => producer.tryWrite(large))?.code).toBe('ERR_MEMLANE_MESSAGE_TOO_LONG');
    producer.tryWrite('small');
    for (const consumer of consumers) expect(String(consumer.tryRead()?.data)).toBe('small');
  });

  test('who comes late begins at the oldest in the older memory, for as long as that is kept', () => {
    using ring = createAnonymousRing(growable);
    const writer = new Writer();
    const producer = ring.producer();
    for (let n = 0; n < 20; n++) writer.put(producer);
    producer.resize(MOST);
    writer.put(producer);
    const late = new Reading(0);
    const consumer = ring.consumer({ from: 'oldest' });
    late.takeAll(consumer, writer);
    const now = ring.consumer();
    writer.put(producer);
    const fromNow = new Reading(writer.sent - 1);
    fromNow.takeAll(now, writer);
    late.takeAll(consumer, writer);
    // When there is no room any more, the oldest go, and with them that memory.
    for (let n = 0; n < 4000; n++) {
      writer.put(producer);
      if (n % 100 === 0) for (const each of [consumer, now]) while (each.poll(() => {}) > 0);
    }
    const later = new Reading();
    later.takeAll(ring.consumer({ from: 'oldest' }), writer);
    expect(later.first).toBeGreaterThan(20);
    expect(writer.sent - (later.first as number)).toBeGreaterThan(MOST / 2 / 48);
    expect(busy(producer)).toBeUndefined();
  });

  test('a third capacity has to wait for whoever reads before the second, but not for who might come', () => {
    using ring = createAnonymousRing(growable);
    const writer = new Writer();
    const producer = ring.producer();
    for (let n = 0; n < 20; n++) writer.put(producer);
    const [slow, fast] = [new Reading(0), new Reading(0)];
    const slowConsumer = ring.consumer({ from: 'oldest' });
    const fastConsumer = ring.consumer({ from: 'oldest' });
    producer.resize(MOST);
    writer.put(producer);
    fast.takeAll(fastConsumer, writer);
    slow.take(slowConsumer, 5);
    expect(busy(producer)).toBe('ERR_MEMLANE_BUSY');
    slow.takeAll(slowConsumer, writer);
    expect(producer.flushSync(0)).toBe(true);
    expect(busy(producer)).toBeUndefined();
    writer.fill(producer);
    slow.takeAll(slowConsumer, writer);
    fast.takeAll(fastConsumer, writer);
    const late = new Reading();
    late.takeAll(ring.consumer({ from: 'oldest' }), writer);
    expect(late.first).toBeGreaterThanOrEqual(20);
  });

  test('what is unread in the older memory takes no room in the newer', () => {
    using ring = createAnonymousRing(growable);
    const writer = new Writer();
    const producer = ring.producer();
    const consumer = ring.consumer();
    writer.fill(producer);
    const before = writer.sent;
    producer.resize(2 * LEAST);
    writer.fill(producer);
    expect(writer.sent - before).toBeGreaterThanOrEqual(2 * before - 2);
    new Reading(0).takeAll(consumer, writer);
  });

  test('a name goes on where it was, across a growth, whoever wrote and whoever read', () => {
    using ring = createAnonymousRing(growable);
    const writer = new Writer();
    let producer = ring.producer();
    const reading = new Reading(0);
    const first = ring.consumer({ name: NAME });
    for (let n = 0; n < 20; n++) writer.put(producer);
    reading.take(first, 5);
    first.close();
    producer.resize(MOST);
    writer.put(producer);
    expect(busy(producer)).toBe('ERR_MEMLANE_BUSY'); // the name is to have them
    producer.close();
    producer = ring.producer();
    writer.fill(producer);
    expect(busy(producer)).toBe('ERR_MEMLANE_BUSY');
    const onLoss = (): never => {
      throw new Error('lost what was to be kept');
    };
    const second = ring.consumer({ name: NAME, onLoss });
    reading.takeAll(second, writer);
    expect(busy(producer)).toBeUndefined();
    writer.put(producer);
    reading.takeAll(second, writer);
  });

  test.each([
    ['nothing', 'nothing'],
    ['so many bytes', 256],
  ] as const)('a name for which is kept %s does not hold the older memory', (_, retain) => {
    using ring = createAnonymousRing(growable);
    const writer = new Writer();
    const producer = ring.producer();
    ring.consumer({ name: NAME, retain }).close();
    for (let n = 0; n < 20; n++) writer.put(producer);
    producer.resize(MOST);
    expect(busy(producer)).toBeUndefined();
    for (let n = 0; n < 4; n++) writer.put(producer);
    const lost: number[] = [];
    const consumer = ring.consumer({ name: NAME, from: 'oldest', onLoss: ({ bytes }) => lost.push(bytes) });
    const reading = new Reading();
    reading.takeAll(consumer, writer);
    expect(reading.first).toBe(20);
    expect(lost).toHaveLength(1);
  });
});

test('what is kept for a name is looked at for every resize, however soon after the last one', () => {
  using ring = createAnonymousRing(broadcast);
  const writer = new Writer();
  const producer = ring.producer();
  ring.consumer({ name: NAME, retain: 256 }).close();
  producer.resize(MOST);
  writer.put(producer, 8);
  const resize = (): void => producer.resize(2 * LEAST);
  const early = thrownBy(resize);
  writer.put(producer, 400);
  const late = thrownBy(resize); // at once: it is less than a millisecond later
  expect([early?.code, late?.code]).toEqual(['ERR_MEMLANE_BUSY', undefined]);
});

describe('the file of a ring that many read and that grows', () => {
  test('has space for what is in use only', () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, broadcast);
    const writer = new Writer();
    const producer = ring.producer();
    const consumers = [ring.consumer(), ring.consumer()];
    const bytes = (): number => statSync(path).blocks * 512;
    const head = bytes() - LEAST;
    writer.fill(producer);
    producer.resize(MOST);
    expect(bytes()).toBe(head + LEAST + MOST);
    for (const consumer of consumers) new Reading(0).takeAll(consumer, writer);
    producer.resize(2 * LEAST);
    expect(bytes()).toBe(head + 2 * LEAST + MOST);
    const written = writer.sent;
    // It is kept for who comes late until as much has been written since.
    while (writer.sent < written + 1000) {
      writer.put(producer);
      for (const consumer of consumers) consumer.poll(() => {});
    }
    expect(bytes()).toBe(head + 2 * LEAST);
    const pair = peek(path, lane, 'turn') & 1;
    const late = new Reading();
    late.takeAll(ring.consumer({ from: 'oldest' }), writer);
    expect(peek(path, lane, `records${pair}`)).toBe(late.first);
  });

  test('a producer that died in the middle of a move is succeeded, whatever it had done', () => {
    for (const stage of ['noted', 'announced'] as const) {
      using scratch = scratchFolder();
      const path = scratch.file('ring');
      using ring = createRing(path, broadcast);
      const writer = new Writer();
      const first = ring.producer();
      for (let n = 0; n < 20; n++) writer.put(first);
      const before = { published: peek(path, lane, 'published'), segment: peek(path, lane, 'segment') };
      first.resize(MOST);
      first.close();
      poke(path, lane, 'published', before.published);
      if (stage === 'noted') poke(path, lane, 'segment', before.segment);
      const early = ring.consumer({ from: 'oldest' });
      const reading = new Reading(0);
      reading.takeAll(early, writer);
      const second = ring.producer();
      expect(second.maxMessageBytes).toBe((stage === 'noted' ? LEAST : MOST) - 2 * HEADER);
      writer.fill(second);
      reading.takeAll(early, writer);
      second.resize(2 * LEAST);
      writer.fill(second);
      reading.takeAll(early, writer);
    }
  });

  test.each([
    ['level0', 77, 'level0'],
    ['level0', -2, 'level0'],
    ['level0', 4, 'begin1'], // the level of both
    ['level1', 5, 'level1'],
    ['begin1', 4, 'begin1'],
    ['begin1', 2 ** 20, 'begin1'],
    ['begin1', -(2 ** 31), 'begin1'],
    ['tail', 2 ** 20, 'tail'],
  ])('that says that %s is %i is refused', (name, value, field) => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, broadcast);
    const writer = new Writer();
    const first = ring.producer();
    for (let n = 0; n < 20; n++) writer.put(first);
    const consumer = ring.consumer({ from: 'oldest' });
    first.resize(MOST);
    first.close();
    const { blocks } = statSync(path);
    const right = peek(path, lane, name);
    poke(path, lane, name, value);
    expect(thrownBy(() => ring.producer())).toMatchObject({ code: 'ERR_MEMLANE_CORRUPT', field });
    expect(statSync(path).blocks).toBe(blocks);
    poke(path, lane, name, right);
    ring.producer();
    new Reading(0).takeAll(consumer, writer);
  });

  test('a reader finds out that a segment is not what it says', () => {
    using scratch = scratchFolder();
    for (const [name, value] of [
      ['begin1', 512],
      ['begin1', 2 ** 20],
      ['level1', 77],
      ['level0', 77],
    ] as const) {
      const path = scratch.file(`${name} ${value}`);
      using ring = createRing(path, broadcast);
      const writer = new Writer();
      const producer = ring.producer();
      for (let n = 0; n < 20; n++) writer.put(producer);
      producer.resize(MOST);
      poke(path, lane, name, value);
      const read = (): void => {
        const consumer = ring.consumer({ from: 'oldest' });
        while (consumer.poll(() => {}) > 0);
      };
      expect(thrownBy(read)?.code).toBe('ERR_MEMLANE_CORRUPT');
    }
  });
});

describe('processes that are killed', () => {
  test('a consumer that has been holds the older memory no more', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, broadcast);
    const writer = new Writer();
    const producer = ring.producer();
    for (let n = 0; n < 20; n++) writer.put(producer);
    await using reader = new Program('ring-growth', { path, role: 'consumer', stays: true });
    await reader.next('ready');
    producer.resize(MOST);
    writer.put(producer);
    expect(thrownBy(() => producer.resize(LEAST))?.code).toBe('ERR_MEMLANE_BUSY');
    reader.kill();
    await reader.end();
    producer.resize(LEAST);
    for (let n = 0; n < 300; n++) writer.put(producer);
    new Reading().takeAll(ring.consumer({ from: 'oldest' }), writer);
  });

  test(
    'in the middle of a resize, or of joining, leave nothing out and nothing torn',
    () =>
      withSeed(async (random) => {
        using scratch = scratchFolder();
        const path = scratch.file('ring');
        const levels = 3;
        const startPosition = random.pick([0, 2 ** 31 - LEAST, 2 ** 32 - LEAST]);
        const shape = { capacityBytes: LEAST, maxCapacityBytes: LEAST << levels, startPosition } as const;
        using ring = createRing(path, { topology: 'broadcast', consumers: 8, ...shape });
        // One that is never killed reads everything; the others come and go.
        const consumer = ring.consumer();
        const succession = new Succession();
        let life = 0;
        const born = async (role: string): Promise<Program> => {
          const program = new Program('ring-growth', { path, role, levels, life: life++ });
          await program.next('ready');
          return program;
        };
        const seats = [await born('producer'), await born('consumer'), await born('consumer')];
        try {
          const deadline = performance.now() + 1000 * STORM_S;
          for (let kills = 0; kills < 12 || performance.now() < deadline; kills++) {
            const until = performance.now() + random.below(100);
            while (performance.now() < until) {
              consumer.poll(succession.handler, 1 + random.below(200));
              await pause(0);
            }
            const seat = random.below(seats.length);
            const victim = seats[seat] as Program;
            if (!victim.running) throw new Error(victim.diagnosis());
            victim.kill();
            await victim.end();
            const next = born(seat === 0 ? 'producer' : 'consumer');
            let isBorn = false;
            void next.finally(() => {
              isBorn = true;
            });
            while (!isBorn) {
              consumer.poll(succession.handler);
              await pause(0);
            }
            seats[seat] = await next;
          }
        } finally {
          for (const seat of seats) await seat[Symbol.asyncDispose]();
        }
        while (consumer.poll(succession.handler) > 0);
        expect(succession.messages).toBeGreaterThan(1000);
      }),
    STORM_WATCHDOG_MS,
  );
});
