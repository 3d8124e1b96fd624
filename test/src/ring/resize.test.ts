import { statSync, truncateSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { SUPERBLOCK } from '@memlane/core';
import { constants as linux, replaceSystemCall } from '@memlane/linux';
import { RING_HEADER, RingFlag } from '@memlane/ring/layout';
import {
  type Consumer,
  createAnonymousRing,
  createRing,
  type Handler,
  openRing,
  type Producer,
  type RingShape,
} from 'memlane';
import { chooseSeed, Random } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause, thrownBy } from '../support/speech.ts';
import { dataOffset, lane, peek, poke, writeBytes } from './ring-bytes.ts';

const LEAST = 4096;
const MOST = 65_536;
const HEADER = 8;
const growable = { capacityBytes: LEAST, maxCapacityBytes: MOST };

/** Numbers its messages, and checks that they come in that order, none twice and none left out. */
class Stream {
  sent = 0;
  read = 0;

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

  readonly #check: Handler = (view, offset, _length, type) => {
    if (type !== this.read || view.i32[offset >> 2] !== ~this.read)
      throw new Error(`message ${type} with ${view.i32[offset >> 2]} instead of ${this.read}`);
    this.read += 1;
  };

  take(consumer: Consumer, limit?: number): number {
    return consumer.poll(this.#check, limit);
  }

  takeAll(consumer: Consumer): void {
    while (this.take(consumer) > 0);
    expect(this.read).toBe(this.sent);
  }
}

describe.each<RingShape>([
  { topology: 'spsc' },
  { topology: 'mpsc', producers: 2 },
  { topology: 'spsc', startPosition: 2 ** 31 - LEAST - HEADER },
  { topology: 'spsc', startPosition: 2 ** 32 - HEADER },
])('a ring that may grow, %j', (shape) => {
  test('full, it goes on in another capacity, and everything arrives in order', () => {
    const seed = chooseSeed();
    const random = new Random(seed);
    using ring = createAnonymousRing({ ...growable, ...shape });
    const producer = ring.producer();
    const consumer = ring.consumer();
    const stream = new Stream();
    for (let round = 0; round < 500; round++) {
      if (random.below(2) === 0) stream.fill(producer);
      else for (let n = random.below(40); n > 0; n--) stream.put(producer);
      const refusal = thrownBy(() => producer.resize(LEAST << random.below(5)));
      expect([undefined, 'ERR_MEMLANE_BUSY']).toContain(refusal?.code);
      for (let n = random.below(40); n > 0; n--) stream.put(producer);
      stream.take(consumer, random.below(200));
    }
    stream.takeAll(consumer);
    expect({ seed, enough: stream.sent > 1000 }).toEqual({ seed, enough: true });
  });

  test('a larger message fits after it; a smaller capacity takes that back', () => {
    using ring = createAnonymousRing({ ...growable, ...shape });
    const producer = ring.producer();
    const consumer = ring.consumer();
    const { maxMessageBytes } = producer;
    expect(maxMessageBytes).toBe(LEAST - 2 * HEADER); // its own header, and room for the mark
    producer.resize(MOST);
    expect(producer.maxMessageBytes).toBe(MOST - 2 * HEADER);
    const large = Buffer.alloc(producer.maxMessageBytes, 7);
    expect(producer.tryWrite(large)).toBe(true);
    expect(consumer.tryRead()?.data.equals(large)).toBe(true);
    producer.resize(LEAST);
    expect(thrownBy(() => producer.tryWrite(large))?.code).toBe('ERR_MEMLANE_MESSAGE_TOO_LONG');
    producer.tryWrite('small');
    expect(String(consumer.tryRead()?.data)).toBe('small');
  });

  test('a successor of either side goes on where it was, in the segment in which that is', () => {
    using ring = createAnonymousRing({ ...growable, ...shape });
    const stream = new Stream();
    let producer = ring.producer();
    let consumer = ring.consumer();
    const succeed = (): void => {
      producer.close();
      producer = ring.producer();
      consumer.close();
      consumer = ring.consumer();
    };
    for (const capacityBytes of [8192, MOST, LEAST]) {
      stream.fill(producer);
      stream.take(consumer, 10);
      producer.resize(capacityBytes);
      succeed();
      stream.fill(producer);
      stream.take(consumer, 50);
      succeed();
      stream.takeAll(consumer);
    }
  });
});

