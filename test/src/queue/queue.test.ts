import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  attachQueue,
  type CreateQueueOptions,
  createAnonymousQueue,
  createQueue,
  listQueues,
  openOrCreateQueue,
  openQueue,
  type Queue,
  removeQueue,
} from 'memlane';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { Program } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';

interface Order {
  readonly id: number;
  readonly items?: readonly string[];
  readonly text?: string;
}

const LARGE = 'x'.repeat(300_000);
let scratch: Scratch;
const open: Disposable[] = [];

function own<Part extends Disposable>(part: Part): Part {
  open.push(part);
  return part;
}

function anonymous(options: CreateQueueOptions<Order> = {}): Queue<Order> {
  return own(createAnonymousQueue<Order>({ capacity: 8, ...options }));
}

/** Receives and acknowledges everything that is there. */
function drain<Value>(queue: Queue<Value>): Value[] {
  const values: Value[] = [];
  for (let job = queue.tryReceive(); job !== null; job = queue.tryReceive()) {
    values.push(job.value);
    job.ack();
  }
  return values;
}

beforeEach(() => {
  scratch = scratchFolder();
});
afterEach(() => {
  for (const part of open.splice(0).reverse()) part[Symbol.dispose]();
  scratch[Symbol.dispose]();
});

describe.each(['named', 'anonymous', 'disk'] as const)('%s', (backing) => {
  function pair(options: CreateQueueOptions<Order> = {}): [Queue<Order>, Queue<Order>] {
    if (backing === 'anonymous') {
      const queue = anonymous(options);
      return [queue, own(attachQueue<Order>(JSON.parse(JSON.stringify(queue.descriptor())), options))];
    }
    const folder = backing === 'disk' ? own(scratchFolder('disk')) : scratch;
    const queue = own(createQueue<Order>(folder.file('orders'), { capacity: 8, ...options }));
    return [queue, own(openQueue<Order>(folder.file('orders'), options))];
  }

  test.each(['msgpack', 'json'] as const)('values arrive as they were, in their order, by %s', (codec) => {
    const [sender, receiver] = pair({ codec });
    const sent: Order[] = [{ id: 1 }, { id: 2, items: ['tea', 'Käse', '茶'] }, { id: 3, text: LARGE }, { id: 4 }];
    for (const order of sent) expect(sender.trySend(order)).toBe(true);
    expect(drain(receiver)).toEqual(sent);
    expect(receiver.statistics().large.used).toBe(0);
  });

  test('a message is for one receiver, and comes again when it was given back', () => {
    const [sender, receiver] = pair();
    sender.trySend({ id: 1, text: LARGE });
    const job = receiver.tryReceive();
    expect(receiver.tryReceive()).toBeNull();
    job?.nack();
    const again = receiver.tryReceive();
    expect(again?.value).toEqual({ id: 1, text: LARGE });
    expect(again?.deliveries).toBe(2);
    again?.ack();
    expect(receiver.tryReceive()).toBeNull();
    expect(receiver.statistics().large.used).toBe(0);
  });

  test('the second to see an object of other keys reads it all the same', () => {
    const [one, other] = pair();
    for (let id = 0; id < 50; id++) {
      const [sender, receiver] = id % 2 === 0 ? [one, other] : [other, one];
      const order = { id, [`key${id % 7}`]: id } as Order;
      sender.trySend(order);
      expect(drain(receiver)).toEqual([order]);
    }
  });
});

test('a message that was taken too often is a dead letter, and is freed when it was looked at', () => {
  const queue = anonymous({ maxDeliveries: 2 });
  queue.trySend({ id: 1, text: LARGE });
  queue.tryReceive()?.nack();
  queue.tryReceive()?.nack();
  expect(queue.tryReceive()).toBeNull();
  expect(queue.statistics().messages.dead).toBe(1);
  const dead: Order[] = [];
  expect(queue.takeDead((order) => dead.push(order))).toBe(1);
  expect(dead).toEqual([{ id: 1, text: LARGE }]);
  expect(queue.statistics().large.used).toBe(0);
});

