import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  attachPubSub,
  type CreatePubSubOptions,
  createAnonymousPubSub,
  createPubSub,
  openPubSub,
  type PubSub,
  removePubSub,
  type Subscription,
} from 'memlane';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';

let scratch: Scratch;
const open: Disposable[] = [];
const LARGE = 'x'.repeat(400_000);

function own<Part extends Disposable>(part: Part): Part {
  open.push(part);
  return part;
}

function anonymous(options: CreatePubSubOptions<unknown> = {}): PubSub<unknown> {
  return own(createAnonymousPubSub({ publishers: 4, subscribers: 4, capacityBytes: 65_536, ...options }));
}

function drain<Value>(subscription: Subscription<Value>): [topic: string, value: Value][] {
  const found: [string, Value][] = [];
  for (let message = subscription.tryReceive(); message !== null; message = subscription.tryReceive())
    found.push([message.topic, message.value]);
  subscription.tryReceive(); // what was found last is read, too
  return found;
}

beforeEach(() => {
  scratch = scratchFolder();
});
afterEach(() => {
  for (const part of open.splice(0).reverse()) part[Symbol.dispose]();
  scratch[Symbol.dispose]();
});

test('each subscriber gets what it subscribed to, in the order of the publisher', () => {
  const place = anonymous();
  const publisher = own(attachPubSub(JSON.parse(JSON.stringify(place.descriptor()))));
  const [tea, all, two] = [place.subscribe('tea.*'), place.subscribe(), place.subscribe(['coffee', 'tea.green'])];
  publisher.tryPublish('tea.green', 1);
  publisher.tryPublish('coffee', { price: 2 });
  publisher.tryPublish('tea.black', LARGE);
  publisher.tryPublish('tea.black.cold', 4);
  expect(drain(tea)).toEqual([
    ['tea.green', 1],
    ['tea.black', LARGE],
  ]);
  expect(drain(two)).toEqual([
    ['tea.green', 1],
    ['coffee', { price: 2 }],
  ]);
  expect(place.statistics().large.used).toBe(1); // not everybody has read it
  expect(drain(all).map(([topic]) => topic)).toEqual(['tea.green', 'coffee', 'tea.black', 'tea.black.cold']);
  expect(place.statistics().large.used).toBe(0);
});

test('who subscribes late begins with what comes, or with the oldest that is there', () => {
  const place = anonymous();
  place.tryPublish('a', 1);
  const now = place.subscribe();
  const oldest = place.subscribe('>', { from: 'oldest' });
  place.tryPublish('a', 2);
  expect(drain(now)).toEqual([['a', 2]]);
  expect(drain(oldest)).toEqual([
    ['a', 1],
    ['a', 2],
  ]);
});

test('a long message that all had read before one came is told as lost', () => {
  const place = anonymous();
  const first = place.subscribe();
  place.tryPublish('a', LARGE);
  place.tryPublish('b', 1);
  drain(first);
  const lost: unknown[] = [];
  const late = place.subscribe('>', { from: 'oldest', onLoss: (loss) => lost.push(loss.records) });
  expect(drain(late)).toEqual([['b', 1]]);
  expect(lost).toEqual([1]);
  expect(late.lostMessages).toBe(1);
});

test('a named subscription goes on where its last owner was, at the message that was being handled', () => {
  const place = anonymous();
  const first = place.subscribe('>', { name: 'billing' });
  for (let n = 0; n < 4; n++) place.tryPublish('a', n);
  expect(first.tryReceive()?.value).toBe(0);
  expect(first.tryReceive()?.value).toBe(1);
  first.close();
  place.tryPublish('a', 4);
  const second = place.subscribe('>', { name: 'billing' });
  expect(drain(second).map(([, value]) => value)).toEqual([1, 2, 3, 4]);
  second.close();
  expect(place.unsubscribe('billing')).toBe(true);
  expect(place.unsubscribe('billing')).toBe(false);
});