describe.each(['spsc', 'mpsc'] as const)('a mark is no message, %s', (topology) => {
  test('to be waited for; it is given back by whoever finds nothing behind it', () => {
    using ring = createAnonymousRing({ ...growable, topology });
    const producer = ring.producer();
    const consumer = ring.consumer();
    producer.resize(8192);
    expect(consumer.waitSync(0)).toBe(false);
    expect(producer.flushSync(0)).toBe(true);
    producer.resize(LEAST);
    expect(consumer.tryRead()).toBeNull();
    expect(producer.flushSync(0)).toBe(true);
    producer.tryWrite('one');
    producer.resize(8192);
    expect(String(consumer.tryRead()?.data)).toBe('one');
    expect(consumer.waitSync(0)).toBe(false);
    expect(producer.flushSync(0)).toBe(true);
    producer.end();
    expect(consumer.isEnded).toBe(true);
  });

  test('and what was read before it is not given back with it before its time', async () => {
    using ring = createAnonymousRing({ ...growable, topology });
    const producer = ring.producer();
    const consumer = ring.consumer();
    producer.tryWrite('one');
    producer.resize(8192);
    for await (const { data } of consumer) {
      expect(String(data)).toBe('one');
      expect(consumer.waitSync(0)).toBe(false);
      expect(producer.flushSync(0)).toBe(false);
      break;
    }
    consumer.close();
    expect(String(ring.consumer().tryRead()?.data)).toBe('one');
  });

  test('whoever waits until it is read is woken', async () => {
    using ring = createAnonymousRing({ ...growable, topology });
    const producer = ring.producer();
    const consumer = ring.consumer();
    producer.resize(8192);
    const flushed = producer.flush();
    expect(consumer.tryRead()).toBeNull();
    await flushed;
  });
});

test('a message that waits for room is written when there is more', async () => {
  using ring = createAnonymousRing(growable);
  const stream = new Stream();
  const producer = ring.producer({ wait: 'event' });
  ring.consumer();
  stream.fill(producer);
  const written = producer.write(new Uint8Array(1000));
  await pause(50); // it sleeps by now
  producer.resize(MOST);
  await written;
});