describe('when there is no room', () => {
  const fill = (queue: Queue<Order>): number => {
    let id = 0;
    while (queue.trySend({ id })) id += 1;
    return id;
  };

  test('send waits, in its order', async () => {
    const queue = anonymous();
    const count = fill(queue);
    const waiting = [queue.send({ id: count }), queue.send({ id: count + 1 })];
    const received: number[] = [];
    while (received.length < count + 2) {
      const job = await queue.receive();
      received.push(job?.value.id ?? Number.NaN);
      job?.ack();
    }
    expect(await Promise.all(waiting)).toEqual([true, true]);
    expect(received).toEqual(Array.from({ length: count + 2 }, (_, id) => id));
  });

  test('fail', async () => {
    const queue = anonymous({ whenFull: 'fail' });
    fill(queue);
    expect(await rejectionOf(queue.send({ id: -1 }))).toBe('ERR_MEMLANE_FULL');
  });

  test('drop-newest', async () => {
    const queue = anonymous({ whenFull: 'drop-newest' });
    const count = fill(queue);
    expect(await queue.send({ id: -1 })).toBe(false);
    expect(drain(queue)).toHaveLength(count);
  });

  test('overwrite-oldest', async () => {
    const queue = anonymous({ whenFull: 'overwrite-oldest' });
    const count = fill(queue);
    expect(await queue.send({ id: 99 })).toBe(true);
    const ids = drain(queue).map(({ id }) => id);
    expect(ids).toHaveLength(count);
    expect(ids).not.toContain(0);
    expect(ids).toContain(99);
  });

  test('of the slab, a long message waits for another to be read', async () => {
    const queue = anonymous({ maxLargeBytes: 1 << 20 });
    const text = 'y'.repeat(600_000);
    expect(queue.trySend({ id: 1, text })).toBe(true);
    expect(queue.trySend({ id: 2, text })).toBe(false);
    const sent = queue.send({ id: 3, text });
    const job = await queue.receive();
    job?.ack();
    expect(await sent).toBe(true);
    expect((await queue.receive())?.value.id).toBe(3);
  });

  test('an abort leaves nothing behind', async () => {
    const queue = anonymous();
    const count = fill(queue);
    const controller = new AbortController();
    const sent = queue.send({ id: -1 }, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(sent).rejects.toThrow('enough');
    expect(drain(queue)).toHaveLength(count);
  });
});

test('the loop ends when all senders have said so', async () => {
  const queue = anonymous();
  const receiver = own(attachQueue<Order>(queue.descriptor()));
  for (let id = 0; id < 5; id++) await queue.send({ id });
  queue.end();
  const ids: number[] = [];
  for await (const { value } of receiver) ids.push(value.id);
  expect(ids).toEqual([0, 1, 2, 3, 4]);
});

test('a signal ends the loop after the message that is being handled, which is acknowledged', async () => {
  const queue = anonymous();
  for (let id = 0; id < 3; id++) await queue.send({ id });
  const controller = new AbortController();
  const ids: number[] = [];
  for await (const { value } of queue.jobs({ signal: controller.signal })) {
    ids.push(value.id);
    controller.abort();
  }
  expect(ids).toEqual([0]);
  expect(drain(queue).map(({ id }) => id)).toEqual([1, 2]);
});

test('a loop that is left by an error gives the message back', async () => {
  const queue = anonymous();
  await queue.send({ id: 7 });
  await expect(async () => {
    for await (const _ of queue) throw new Error('cannot');
  }).rejects.toThrow('cannot');
  expect(queue.tryReceive()?.deliveries).toBe(2);
});

describe('process', () => {
  test('handles so many at a time, and gives back what fails', async () => {
    const queue = anonymous({ capacity: 64, maxDeliveries: 3 });
    for (let id = 0; id < 20; id++) await queue.send({ id });
    queue.end();
    let [now, most] = [0, 0];
    const handled: number[] = [];
    const errors: unknown[] = [];
    await queue.process(
      async ({ id }, { deliveries }) => {
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 2));
        now -= 1;
        if (id === 7 && deliveries < 3) throw new Error('not yet');
        handled.push(id);
      },
      { concurrency: 4, retryDelayMs: (deliveries) => deliveries, onError: (error) => errors.push(error) },
    );
    expect(handled.sort((one, other) => one - other)).toEqual(Array.from({ length: 20 }, (_, id) => id));
    expect(most).toBe(4);
    expect(errors).toHaveLength(2);
  });

  test('a signal ends it when the handlers under way are through', async () => {
    const queue = anonymous();
    for (let id = 0; id < 5; id++) await queue.send({ id });
    const controller = new AbortController();
    const handled: number[] = [];
    await queue.process(
      async ({ id }) => {
        controller.abort();
        await new Promise((resolve) => setTimeout(resolve, 5));
        handled.push(id);
      },
      { signal: controller.signal },
    );
    expect(handled).toEqual([0]);
    expect(drain(queue).map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });
});

