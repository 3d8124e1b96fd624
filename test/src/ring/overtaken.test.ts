import { afterEach, describe, expect, test } from '@jest/globals';
import { type Consumer, createAnonymousRing, type Producer, type Ring } from 'memlane';

const CAPACITY = 4096;
/** Messages of 8 bytes that fill the ring. */
const FULL = CAPACITY / 16;

let ring: Ring | undefined;
afterEach(() => ring?.close());

function writeMany(producer: Producer, first: number, count: number): void {
  for (let n = first; n < first + count; n++) expect(producer.tryWrite(new Uint8Array(8), n)).toBe(true);
}

/** What a consumer that reads what is new has seen, and what it was told it has lost. */
function overtaken(checksums: boolean): { producer: Producer; consumer: Consumer; lost: () => number } {
  ring = createAnonymousRing({
    topology: 'broadcast',
    capacityBytes: CAPACITY,
    consumers: 2,
    overwrite: true,
    checksums,
  });
  const producer = ring.producer();
  let lost = 0;
  const consumer = ring.consumer({
    from: 'now',
    onLoss: ({ records = 0 }) => {
      lost += records;
    },
  });
  return { producer, consumer, lost: () => lost };
}

describe.each([false, true])('a consumer of what is new that was overtaken, with checksums: %s', (checksums) => {
  test('finds nothing, and then what comes next, by tryRead', () => {
    const { producer, consumer, lost } = overtaken(checksums);
    for (let round = 0; round < 3; round++) {
      const before = lost();
      writeMany(producer, 0, 3 * FULL);
      expect(consumer.tryRead()).toBeNull();
      expect(lost() - before).toBe(3 * FULL);
      writeMany(producer, 7, 1);
      expect(consumer.tryRead()).toMatchObject({ type: 7 });
    }
  });

  test('waits for what comes next', async () => {
    const { producer, consumer, lost } = overtaken(checksums);
    writeMany(producer, 0, 3 * FULL);
    await expect(consumer.wait({ signal: AbortSignal.timeout(1) })).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(consumer.waitSync(1)).toBe(false);
    const waiting = consumer.wait();
    writeMany(producer, 7, 1);
    await waiting;
    expect(consumer.tryRead()).toMatchObject({ type: 7 });
    expect(lost()).toBe(3 * FULL);
    expect(ring?.statistics().consumers[0]).toMatchObject({ messages: 1, backlogBytes: 0 });
  });
});
