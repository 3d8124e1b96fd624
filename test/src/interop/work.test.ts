import { afterAll, describe, expect, test } from '@jest/globals';
import { createWorkQueue } from 'memlane';
import { scratchFolder } from '../support/scratch.ts';
import { describeInC } from './compiler.ts';
import { Crew, dismiss, LANGUAGES, other, type Peer, untilParked } from './peers.ts';

const LONGEST = 200;
const COUNT = 400;
const shape = { capacity: 16, messageBytes: LONGEST, producers: 34, consumers: 6, startPosition: 2 ** 32 - 100 };

afterAll(dismiss);

/** What a consumer has got: producer, number and deliveries of each message. */
interface Got {
  readonly messages: readonly (readonly [id: number, n: number, deliveries: number])[];
  readonly faults: number;
  readonly fault: string;
  readonly ended: boolean;
  readonly error: string;
}

const worker = (crew: Crew, language: 'C' | 'Node.js', role: 'produce' | 'consume', path: string): Promise<Peer> =>
  crew.take(language, `work-${role}`, path);
const wait = { C: 'park', 'Node.js': 'event' } as const;

describeInC('a work queue', () => {
  test('of producers and consumers in both languages: each message goes to one of them', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('queue');
    using _queue = createWorkQueue(path, shape);
    await using crew = new Crew();
    const consumers: Promise<Got>[] = [];
    for (const language of [...LANGUAGES, ...LANGUAGES]) {
      const consumer = await worker(crew, language, 'consume', path);
      consumers.push(consumer.ask(`get 10000 ${LONGEST} ${wait[language]}`));
    }
    const producers = await Promise.all(
      [...LANGUAGES, ...LANGUAGES].map((language) => worker(crew, language, 'produce', path)),
    );
    await Promise.all(
      producers.map(async (producer, id) => {
        await producer.ask(`put ${id} 0 ${COUNT} ${LONGEST} ${wait[producer.language]}`);
        await producer.ask('end');
      }),
    );
    const seen = producers.map(() => [] as number[]);
    for (const { messages, ...rest } of await Promise.all(consumers)) {
      expect(rest).toEqual({ faults: 0, fault: '', ended: true, error: '' });
      const last = producers.map(() => -1);
      for (const [id, n, deliveries] of messages) {
        seen[id]?.push(n);
        expect(deliveries).toBe(1);
        // Nothing was given back, so what one consumer gets of one producer comes in its order.
        expect(n).toBeGreaterThan(last[id] as number);
        last[id] = n;
      }
    }
    const everything = Array.from({ length: COUNT }, (_, n) => n);
    expect(seen.map((numbers) => numbers.sort((a, b) => a - b))).toEqual(producers.map(() => everything));
  });

  describe.each(LANGUAGES)('whose consumer is in %s', (language) => {
    test('wakes who sleeps, on either side', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('queue');
      using _queue = createWorkQueue(path, shape);
      await using crew = new Crew();
      const producer = await worker(crew, other(language), 'produce', path);
      const consumer = await worker(crew, language, 'consume', path);
      const got = consumer.ask<Got>(`get 1 ${LONGEST} ${wait[language]}`);
      await untilParked(path, 34); // in the second word of the mask
      await producer.ask(`put 1 0 1 ${LONGEST} park`);
      expect((await got).messages).toEqual([[1, 0, 1]]);
      const written = producer.ask(`put 1 1 17 ${LONGEST} ${wait[producer.language]}`);
      await untilParked(path, 0);
      expect((await consumer.ask<Got>(`get 17 ${LONGEST} ${wait[language]}`)).messages).toHaveLength(17);
      expect(await written).toBe(17);
    });

    test('gets again what was given back, later, and what a dead one had; until it is a dead letter', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('queue');
      using _queue = createWorkQueue(path, { ...shape, maxDeliveries: 4 });
      await using crew = new Crew();
      const producer = await worker(crew, other(language), 'produce', path);
      const consumer = await worker(crew, language, 'consume', path);
      const mortal = await worker(crew, other(language), 'consume', path);
      await producer.ask(`put 1 7 1 ${LONGEST} park`);
      expect(await consumer.ask(`take ${wait[language]}`)).toEqual([1, 7, 1]);
      await consumer.ask('nack 0');
      expect(await mortal.ask(`take ${wait[mortal.language]}`)).toEqual([1, 7, 2]);
      const taken = consumer.ask(`take ${wait[language]}`);
      await untilParked(path, 34);
      await mortal.kill();
      expect(await taken).toEqual([1, 7, 3]);
      await consumer.ask('nack 20');
      const successor = await worker(crew, other(language), 'consume', path);
      expect(await successor.ask(`take ${wait[successor.language]}`)).toEqual([1, 7, 4]);
      await successor.ask('nack 0');
      await producer.ask('end');
      expect(await consumer.ask(`take ${wait[language]}`)).toBeNull();
      const letter = await consumer.ask<number[]>('dead');
      expect(letter.slice(0, 2)).toEqual([1, 7]);
      expect(await successor.ask('dead')).toBeNull();
    });

    test('goes on with the place of a dead producer', async () => {
      using scratch = scratchFolder();
      const path = scratch.file('queue');
      using _queue = createWorkQueue(path, { ...shape, producers: 1 });
      await using crew = new Crew();
      const consumer = await worker(crew, language, 'consume', path);
      for (let n = 0; n < 4; n++) {
        const from = n % 2 === 0 ? language : other(language);
        const producer = await worker(crew, from, 'produce', path);
        expect(await crew.peer('C').refusal(`work-produce ${path}`)).toMatchObject({ code: 'BUSY' });
        await producer.ask(`put 1 ${n} 1 ${LONGEST} park`);
        await producer.kill();
      }
      expect((await consumer.ask<Got>(`get 4 ${LONGEST} park`)).messages).toEqual([0, 1, 2, 3].map((n) => [1, n, 1]));
    });
  });
});
