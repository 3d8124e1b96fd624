import { FULL } from 'memlane';
import { CAPACITY, type Case, deepStrictEqual, ok, refuses, strictEqual, text, textsOf } from './bed.ts';

const RECORD_HEADER = 8;

/** Bytes that are recognised, of exactly that length. */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
}

export const claimCases: readonly Case[] = [
  {
    name: 'a claim is invisible until it is committed',
    run: async ({ open, producer, consumer }) => {
      await open();
      const offset = await producer.claimFor(pattern(13), 7);
      ok(offset >= RECORD_HEADER && offset % 8 === 0, `offset ${offset}`);
      strictEqual(await consumer.tryRead(), null);
      await producer.commit();
      const message = await consumer.tryRead();
      deepStrictEqual(Buffer.from(message?.data ?? []), Buffer.from(pattern(13)));
      strictEqual(message?.type, 7);
      strictEqual(await consumer.tryRead(), null);
    },
  },
  {
    name: 'every view shows the same bytes, at every place of the ring',
    run: async ({ open, producer, consumer }) => {
      await open();
      const expected = [40, 0xa5, -2, Math.PI, 0x0123456789abcdefn, 'ring', 0x5a];
      // 48 bytes a record do not divide the capacity: they begin everywhere, across the end of the data too.
      for (let written = 0; written <= CAPACITY; written += 48) {
        ok((await producer.claimThroughEveryView()) !== FULL);
        await producer.commit();
        deepStrictEqual(await consumer.pollThroughEveryView(), expected);
      }
    },
  },
  {
    name: 'abort forgets every claim since the last commit, and no other',
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.claimFor('kept 1');
      await producer.commit();
      await producer.claimFor('forgotten 1');
      await producer.claimFor('forgotten 2');
      await producer.abort();
      await producer.abort();
      await producer.commit();
      await producer.claimFor('kept 2');
      await producer.commit();
      await producer.abort();
      deepStrictEqual(textsOf(await consumer.takeAll()), ['kept 1', 'kept 2']);
    },
  },
  {
    name: 'a batch appears at once and in order',
    run: async ({ open, producer, consumer }) => {
      await open();
      for (let n = 0; n < 10; n++) await producer.claimFor(text(n), n);
      deepStrictEqual(await consumer.takeAll(), []);
      await producer.commit();
      const batch = await consumer.takeAll();
      deepStrictEqual(
        textsOf(batch),
        Array.from({ length: 10 }, (_, n) => text(n)),
      );
      deepStrictEqual(
        batch.map(({ type }) => type),
        Array.from({ length: 10 }, (_, n) => n),
      );
    },
  },
  {
    name: 'a batch that meets a full ring keeps what it has claimed',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      let claimed = 0;
      while ((await producer.claimFor(text(claimed, 504))) !== FULL) claimed += 1;
      strictEqual(claimed, CAPACITY / 512);
      deepStrictEqual(await consumer.takeAll(), []);
      await producer.commit();
      deepStrictEqual(
        textsOf(await consumer.takeAll()),
        Array.from({ length: claimed }, (_, n) => text(n, 504)),
      );
    },
  },
  {
    name: 'bytes and strings of every length from 0 to 72 and around the longest',
    run: async ({ open, producer, consumer }) => {
      await open();
      const longest = await producer.maxMessageBytes();
      strictEqual(longest, CAPACITY - RECORD_HEADER);
      const lengths = Array.from({ length: 73 }, (_, length) => length);
      lengths.push(...Array.from({ length: 18 }, (_, back) => longest - back));
      for (const length of lengths) {
        ok(await producer.tryWrite(pattern(length), length), `no room for ${length} bytes`);
        const [bytes] = await consumer.takeAll();
        deepStrictEqual(Buffer.from(bytes?.data ?? []), Buffer.from(pattern(length)));
        strictEqual(bytes?.type, length);
        // One, two, three and four bytes a character.
        const string = Array.from('aé€𝄞'.repeat(Math.ceil(length / 10)))
          .slice(0, Math.floor(length / 4))
          .join('');
        ok(await producer.tryWrite(string, ~length));
        const read = await consumer.tryRead();
        strictEqual(Buffer.from(read?.data ?? []).toString(), string);
        strictEqual(read?.type, ~length);
      }
    },
  },
  {
    name: 'the type is any 32-bit integer, and 0 by default',
    run: async ({ open, producer, consumer }) => {
      await open();
      for (const type of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]) {
        await producer.tryWrite('x', type);
        strictEqual((await consumer.tryRead())?.type, type);
      }
      await producer.tryWrite('x');
      strictEqual((await consumer.tryRead())?.type, 0);
      for (const type of [
        2 ** 31,
        -(2 ** 31) - 1,
        2 ** 32 - 1,
        0.5,
        Number.NaN,
        '7',
        null,
        true,
        7n,
        [7],
      ] as number[]) {
        await refuses('ERR_MEMLANE_ARGUMENT', producer.claim(8, type), 'type is');
        await refuses('ERR_MEMLANE_ARGUMENT', producer.tryWrite('x', type), 'type is');
        await refuses('ERR_MEMLANE_ARGUMENT', producer.write('x', { type }), 'type is');
      }
      await producer.commit();
      strictEqual(await consumer.tryRead(), null);
    },
  },
  {
    name: 'a ring filled to the last byte takes nothing more, not even nothing, until something is read',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer, ring }) => {
      await open();
      strictEqual(await producer.writeUntilFull(text(0, 56)), CAPACITY / 64);
      strictEqual(ring.statistics().backlogBytes, CAPACITY);
      strictEqual(await producer.tryWrite(''), false);
      strictEqual(await producer.claim(0), FULL);
      strictEqual((await consumer.takeAll(1)).length, 1);
      strictEqual(await producer.writeUntilFull(text(1, 56)), 1);
      deepStrictEqual(textsOf(await consumer.takeAll()), [
        ...Array.from({ length: CAPACITY / 64 - 1 }, () => text(0, 56)),
        text(1, 56),
      ]);
      strictEqual(ring.statistics().backlogBytes, 0);
    },
  },
  {
    name: 'empty messages fill a ring too',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      strictEqual(await producer.writeUntilFull(''), CAPACITY / RECORD_HEADER);
      strictEqual((await consumer.takeAll()).length, CAPACITY / RECORD_HEADER);
    },
  },
  {
    name: 'the longest message fits an empty ring wherever it begins, and no ring with anything in it',
    needs: ['waiting', 'lanes'],
    run: async ({ open, producer, consumer }) => {
      await open();
      const longest = pattern(CAPACITY - RECORD_HEADER);
      for (const before of [0, 16, 104, CAPACITY - 16]) {
        ok(await producer.tryWrite(pattern(before)));
        strictEqual(await producer.tryWrite(longest), false);
        strictEqual((await consumer.takeAll()).length, 1);
        ok(await producer.tryWrite(longest));
        strictEqual(await producer.tryWrite(''), false);
        const [message] = await consumer.takeAll();
        deepStrictEqual(Buffer.from(message?.data ?? []), Buffer.from(longest));
      }
    },
  },
  {
    name: 'a message that can never fit is refused at once, and costs nothing',
    run: async ({ open, producer, consumer }) => {
      await open();
      const tooLong = CAPACITY - RECORD_HEADER + 1;
      const words = [String(tooLong), String(tooLong - 1)];
      await producer.claimFor('before');
      await refuses('ERR_MEMLANE_MESSAGE_TOO_LONG', producer.claim(tooLong), ...words);
      await refuses('ERR_MEMLANE_MESSAGE_TOO_LONG', producer.tryWrite(new Uint8Array(tooLong)), ...words);
      await refuses('ERR_MEMLANE_MESSAGE_TOO_LONG', producer.tryWrite('x'.repeat(tooLong)), ...words);
      await refuses('ERR_MEMLANE_MESSAGE_TOO_LONG', producer.write('x'.repeat(tooLong)), ...words);
      for (const length of [2 ** 31, 2 ** 32 - 8, 2 ** 32, 2 ** 40])
        await refuses('ERR_MEMLANE_MESSAGE_TOO_LONG', producer.claim(length), String(length));
      await producer.commit();
      deepStrictEqual(textsOf(await consumer.takeAll()), ['before']);
    },
  },
  {
    name: 'what is no length and no message is refused by name',
    run: async ({ open, producer, consumer }) => {
      await open();
      for (const length of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', 5n, [5], null] as number[])
        await refuses('ERR_MEMLANE_ARGUMENT', producer.claim(length), 'length');
      for (const message of [5, null, undefined, [1], new Uint16Array(2)])
        await refuses('ERR_MEMLANE_ARGUMENT', producer.tryWrite(message as unknown as string), 'message');
      await refuses('ERR_MEMLANE_ARGUMENT', producer.write(5 as unknown as string), 'message');
      strictEqual(await consumer.tryRead(), null);
    },
  },
  {
    name: 'a message whose buffer is gone is refused, and what was claimed before stays',
    run: async ({ open, producer, consumer }) => {
      await open();
      await producer.claimFor('claimed', 3);
      for (const bytes of [0, 1, 8, 100])
        await refuses('ERR_MEMLANE_ARGUMENT', producer.tryWriteGone(bytes), 'message');
      await producer.tryWrite(new Uint8Array());
      deepStrictEqual(textsOf(await consumer.takeAll()), ['claimed', '']);
    },
  },
];