describe('the file of a ring that grows', () => {
  const segment = { at: (name: string, path: string) => peek(path, lane, name) };

  // So far that its beginning, compared with a position, seems to lie ahead.
  test.each(['the first', 'a larger'])('goes on for more than 2 GiB in %s segment', (which) => {
    using ring = createAnonymousRing(growable);
    const stream = new Stream();
    {
      using producer = ring.producer();
      using consumer = ring.consumer();
      if (which !== 'the first') producer.resize(MOST);
      const length = (which === 'the first' ? LEAST : MOST) - 3 * HEADER;
      let arrived = 0;
      // One at a time, so that the ring is never full.
      for (let bytes = 0; bytes < 2 ** 31 + 2 ** 20; bytes += length) {
        if (producer.tryClaim(length) < 0) break;
        producer.commit();
        arrived += consumer.poll(() => {});
      }
      expect(arrived).toBe(Math.ceil((2 ** 31 + 2 ** 20) / length));
      while (stream.sent < MOST && stream.put(producer)); // a bound, or what fails here would never end
      expect(stream.sent).toBeLessThanOrEqual((length + 3 * HEADER) / 16);
      stream.takeAll(consumer);
      producer.resize(2 * LEAST);
      while (stream.sent < 2 * MOST && stream.put(producer));
    }
    // A successor of either side finds everything.
    using producer = ring.producer();
    using consumer = ring.consumer();
    stream.takeAll(consumer);
    producer.resize(LEAST);
    stream.put(producer);
    stream.takeAll(consumer);
  });

  test('has space for what is in use only', () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, growable);
    const stream = new Stream();
    const producer = ring.producer();
    const consumer = ring.consumer();
    const bytes = (): number => statSync(path).blocks * 512;
    const head = bytes() - LEAST;
    stream.fill(producer);
    producer.resize(MOST);
    expect(bytes()).toBe(head + LEAST + MOST);
    stream.takeAll(consumer);
    producer.resize(LEAST);
    stream.takeAll(consumer);
    producer.resize(8192);
    expect(bytes()).toBe(head + LEAST + 8192);
  });

  test('a producer that died before the new segment was announced has done nothing', () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, growable);
    const stream = new Stream();
    const first = ring.producer();
    for (let n = 0; n < 5; n++) stream.put(first);
    const before = { segment: segment.at('segment', path), published: segment.at('published', path) };
    const { blocks } = statSync(path);
    first.resize(MOST);
    first.close();
    for (const [name, value] of Object.entries(before)) poke(path, lane, name, value);
    const second = ring.producer();
    expect(segment.at('level1', path)).toBe(-1);
    expect(statSync(path).blocks).toBe(blocks);
    expect(second.maxMessageBytes).toBe(LEAST - 2 * HEADER);
    for (let n = 0; n < 5; n++) stream.put(second);
    second.resize(8192);
    stream.fill(second);
    stream.takeAll(ring.consumer());
  });

  test('one that died between announcing and publishing is finished by its successor', () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, growable);
    const stream = new Stream();
    const first = ring.producer();
    for (let n = 0; n < 5; n++) stream.put(first);
    const published = segment.at('published', path);
    first.resize(MOST);
    first.close();
    poke(path, lane, 'published', published);
    writeBytes(path, statSync(path).size - 2 * MOST + LEAST + (published % LEAST), Buffer.alloc(8, 0xaa)); // the mark
    const consumer = ring.consumer();
    stream.takeAll(consumer);
    const second = ring.producer();
    expect(segment.at('published', path)).toBe(published + HEADER);
    expect(second.maxMessageBytes).toBe(MOST - 2 * HEADER);
    stream.fill(second);
    stream.takeAll(consumer);
  });

  /** Every mapping of a file fails, or every reservation of space. */
  const failing = {
    ENOMEM: () =>
      replaceSystemCall('mmap', (map) => (address, length, protection, flags, fd, offset) => {
        return fd >= 0 ? -constants.errno.ENOMEM : map(address, length, protection, flags, fd, offset);
      }),
    ENOSPC: () =>
      replaceSystemCall('fallocate', (allocate) => (fd, mode, offset, length) => {
        return (mode & linux.FALLOC_FL_PUNCH_HOLE) === 0 ? -constants.errno.ENOSPC : allocate(fd, mode, offset, length);
      }),
  };

  test.each(['ENOMEM', 'ENOSPC'] as const)('has no segment that was refused, by %s', (code) => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, growable);
    const stream = new Stream();
    const producer = ring.producer();
    stream.fill(producer);
    const before = ['segment', 'begin0', 'level0', 'begin1', 'level1'].map((name) => segment.at(name, path));
    const { blocks } = statSync(path);
    {
      using _fault = failing[code]();
      expect(thrownBy(() => producer.resize(MOST))?.code).toBe(code);
    }
    const after = ['segment', 'begin0', 'level0', 'begin1', 'level1'].map((name) => segment.at(name, path));
    expect(after).toEqual(before);
    expect(statSync(path).blocks).toBe(blocks);
    producer.resize(MOST);
    stream.fill(producer);
    stream.takeAll(ring.consumer());
  });

  test('a producer whose memory is gone does not go on elsewhere', () => {
    using scratch = scratchFolder();
    for (const how of ['the file was cut', 'a record met that']) {
      const path = scratch.file(how);
      using ring = createRing(path, growable);
      const producer = ring.producer();
      const stream = new Stream();
      stream.fill(producer);
      stream.takeAll(ring.consumer());
      const { size } = statSync(path);
      truncateSync(path, dataOffset);
      if (how === 'a record met that') {
        producer.tryClaim(8);
        producer.abort();
        truncateSync(path, size);
      }
      expect(thrownBy(() => producer.resize(MOST))?.code).toBe('ERR_MEMLANE_TRUNCATED');
      expect(segment.at('segment', path)).toBe(0);
    }
  });

  test('nothing is given back while it is not known what is in use', () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, growable);
    const stream = new Stream();
    const first = ring.producer();
    stream.fill(first);
    first.close();
    const { blocks } = statSync(path);
    for (const level of [-1, -2, 5]) {
      poke(path, lane, 'level0', level);
      expect(thrownBy(() => ring.producer())).toMatchObject({ code: 'ERR_MEMLANE_CORRUPT', field: 'level0' });
      expect(statSync(path).blocks).toBe(blocks);
    }
    poke(path, lane, 'level0', 0);
    poke(path, lane, 'level1', -2);
    expect(thrownBy(() => ring.producer())).toMatchObject({ code: 'ERR_MEMLANE_CORRUPT', field: 'level1' });
    poke(path, lane, 'level1', -1);
    ring.producer();
    stream.takeAll(ring.consumer());
  });

  test('a mark that no segment follows, and a level that cannot be, are refused', () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    using ring = createRing(path, growable);
    const producer = ring.producer();
    const consumer = ring.consumer();
    new Stream().put(producer);
    producer.resize(8192);
    poke(path, lane, 'begin1', 4096);
    expect(consumer.tryRead()?.type).toBe(0);
    expect(thrownBy(() => consumer.tryRead())?.code).toBe('ERR_MEMLANE_CORRUPT');
    poke(path, lane, 'level1', 77);
    using other = openRing(path);
    producer.close();
    expect(thrownBy(() => other.producer())?.code).toBe('ERR_MEMLANE_CORRUPT');
  });
});