test('streams, Node’s and those of the web', async () => {
  const [first, second] = [anonymous(), anonymous()];
  const orders = Array.from({ length: 30 }, (_, id) => ({ id }));
  const sent = pipeline(Readable.from(orders), first.writable()).then(() => first.end());
  const passed = pipeline(first.readable(), second.writable()).then(() => second.end());
  const received: Order[] = [];
  for await (const order of Readable.toWeb(second.readable())) received.push(order);
  await Promise.all([sent, passed]);
  expect(received).toEqual(orders);
});

describe('by name', () => {
  const name = (): string => scratch.file('orders.queue');

  test('it is there once', () => {
    own(createQueue(name()));
    expect(codeOf(() => createQueue(name()))).toBe('ERR_MEMLANE_EXISTS');
    own(openOrCreateQueue(name()));
    expect(scratch.entries()).toEqual(['orders.queue']);
  });

  test('opened as something else, it is refused', () => {
    own(createQueue(name(), { type: 'order@1' }));
    expect(codeOf(() => openQueue(name(), { type: 'order@2' }))).toBe('ERR_MEMLANE_TYPE');
    expect(codeOf(() => openQueue(name(), { type: 'order@1', codec: 'json' }))).toBe('ERR_MEMLANE_TYPE');
    own(openQueue(name(), { type: 'order@1' }));
  });

  test('it is found by those who look', () => {
    own(createQueue(name(), { type: 'order@1', codec: 'json' }));
    expect(listQueues(scratch.path)).toMatchObject([
      { name: 'orders', path: name(), pattern: 'work', codec: 'json', type: 'order@1' },
    ]);
  });

  test('it is removed when nobody is there, and nothing is left', () => {
    const queue = createQueue<Order>(name());
    queue.trySend({ id: 1 });
    expect(codeOf(() => removeQueue(name()))).toBe('ERR_MEMLANE_BUSY');
    queue.close();
    removeQueue(name());
    expect(scratch.entries()).toEqual([]);
    expect(codeOf(() => openQueue(name()))).toBe('ENOENT');
  });
});

test('a receiver that is killed leaves nothing out, and nothing behind', async () => {
  const path = scratch.file('orders');
  const queue = own(createQueue<Order>(path, { capacity: 64 }));
  const sent = Array.from({ length: 20 }, (_, id) => ({ id, text: id % 3 === 0 ? LARGE : `order ${id}` }));
  for (const order of sent) await queue.send(order);
  let acknowledged: unknown;
  {
    await using receiver = new Program('queue-receiver', { path, holds: 5 });
    acknowledged = await receiver.next('holds');
    receiver.kill('SIGKILL');
    await receiver.ended;
  }
  const received = new Map<number, Order>();
  expect(acknowledged).toEqual([1, 3]);
  const expected = sent.filter(({ id }) => id !== 1 && id !== 3);
  while (received.size < expected.length) {
    const job = await queue.receive();
    if (job === null) break;
    received.set(job.value.id, job.value);
    job.ack();
  }
  expect([...received.values()].sort((one, other) => one.id - other.id)).toEqual(expected);
  expect(queue.tryReceive()).toBeNull();
  queue.tidy();
  expect(queue.statistics().large).toMatchObject({ used: 0, references: 0 });
});
