import { describe, expect, test } from '@jest/globals';
import { type ConsumerOptions, createAnonymousRing, createRing, type Loss, type Ring, type RingShape } from 'memlane';
import { Program, runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { CAPACITY } from './conformance/bed.ts';
import { Numbering, Reckoning } from './numbered.ts';

// A place in a ring that outlives whoever reads by its name.

const TRAFFIC = { seed: 8, maxLength: 100 };

function make(shape: RingShape = {}): { ring: Ring; writer: Numbering } & Disposable {
  const ring = createAnonymousRing({ topology: 'broadcast', consumers: 3, capacityBytes: CAPACITY, ...shape });
  return { ring, writer: new Numbering(ring.producer(), TRAFFIC), [Symbol.dispose]: () => ring.close() };
}

/** Reads everything by a name, and leaves. */
function visit(ring: Ring, options: ConsumerOptions, reckoning: Reckoning): Loss[] {
  const losses: Loss[] = [];
  const onLoss = (loss: Loss): void => {
    losses.push(loss);
    reckoning.onLoss(loss);
  };
  using consumer = ring.consumer({ ...options, onLoss });
  reckoning.readAll(consumer);
  return losses;
}

test.each([0, 2 ** 31 - 500, 2 ** 32 - 500])(
  'the next owner of a name goes on exactly where the last one was, from %d',
  (startPosition) => {
    for (const shape of [{}, { maxLagBytes: CAPACITY }, { overwrite: true }, { checksums: true }]) {
      using bed = make({ startPosition: startPosition - (startPosition % 8), ...shape });
      const reckoning = new Reckoning(TRAFFIC, 0);
      for (let round = 0; round < 50; round++) {
        expect(visit(bed.ring, { name: 'reader', from: 'oldest' }, reckoning)).toEqual([]);
        expect(reckoning.due).toBe(bed.writer.next);
        bed.writer.write(20);
      }
    }
  },
);

test.each(['broadcast', 'bus'] as const)(
  'also when the last one was killed, or was of another process (%s)',
  async (topology) => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, { topology, consumers: 3, capacityBytes: CAPACITY });
    const writer = new Numbering(ring.producer(), TRAFFIC);
    const options = { name: 'reader', from: 'oldest' };
    for (let due = 0; due < 60; due += 20) {
      writer.write(20);
      // It does not close its place: it ends.
      const [read] = await runProgram(
        'ring-numbered-reader',
        { path, traffic: TRAFFIC, options, due, upTo: due + 20 },
        { event: 'read' },
      );
      expect(read).toMatchObject({ read: 20, lost: 0 });
      await using killed = new Program('ring-sleeper', {
        path,
        role: 'consumer',
        wait: 'park',
        blocking: true,
        reading: options,
      });
      await killed.next('attached');
      killed.kill();
      await killed.end();
    }
  },
);

describe('what is kept while nobody reads by a name', () => {
  test('everything: producers wait when the ring is full, also for one who was killed', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, { topology: 'broadcast', consumers: 3, capacityBytes: CAPACITY });
    const writer = new Numbering(ring.producer(), TRAFFIC);
    await using killed = new Program('ring-sleeper', {
      path,
      role: 'consumer',
      wait: 'park',
      blocking: true,
      reading: { name: 'reader' },
    });
    await killed.next('attached');
    killed.kill();
    await killed.end();
    writer.write(1000);
    expect(writer.write(1)).toBe(0);
    const reckoning = new Reckoning(TRAFFIC, 0);
    expect(visit(ring, { name: 'reader' }, reckoning)).toEqual([]);
    expect(reckoning.due).toBe(writer.next);
    expect(writer.write(1)).toBe(1);
  });

  test('so many bytes: not less, and what is gone beyond is reported', () => {
    using bed = make();
    const { ring, writer } = bed;
    const keeping = { name: 'reader', retain: CAPACITY / 2 };
    const reckoning = new Reckoning(TRAFFIC, 0);
    visit(ring, keeping, reckoning);
    for (let behind = 0; behind < CAPACITY / 2 - 120; ) {
      expect(writer.write(1)).toBe(1);
      behind = ring.statistics().consumers[0]?.backlogBytes ?? 0;
    }
    expect(visit(ring, keeping, reckoning)).toEqual([]);
    expect(reckoning.due).toBe(writer.next);
    const before = writer.next;
    expect(writer.write(500)).toBe(500);
    const losses = visit(ring, keeping, reckoning);
    expect(losses).toEqual([{ records: undefined, bytes: expect.any(Number) }]);
    expect(losses[0]?.bytes).toBeGreaterThan(0);
    expect(reckoning.due).toBe(writer.next);
    expect(reckoning.read).toBeLessThan(before + 500);
  });

  test('nothing: producers do not wait, and what is still there is read all the same', () => {
    using bed = make();
    const { ring, writer } = bed;
    const reckoning = new Reckoning(TRAFFIC, 0);
    visit(ring, { name: 'reader', retain: 'nothing' }, reckoning);
    writer.write(5);
    expect(visit(ring, { name: 'reader', retain: 'nothing' }, reckoning)).toEqual([]);
    expect(reckoning.due).toBe(5);
    expect(writer.write(500)).toBe(500);
    expect(visit(ring, { name: 'reader', retain: 'nothing' }, reckoning)).toHaveLength(1);
    expect(reckoning.due).toBe(writer.next);
  });

  test('is what its last owner has said', () => {
    using bed = make();
    const { ring, writer } = bed;
    ring.consumer({ name: 'reader' }).close();
    ring.consumer({ name: 'reader', retain: 'nothing' }).close();
    expect(writer.write(500)).toBe(500);
    ring.consumer({ name: 'reader' }).close();
    writer.write(500);
    expect(writer.write(1)).toBe(0);
  });
});

