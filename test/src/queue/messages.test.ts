import { afterEach, expect, test } from '@jest/globals';
import { type } from 'arktype';
import fc from 'fast-check';
import { attachQueue, type Codec, createAnonymousPubSub, createAnonymousQueue, type Schema } from 'memlane';
import * as valibot from 'valibot';
import { z } from 'zod';
import { codeOf } from '../support/errors.ts';
import { withSeed } from '../support/random.ts';

const open: Disposable[] = [];
function own<Part extends Disposable>(part: Part): Part {
  open.push(part);
  return part;
}
afterEach(() => {
  for (const part of open.splice(0).reverse()) part[Symbol.dispose]();
});

/** Neither codec tells -0 from 0. */
const json = fc
  .jsonValue({ depthSize: 'small', noUnicodeString: false })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown);
const structured = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'binary' }),
    fc.double().map((value) => value + 0),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.array(tie('any'), { maxLength: 5 }),
    fc.dictionary(
      fc.string({ minLength: 1, maxLength: 8 }).filter((key) => key !== '__proto__'),
      tie('any'),
      { maxKeys: 5 },
    ),
  ),
})).any;

test.each([
  ['json', json],
  ['msgpack', structured],
] as const)('%s: whatever is sent arrives', async (codec, values) => {
  const sender = own(createAnonymousQueue<unknown>({ codec, messageBytes: 256 }));
  const receiver = own(attachQueue<unknown>(sender.descriptor(), { codec }));
  await withSeed(({ seed }) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(sender.trySend(value)).toBe(true);
        const job = receiver.tryReceive();
        expect(job?.value).toEqual(value);
        job?.ack();
      }),
      { seed, numRuns: 300 },
    );
  });
});

test('raw: bytes arrive as they are, in place and by the slab, and are the receiver’s own', () => {
  const queue = own(createAnonymousQueue<Uint8Array>({ codec: 'raw', messageBytes: 5000 }));
  for (const length of [0, 1, 4096, 5000, 5001, 1_000_000]) {
    const bytes = Buffer.alloc(length, length % 251);
    queue.trySend(bytes);
    const job = queue.tryReceive();
    job?.ack();
    queue.trySend(Buffer.alloc(length, 255)); // into the same memory
    expect(Buffer.compare(job?.value as Buffer, bytes)).toBe(0);
    queue.tryReceive()?.ack();
  }
});

test('a codec of the user', () => {
  const upper: Codec<string> = {
    name: 'upper',
    encode: (value, target) => target.write(value.toUpperCase(), 'latin1'),
    decode: (source, start, end) => source.toString('latin1', start, end),
  };
  const queue = own(createAnonymousQueue<string>({ codec: upper }));
  queue.trySend('tea');
  expect(queue.tryReceive()?.value).toBe('TEA');
});

const schemas: [string, Schema<unknown, { id: number }>][] = [
  ['zod', z.object({ id: z.number().int() })],
  ['valibot', valibot.object({ id: valibot.pipe(valibot.number(), valibot.integer()) })],
  ['arktype', type({ id: 'number.integer' }) as unknown as Schema<unknown, { id: number }>],
];

test.each(schemas)('a schema of %s is asked on both sides', (_, schema) => {
  const sender = own(createAnonymousQueue({ schema }));
  const unchecked = own(attachQueue<unknown>(sender.descriptor()));
  const receiver = own(attachQueue(sender.descriptor(), { schema }));
  expect(sender.trySend({ id: 1 })).toBe(true);
  expect(codeOf(() => sender.trySend({ id: 1.5 }))).toBe('ERR_MEMLANE_INVALID');
  unchecked.trySend({ id: 'no' });
  const job = receiver.tryReceive();
  const id: number | undefined = job?.value.id; // the type is the schema's
  expect(id).toBe(1);
  expect(codeOf(() => receiver.tryReceive())).toBe('ERR_MEMLANE_INVALID');
  expect(unchecked.tryReceive()?.deliveries).toBe(2); // given back
});

test('patterns match what they say', async () => {
  const place = own(createAnonymousPubSub<number>());
  const parts = fc.array(fc.constantFrom('a', 'b', 'tea'), { minLength: 1, maxLength: 4 });
  const patterns = fc.array(fc.constantFrom('a', 'b', 'tea', '*'), { minLength: 1, maxLength: 4 });
  await withSeed(({ seed }) => {
    fc.assert(
      fc.property(parts, patterns, fc.boolean(), (topic, pattern, isOpen) => {
        using subscription = place.subscribe([...pattern, ...(isOpen ? ['>'] : [])].join('.'));
        place.tryPublish(topic.join('.'), 1);
        const fits =
          (isOpen ? topic.length > pattern.length : topic.length === pattern.length) &&
          pattern.every((part, at) => part === '*' || part === topic[at]);
        expect(subscription.tryReceive() !== null).toBe(fits);
      }),
      { seed, numRuns: 200 },
    );
  });
});