describe('refused', () => {
  test.each<[string, RingShape]>([
    ['maxCapacityBytes', { capacityBytes: LEAST, maxCapacityBytes: 5000 }],
    ['maxCapacityBytes', { capacityBytes: 8192, maxCapacityBytes: LEAST }],
    ['maxCapacityBytes', { capacityBytes: LEAST, maxCapacityBytes: 2 ** 31 }],
    ['maxCapacityBytes', { ...growable, topology: 'broadcast', overwrite: true }],
    ['maxCapacityBytes', { ...growable, topology: 'bus', maxLagBytes: LEAST }],
    ['maxCapacityBytes', { ...growable, topology: 'bus', checksums: true }],
    ['maxCapacityBytes', { ...growable, checksums: true }],
  ])('%s of %j', (name, shape) => {
    const error = thrownBy(() => createAnonymousRing(shape));
    expect(error?.code).toBe('ERR_MEMLANE_ARGUMENT');
    expect(error?.message).toContain(name);
  });

  test('a file whose lanes may grow and have checksums', () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    createRing(path, growable).close();
    writeBytes(path, SUPERBLOCK.bytes + RING_HEADER.fields.flags.offset, Uint8Array.of(RingFlag.checksums));
    expect(thrownBy(() => openRing(path))).toMatchObject({ code: 'ERR_MEMLANE_CORRUPT', field: 'maxLevel' });
  });

  test('a capacity that is none, one that is not allowed, and a second one too early', () => {
    using ring = createAnonymousRing(growable);
    const producer = ring.producer();
    for (const wrong of [LEAST - 1, 5000, 2 * MOST, LEAST / 2, Number.NaN, '8192', 8192n])
      expect(thrownBy(() => producer.resize(wrong as number))?.code).toBe('ERR_MEMLANE_ARGUMENT');
    producer.resize(LEAST); // as it is: nothing happens
    new Stream().put(producer);
    producer.resize(8192);
    expect(thrownBy(() => producer.resize(MOST))?.code).toBe('ERR_MEMLANE_BUSY');
    producer.end();
    expect(thrownBy(() => producer.resize(MOST))?.code).toBe('ERR_MEMLANE_ENDED');
    producer.close();
    expect(thrownBy(() => producer.resize(MOST))?.code).toBe('ERR_MEMLANE_CLOSED');
    using fixed = createAnonymousRing({ capacityBytes: LEAST });
    expect(thrownBy(() => fixed.producer().resize(8192))?.code).toBe('ERR_MEMLANE_ARGUMENT');
  });
});