describe('one owner at a time', () => {
  test('a second one is refused, whoever has it, and nothing happens to the first', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, { topology: 'broadcast', consumers: 3, capacityBytes: CAPACITY });
    const writer = new Numbering(ring.producer(), TRAFFIC);
    const first = ring.consumer({ name: 'reader' });
    const words = new RegExp(`'reader'.*process ${process.pid}`);
    expect(() => ring.consumer({ name: 'reader' })).toThrow(
      expect.objectContaining({ code: 'ERR_MEMLANE_BUSY', message: expect.stringMatching(words) }),
    );
    const reckoning = new Reckoning(TRAFFIC, 0);
    writer.write(10);
    reckoning.readAll(first);
    expect(reckoning.due).toBe(10);
    first.close();
    await using other = new Program('ring-sleeper', {
      path,
      role: 'consumer',
      wait: 'park',
      blocking: true,
      reading: { name: 'reader' },
    });
    await other.next('attached');
    expect(() => ring.consumer({ name: 'reader' })).toThrow(
      expect.objectContaining({ code: 'ERR_MEMLANE_BUSY', message: expect.stringContaining(`process ${other.pid}`) }),
    );
    expect(() => ring.removeCursor('reader')).toThrow(expect.objectContaining({ code: 'ERR_MEMLANE_BUSY' }));
    other.kill();
    await other.end();
    ring.consumer({ name: 'reader' }).close();
  });

  test('a new name for which there is no place is told so', () => {
    using bed = make();
    const { ring } = bed;
    for (const name of ['a', 'b', 'c']) ring.consumer({ name }).close();
    for (const options of [{ name: 'd' }, {}])
      expect(() => ring.consumer(options)).toThrow(
        expect.objectContaining({
          code: 'ERR_MEMLANE_BUSY',
          message: expect.stringMatching(/^All consumers' places are taken/),
        }),
      );
    for (const name of ['c', 'a', 'b']) ring.consumer({ name });
  });

  test('names of every length and alphabet are found again; what is none is refused', () => {
    using bed = make();
    const { ring, writer } = bed;
    for (const name of ['x', 'x'.repeat(64), 'ä'.repeat(32), '𝄞', ' ', '../..', 'a\0b']) {
      const reckoning = new Reckoning(TRAFFIC);
      ring.consumer({ name }).close();
      writer.write(3);
      expect(visit(ring, { name }, reckoning)).toEqual([]);
      expect(reckoning.read).toBe(3);
      expect(ring.statistics().consumers.map((consumer) => consumer.name)).toContain(name);
      expect(ring.removeCursor(name)).toBe(true);
    }
    for (const name of ['', 'x'.repeat(65), 'ä'.repeat(33), '\ud800', 'a\udc00b', 5, null])
      expect(() => ring.consumer({ name: name as string })).toThrow(
        expect.objectContaining({ code: 'ERR_MEMLANE_ARGUMENT' }),
      );
  });
});

test('a cursor that is removed holds nobody up, and its place is free', () => {
  using bed = make({ consumers: 1 });
  const { ring, writer } = bed;
  ring.consumer({ name: 'reader' }).close();
  writer.write(1000);
  expect(writer.write(1)).toBe(0);
  expect(ring.removeCursor('writer')).toBe(false);
  expect(ring.removeCursor('reader')).toBe(true);
  expect(ring.removeCursor('reader')).toBe(false);
  expect(writer.write(1)).toBe(1);
  const reckoning = new Reckoning(TRAFFIC);
  const consumer = ring.consumer({ name: 'other', from: 'oldest' });
  reckoning.readAll(consumer);
  expect(reckoning.due).toBe(writer.next);
});