test('a message that cannot be read fails once, and those behind it come', () => {
  const place = anonymous({ codec: 'json' });
  const reader = own(
    attachPubSub<string>(place.descriptor(), {
      codec: {
        name: 'json',
        encode: () => 0,
        decode: (source, start, end) => {
          const text = source.toString('utf8', start, end);
          if (text === '"bad"') throw new Error('refused');
          return text;
        },
      },
    }),
  );
  const subscription = reader.subscribe();
  for (const value of ['good', 'bad', 'fine']) place.tryPublish('a', value);
  expect(subscription.tryReceive()?.value).toBe('"good"');
  expect(() => subscription.tryReceive()).toThrow('refused');
  expect(subscription.tryReceive()?.value).toBe('"fine"');
});

describe('when there is no room', () => {
  const fill = (place: PubSub<unknown>): number => {
    let count = 0;
    while (place.tryPublish('a', { count, text: 'x'.repeat(1000) })) count += 1;
    return count;
  };

  test('publish waits for the slowest, in its order', async () => {
    const place = anonymous();
    const subscription = place.subscribe();
    const count = fill(place);
    const waiting = [place.publish('b', 1), place.publish('b', 2)];
    const values: unknown[] = [];
    while (values.length < count + 2) values.push((await subscription.receive())?.value);
    expect(values.slice(-2)).toEqual([1, 2]);
    expect(await Promise.all(waiting)).toEqual([true, true]);
  });

  test('fail', async () => {
    const place = anonymous({ whenFull: 'fail' });
    place.subscribe();
    fill(place);
    expect(await rejectionOf(place.publish('b', 'x'.repeat(5000)))).toBe('ERR_MEMLANE_FULL');
  });

  test('overwrite-oldest: nobody waits, and who is overtaken is told', async () => {
    const place = anonymous({ whenFull: 'overwrite-oldest' });
    const subscription = place.subscribe();
    for (let n = 0; n < 1000; n++) expect(await place.publish('a', { n, text: 'x'.repeat(1000) })).toBe(true);
    const numbers = drain(subscription).map(([, value]) => (value as { n: number }).n);
    expect(numbers.at(-1)).toBe(999);
    expect(subscription.lostMessages).toBe(1000 - numbers.length);
    expect(numbers).toEqual(Array.from(numbers, (_, at) => 1000 - numbers.length + at));
  });
});

test('the loop ends when all publishers have said so', async () => {
  const place = anonymous();
  const subscription = place.subscribe();
  for (let n = 0; n < 3; n++) await place.publish('a', n);
  place.end();
  const values: unknown[] = [];
  for await (const { value } of subscription) values.push(value);
  expect(values).toEqual([0, 1, 2]);
});

test('topics and patterns that are none are refused', () => {
  const place = anonymous();
  for (const topic of ['', '.', 'a.', '.a', 'a..b', 'a.*', '>', 'x'.repeat(256)])
    expect([topic, codeOf(() => place.tryPublish(topic, 1))]).toEqual([topic, 'ERR_MEMLANE_ARGUMENT']);
  for (const pattern of ['', 'a..b', '>.a', 'a.>.b', '.'])
    expect([pattern, codeOf(() => place.subscribe(pattern))]).toEqual([pattern, 'ERR_MEMLANE_ARGUMENT']);
});

test('by name: one is created, another opens it, it is removed when nobody is there', () => {
  const path = scratch.file('prices');
  const place = createPubSub(path, { type: 'price' });
  expect(codeOf(() => openPubSub(path, { type: 'other' }))).toBe('ERR_MEMLANE_TYPE');
  const subscription = place.subscribe();
  expect(codeOf(() => removePubSub(path))).toBe('ERR_MEMLANE_BUSY');
  subscription.close();
  place.close();
  removePubSub(path);
  expect(scratch.entries()).toEqual([]);
});