test('a producer that sleeps because of a cursor is woken when that is removed', async () => {
  using bed = make({ consumers: 1 });
  const { ring, writer } = bed;
  ring.consumer({ name: 'reader' }).close();
  writer.write(1000);
  const waiting = writer.producer.write('there was no room for this');
  await new Promise((resolve) => setTimeout(resolve, 50)); // by then it sleeps; where it does not, the test is easier
  expect(ring.removeCursor('reader')).toBe(true);
  await waiting;
});

test('a name in a bus goes on in every lane, also in those that came after it', () => {
  using ring = createAnonymousRing({ topology: 'bus', producers: 3, consumers: 2, capacityBytes: CAPACITY });
  const writers = [new Numbering(ring.producer(), TRAFFIC)];
  ring.consumer({ name: 'reader' }).close();
  writers.push(new Numbering(ring.producer(), TRAFFIC, 1000), new Numbering(ring.producer(), TRAFFIC, 2000));
  const due = [0, 1000, 2000];
  for (let round = 0; round < 20; round++) {
    for (const writer of writers) expect(writer.write(10)).toBe(10);
    using consumer = ring.consumer({ name: 'reader' });
    consumer.poll((_view, _offset, _length, type) => {
      const lane = Math.floor(type / 1000);
      expect(type).toBe(due[lane]);
      due[lane] = type + 1;
    });
    expect(due).toEqual(writers.map((writer) => writer.next));
  }
});

describe('numbers of a ring whose consumers come and go', () => {
  test('count who is there, or kept, and nobody who has gone', () => {
    using bed = make();
    const { ring, writer } = bed;
    ring.consumer().close();
    expect(writer.write(500)).toBe(500);
    expect(ring.statistics().backlogBytes).toBe(0);
    const kept = ring.consumer({ name: 'kept' });
    writer.producer.tryWrite('x'.repeat(56));
    expect(ring.statistics().backlogBytes).toBe(64);
    kept.close();
    expect(ring.statistics().backlogBytes).toBe(64);
    expect(ring.statistics().consumers.find(({ name }) => name === 'kept')).toMatchObject({
      alive: false,
      backlogBytes: 64,
    });
  });
});

describe('who was away for more than 2 GiB', () => {
  /** Writes so many bytes without touching them. */
  function pass(writer: Numbering, bytes: number): number {
    const { producer } = writer;
    const length = producer.maxMessageBytes >> 1;
    let count = 0;
    for (let passed = 0; passed < bytes; passed += length + 8) {
      if (producer.tryClaim(length & -8, count) < 0) throw new Error('full');
      producer.commit();
      count += 1;
    }
    return count;
  }

  const distances = [2 ** 31 + 2 ** 20, 3 * 2 ** 30, 2 ** 32, 2 ** 32 + 2 ** 19, 5 * 2 ** 30];

  // Positions are compared by their difference, which is wrong from 2^31 on: nothing says yet how often they have wrapped.
  test.failing('a reader that was overtaken by that much knows what it has lost, and reads what is there', () => {
    for (const bytes of distances) {
      using bed = make({ overwrite: true, capacityBytes: 2 ** 20 });
      let lost = 0;
      const consumer = bed.ring.consumer({ onLoss: ({ records = 0 }) => (lost += records) });
      const count = pass(bed.writer, bytes);
      const types: number[] = [];
      consumer.poll((_view, _offset, _length, type) => void types.push(type));
      expect({ bytes, types, lost }).toEqual({ bytes, types: [count - 1], lost: count - 1 });
    }
  });

  test.failing('a name that was not kept does not take what stands there now for its own', () => {
    for (const bytes of distances) {
      using bed = make({ capacityBytes: 2 ** 20 });
      bed.ring.consumer({ name: 'reader', retain: 'nothing' }).close();
      const count = pass(bed.writer, bytes);
      const losses: Loss[] = [];
      const consumer = bed.ring.consumer({
        name: 'reader',
        retain: 'nothing',
        onLoss: (loss) => void losses.push(loss),
      });
      const types: number[] = [];
      consumer.poll((_view, _offset, _length, type) => void types.push(type));
      expect({ bytes, types: types.at(-1), losses: losses.length }).toEqual({ bytes, types: count - 1, losses: 1 });
    }
  });
});
