import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  Action,
  createAnonymousWorkQueue,
  createWorkQueue,
  type Delivery,
  FULL,
  openOrCreateWorkQueue,
  openWorkQueue,
  type RecordView,
  removeWorkQueue,
  type WorkConsumer,
  type WorkProducer,
  type WorkQueue,
} from 'memlane';
import { withSeed } from '../support/random.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';

let queue: WorkQueue;
let producer: WorkProducer;
let consumer: WorkConsumer;
let other: WorkConsumer;

function open(options: Parameters<typeof createAnonymousWorkQueue>[0] = {}): void {
  queue?.close();
  queue = createAnonymousWorkQueue({ capacity: 8, messageBytes: 40, ...options });
  producer = queue.producer();
  consumer = queue.consumer();
  other = queue.consumer();
}

beforeEach(() => open());
afterEach(() => queue.close());

/** Writes messages that are told by their types. */
function write(...types: number[]): void {
  for (const type of types) expect(producer.tryWrite(`message ${type}`, type)).toBe(true);
}

/** Takes everything that is there; the types in their order. */
function drain(from: WorkConsumer = consumer, limit?: number): number[] {
  const types: number[] = [];
  from.poll((view, offset, length, type) => {
    expect(text(view, offset, length)).toBe(`message ${type}`);
    types.push(type);
  }, limit);
  return types;
}

const text = (view: RecordView, offset: number, length: number): string =>
  view.buffer.toString('utf8', offset, offset + length);
const taken = (delivery: Delivery | null): Delivery => {
  if (delivery === null) throw new Error('there is no message');
  return delivery;
};
const thrown = (action: () => unknown): string | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
};
const census = (): object => {
  const { ready, claimed, returned, dead } = queue.statistics();
  return { ready, claimed, returned, dead };
};

describe('order', () => {
  test('messages come in the order of their claims, each to one consumer', () => {
    write(1, 2, 3, 4, 5);
    expect([drain(consumer, 2), drain(other, 2), drain(consumer)]).toEqual([[1, 2], [3, 4], [5]]);
  });

  test.each([0, 5, 2 ** 15 - 3, 2 ** 31 - 3, 2 ** 32 - 3])('stays across every wrap, from position %d on', (start) => {
    open({ capacity: 4, startPosition: start });
    for (let round = 0; round < 50; round++) {
      write(3 * round, 3 * round + 1, 3 * round + 2);
      expect(drain()).toEqual([3 * round, 3 * round + 1, 3 * round + 2]);
    }
  });

  test('laps wrap without a trace', () => {
    open({ capacity: 2 });
    for (let message = 0; message < 100_000; message++) {
      if (!producer.tryWrite('', message) || consumer.tryRead()?.type !== message)
        throw new Error(`message ${message} was not the next one`);
    }
  });

  test('a claim that is aborted is nobody’s, and its room comes back', () => {
    for (let round = 0; round < 30; round++) {
      producer.tryClaim(8, 99);
      producer.tryClaim(8, 99);
      producer.abort();
      write(round);
      expect(drain()).toEqual([round]);
    }
  });

  test('a message may be committed after later ones', () => {
    const late = queue.producer();
    late.tryClaim(0, 1);
    write(2, 3);
    expect(drain()).toEqual([2, 3]);
    late.commit();
    write(4);
    expect(consumer.tryRead()?.type).toBe(1);
    expect(drain()).toEqual([4]);
  });
});

describe('a producer that is passed while it writes a batch', () => {
  /** Claims messages 10, 11, ... with one of another producer behind each, which somebody takes. */
  function claimBetween(slow: WorkProducer, count: number): void {
    for (let n = 0; n < count; n++) {
      const offset = slow.tryClaim(10, 10 + n);
      slow.view.buffer.write(`message ${10 + n}`, offset);
      write(n);
      expect(drain()).toEqual([n]);
    }
  }

  test.each([0, 1, 2, 3])('keeps its order: %d of 3 cells passed', (passed) => {
    for (const startPosition of [0, 2 ** 32 - 9, 2 ** 18 * 8 - 9]) {
      open({ startPosition });
      const slow = queue.producer();
      claimBetween(slow, 3);
      for (const next of [3, 4, 5, 6, 7].slice(0, 2 + passed)) {
        write(next);
        expect(drain()).toEqual([next]);
      }
      slow.commit();
      expect(drain()).toEqual([10, 11, 12]);
      write(8);
      expect(drain()).toEqual([8]);
    }
  });

  test('in any order of claims, commits and takes', () =>
    withSeed((random) => {
      open({ capacity: random.pick([2, 4, 8, 16]), startPosition: random.pick([0, 2 ** 31 - 40, 2 ** 32 - 40]) });
      const producers = [producer, queue.producer(), queue.producer()];
      const consumers = [consumer, other];
      const claimed = [0, 0, 0];
      const committed = [0, 0, 0];
      const handled = [0, 0, 0];
      const held: Delivery[] = [];
      const check = (type: number): void => {
        const [of, number] = [type >> 24, type & 0xffffff];
        expect({ of, number }).toEqual({ of, number: handled[of] });
        handled[of] = number + 1;
      };
      const take = (by: WorkConsumer): boolean => {
        const delivery = by.tryTake();
        if (delivery === null) return false;
        check(delivery.type);
        held.push(delivery);
        return true;
      };
      for (let step = 0; step < 20_000; step++) {
        const at = random.below(3);
        const one = producers[at] as WorkProducer;
        const dice = random.below(10);
        if (dice < 4) {
          if (one.tryClaim(8, (at << 24) | (claimed[at] as number)) !== FULL) claimed[at] = (claimed[at] as number) + 1;
        } else if (dice === 4) {
          one.abort();
          claimed[at] = committed[at] as number;
        } else if (dice === 5) {
          one.commit();
          committed[at] = claimed[at] as number;
        } else if (dice < 8) take(consumers[at & 1] as WorkConsumer);
        else if (held.length > 0) held.splice(random.below(held.length), 1)[0]?.ack();
      }
      for (const one of producers) one.abort();
      while (held.length > 0 || take(consumer)) held.pop()?.ack();
      expect(handled).toEqual(committed);
      expect(Math.min(...handled)).toBeGreaterThan(100);
    }));

  test('and gives its cells back when it aborts', () => {
    const slow = queue.producer();
    claimBetween(slow, 3);
    for (const next of [3, 4, 5, 6]) write(next);
    slow.abort();
    slow.close();
    expect(drain()).toEqual([3, 4, 5, 6]);
    write(0, 1, 2, 3, 4, 5, 6, 7);
    expect(drain()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('room', () => {
  test('a queue is full with as many messages as it has cells', () => {
    write(1, 2, 3, 4, 5, 6, 7, 8);
    expect(producer.tryClaim(1)).toBe(FULL);
    expect(producer.waitSync(0)).toBe(false);
    expect(drain(consumer, 1)).toEqual([1]);
    expect(producer.waitSync(0)).toBe(true);
    write(9);
    expect(producer.tryClaim(1)).toBe(FULL);
    expect(drain()).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('a slow consumer takes one cell, and keeps nobody from going on', () => {
    write(1);
    const slow = taken(other.tryTake());
    for (let round = 0; round < 20; round++) {
      write(2, 3, 4, 5, 6, 7, 8);
      expect(producer.tryWrite('one too many')).toBe(false);
      expect(drain()).toEqual([2, 3, 4, 5, 6, 7, 8]);
    }
    expect(slow.data.toString()).toBe('message 1');
    slow.ack();
    write(1, 2, 3, 4, 5, 6, 7, 8);
  });

  test('so does a producer that has claimed and does not commit', () => {
    const slow = queue.producer();
    const offset = slow.tryClaim(9, 1);
    for (let round = 0; round < 20; round++) {
      write(2, 3, 4, 5, 6, 7, 8);
      expect(producer.tryWrite('one too many')).toBe(false);
      expect(drain()).toEqual([2, 3, 4, 5, 6, 7, 8]);
    }
    slow.view.buffer.write('message 1', offset);
    slow.commit();
    expect(drain()).toEqual([1]);
  });

  test('a queue whose cells are all held is full, and trying does not use up positions', () => {
    write(1, 2, 3, 4, 5, 6, 7, 8);
    const all = Array.from({ length: 8 }, () => taken(consumer.tryTake()));
    for (let attempt = 0; attempt < 1000; attempt++) expect(producer.tryClaim(1)).toBe(FULL);
    for (const delivery of all) delivery.ack();
    write(1, 2, 3, 4, 5, 6, 7, 8);
    expect(drain()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('a message must not be longer than a cell', () => {
    expect(producer.maxMessageBytes).toBe(40);
    expect(producer.tryWrite('x'.repeat(40))).toBe(true);
    expect(thrown(() => producer.tryWrite('x'.repeat(41)))).toBe('ERR_MEMLANE_MESSAGE_TOO_LONG');
    expect(thrown(() => producer.tryClaim(-1))).toBe('ERR_MEMLANE_ARGUMENT');
    expect(thrown(() => producer.tryClaim(1, 2 ** 31))).toBe('ERR_MEMLANE_ARGUMENT');
  });

  test('write() waits for room, in order', async () => {
    open({ capacity: 2 });
    const writes = [1, 2, 3, 4, 5, 6].map((type) => producer.write(`message ${type}`, { type }));
    const got: number[] = [];
    while (got.length < 6) {
      got.push(...drain());
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(writes);
    expect(got).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('an aborted write leaves nothing', async () => {
    open({ capacity: 2 });
    write(1, 2);
    const controller = new AbortController();
    const aborted = producer.write('message 3', { type: 3, signal: controller.signal });
    const next = producer.write('message 4', { type: 4 });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect(drain()).toEqual([1, 2]);
    await next;
    expect(drain()).toEqual([4]);
  });
});

describe('deliveries', () => {
  test('a message is its consumer’s until it is settled, and then nobody’s', () => {
    write(1);
    const delivery = taken(consumer.tryTake());
    expect(delivery).toMatchObject({ type: 1, length: 9, deliveries: 1, settled: false });
    expect(text(delivery.view, delivery.offset, delivery.length)).toBe('message 1');
    expect(other.tryTake()).toBeNull();
    expect(census()).toEqual({ ready: 0, claimed: 1, returned: 0, dead: 0 });
    delivery.ack();
    expect(census()).toEqual({ ready: 0, claimed: 0, returned: 0, dead: 0 });
    for (const again of [() => delivery.ack(), () => delivery.nack(), () => delivery.data])
      expect(thrown(again)).toBe('ERR_MEMLANE_CLOSED');
  });

  test('what is given back comes to whoever looks next, before what is new', () => {
    write(1, 2, 3);
    taken(consumer.tryTake()).nack();
    expect(census()).toEqual({ ready: 2, claimed: 0, returned: 1, dead: 0 });
    expect(drain(other)).toEqual([1, 2, 3]);
    expect(drain()).toEqual([]);
  });

  test('the end of a scope gives back what was not settled', () => {
    write(1);
    {
      using _delivery = consumer.tryTake();
    }
    const again = taken(other.tryTake());
    expect(again.deliveries).toBe(2);
    again.ack();
    again[Symbol.dispose]();
    expect(other.tryTake()).toBeNull();
  });

  test('a handler that throws gives the message back, and the error to the caller', () => {
    write(1, 2);
    expect(() =>
      consumer.poll((_view, _offset, _length, type) => {
        if (type === 1) throw new Error('no');
      }),
    ).toThrow('no');
    expect(drain(other)).toEqual([1, 2]);
  });

  test('BREAK stops after a message, ABORT before it and as if it had not been delivered', () => {
    open({ maxDeliveries: 1 });
    write(1, 2, 3);
    expect(consumer.poll(() => Action.BREAK)).toBe(1);
    for (let attempt = 0; attempt < 5; attempt++) expect(consumer.poll(() => Action.ABORT)).toBe(0);
    expect(taken(consumer.tryTake())).toMatchObject({ type: 2, deliveries: 1 });
  });

  test('a handler may close its consumer: what it has in hand is given back', () => {
    write(1, 2);
    expect(consumer.poll(() => consumer.close())).toBe(0);
    expect(drain(other).sort()).toEqual([1, 2]);
  });

  test('a handler may poll', () => {
    write(1, 2, 3);
    const types: number[] = [];
    consumer.poll((_view, _offset, _length, type) => {
      types.push(type, ...drain(consumer, 1));
    });
    expect(types).toEqual([1, 2, 3]);
  });

  test('close() gives back what was taken', () => {
    write(1, 2, 3);
    const first = taken(consumer.tryTake());
    consumer.tryTake();
    consumer.close();
    expect(census()).toEqual({ ready: 1, claimed: 0, returned: 2, dead: 0 });
    expect(thrown(() => first.ack())).toBe('ERR_MEMLANE_CLOSED');
    expect(drain(other).sort()).toEqual([1, 2, 3]);
  });

  test('a delay keeps a message from everybody, but not for ever', async () => {
    write(1);
    const before = Date.now();
    taken(consumer.tryTake()).nack({ delayMs: 40 });
    expect([consumer.tryTake(), other.tryTake()]).toEqual([null, null]);
    write(2);
    expect(drain()).toEqual([2]);
    await other.wait();
    expect(Date.now() - before).toBeGreaterThanOrEqual(40);
    expect(taken(other.tryTake())).toMatchObject({ type: 1, deliveries: 2 });
  });

  test('a blocked thread wakes when a message is due', () => {
    write(1);
    const before = Date.now();
    taken(consumer.tryTake()).nack({ delayMs: 30 });
    expect(consumer.waitSync(10)).toBe(false);
    expect(consumer.waitSync(20_000)).toBe(true);
    expect(Date.now() - before).toBeGreaterThanOrEqual(30);
  });

  test('a message that was delivered too often is a dead letter, until somebody takes it', () => {
    open({ maxDeliveries: 2 });
    write(1, 2);
    taken(consumer.tryTake()).nack();
    taken(consumer.tryTake()).nack({ delayMs: 1000 });
    expect(census()).toEqual({ ready: 1, claimed: 0, returned: 0, dead: 1 });
    expect(drain()).toEqual([2]);
    for (let round = 0; round < 20; round++) {
      write(3, 4, 5, 6, 7, 8, 9);
      expect(producer.tryWrite('one too many')).toBe(false);
      expect(drain()).toEqual([3, 4, 5, 6, 7, 8, 9]);
    }
    const letters: number[] = [];
    expect(consumer.pollDead(() => Action.ABORT)).toBe(0);
    expect(() =>
      consumer.pollDead(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(other.pollDead((_view, _offset, _length, type) => void letters.push(type))).toBe(1);
    expect(letters).toEqual([1]);
    expect(census()).toEqual({ ready: 0, claimed: 0, returned: 0, dead: 0 });
  });

  test.each([-1, Number.NaN, '5', 2 ** 41])('%p is no delay', (delayMs) => {
    write(1);
    const delivery = taken(consumer.tryTake());
    expect(thrown(() => delivery.nack({ delayMs: delayMs as number }))).toBe('ERR_MEMLANE_ARGUMENT');
    delivery.ack();
  });
});

describe('the end of the stream', () => {
  test('comes when every producer that is attached has said so and everything is done with', () => {
    const second = queue.producer();
    expect(consumer.isEnded).toBe(false);
    write(1, 2);
    producer.end();
    expect(thrown(() => producer.tryClaim(1))).toBe('ERR_MEMLANE_ENDED');
    expect(consumer.isEnded).toBe(false);
    second.end();
    const delivery = taken(consumer.tryTake());
    expect(drain(other)).toEqual([2]);
    // Its own is done with for the one, not for the other, who may yet get it.
    expect([consumer.isEnded, other.isEnded]).toEqual([true, false]);
    delivery.nack();
    expect([consumer.isEnded, other.isEnded]).toEqual([false, false]);
    expect(drain()).toEqual([1]);
    expect([consumer.isEnded, other.isEnded]).toEqual([true, true]);
  });

  test('does not come because a producer leaves without a word', () => {
    producer.close();
    expect(consumer.isEnded).toBe(false);
    queue.producer().end();
    expect(consumer.isEnded).toBe(true);
    queue.producer();
    expect(consumer.isEnded).toBe(false);
  });

  test('iteration acknowledges when the next message is asked for, and ends', async () => {
    write(1, 2, 3);
    producer.end();
    const types: number[] = [];
    for await (const delivery of consumer) {
      types.push(delivery.type);
      expect(census()).toMatchObject({ claimed: 1, ready: 3 - types.length });
    }
    expect(types).toEqual([1, 2, 3]);
    expect(await consumer.take()).toBeNull();
  });

  test('iteration that is cut short gives back what it had in hand', async () => {
    write(1, 2, 3);
    for await (const { type } of consumer) if (type === 2) break;
    expect(drain(other)).toEqual([2, 3]);
  });

  test('who waits for it hears of it', async () => {
    const ends = [consumer, other].map(async (each) => {
      for await (const _ of each);
    });
    write(1, 2, 3);
    await new Promise((resolve) => setTimeout(resolve, 20));
    producer.end();
    await Promise.all(ends);
  });

  test('flush() waits until everything is done with, dead letters being so', async () => {
    open({ maxDeliveries: 1 });
    write(1, 2);
    expect(producer.flushSync(0)).toBe(false);
    const delivery = taken(consumer.tryTake());
    expect(drain()).toEqual([2]);
    expect(producer.flushSync(0)).toBe(false);
    const flushed = producer.flush();
    delivery.nack();
    await flushed;
  });
});

describe('waiting', () => {
  test('a message wakes one who waits; one that is given back wakes another', async () => {
    const first = consumer.take();
    const second = other.take();
    await new Promise((resolve) => setTimeout(resolve, 10));
    write(1);
    const [winner, loser] = [await Promise.race([first, second]), [first, second]];
    const delivery = taken(winner);
    delivery.nack();
    write(2);
    const all = (await Promise.all(loser)).map((each) => each?.type);
    expect([1, 2]).toEqual(expect.arrayContaining(all.filter((type) => type !== delivery.type) as number[]));
  });

  test('a signal and a close end it', async () => {
    const controller = new AbortController();
    const aborted = consumer.take({ signal: controller.signal });
    const closed = other.take();
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    other.close();
    await expect(closed).rejects.toMatchObject({ code: 'ERR_MEMLANE_CLOSED' });
  });

  test('timeouts and options are checked', async () => {
    expect(thrown(() => consumer.waitSync(-1))).toBe('ERR_MEMLANE_ARGUMENT');
    expect(thrown(() => producer.waitSync('1' as never))).toBe('ERR_MEMLANE_ARGUMENT');
    expect(thrown(() => queue.consumer({ wait: 'sleep' as never }))).toBe('ERR_MEMLANE_ARGUMENT');
    expect(thrown(() => consumer.poll(null as never))).toBe('ERR_MEMLANE_ARGUMENT');
    expect(thrown(() => consumer.poll(() => {}, 1.5))).toBe('ERR_MEMLANE_ARGUMENT');
    await expect(consumer.wait({ signal: {} as never })).rejects.toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
  });
});

describe('places', () => {
  test('there are as many as the creator said, and they are given back', () => {
    open({ producers: 2, consumers: 2 });
    const second = queue.producer();
    expect(thrown(() => queue.producer())).toBe('ERR_MEMLANE_BUSY');
    expect(thrown(() => queue.consumer())).toBe('ERR_MEMLANE_BUSY');
    second.close();
    expect(queue.producer().slot).toBe(1);
    expect(queue.statistics().consumers.map(({ alive }) => alive)).toEqual([true, true]);
  });

  test('255 of them can be had', () => {
    open({ producers: 200, consumers: 55 });
    const last = Array.from({ length: 199 }, () => queue.producer()).at(-1) as WorkProducer;
    expect(last.slot).toBe(199);
    expect(last.tryWrite('message 7', 7)).toBe(true);
    expect(drain()).toEqual([7]);
    last.end();
    expect(consumer.isEnded).toBe(false);
  });

  test('what each has done is counted', () => {
    write(1, 2, 3);
    drain(consumer, 2);
    taken(other.tryTake()).ack();
    const { producers, consumers, capacity } = queue.statistics();
    expect(capacity).toBe(8);
    expect(producers[0]).toMatchObject({ messages: 3, bytes: 27, batches: 3, pid: process.pid, alive: true });
    expect(consumers[0]).toMatchObject({ messages: 2, bytes: 18, batches: 1 });
    expect(consumers[1]).toMatchObject({ messages: 1, bytes: 9, batches: 1 });
    expect(producer.isPeerAlive()).toBe(true);
    consumer.close();
    other.close();
    expect(producer.isPeerAlive()).toBe(false);
  });
});

describe('files', () => {
  let scratch: Scratch;
  beforeEach(() => {
    scratch = scratchFolder();
  });
  afterEach(() => scratch[Symbol.dispose]());

  test('a queue with a name keeps what is in it', () => {
    const path = scratch.file('tasks');
    {
      using named = createWorkQueue(path, { capacity: 4, messageBytes: 16 });
      named.producer().tryWrite('message 1', 1);
      named.consumer().tryTake();
      expect(thrown(() => createWorkQueue(path))).toBe('ERR_MEMLANE_EXISTS');
      expect(thrown(() => removeWorkQueue(path))).toBe('ERR_MEMLANE_BUSY');
    }
    {
      using named = openOrCreateWorkQueue(path);
      expect(named).toMatchObject({ capacity: 4, messageBytes: 16, path });
      expect(taken(named.consumer().tryTake())).toMatchObject({ type: 1, deliveries: 2 });
    }
    removeWorkQueue(path);
    expect(scratch.entries()).toEqual([]);
  });

  test('an observer has no place', () => {
    const path = scratch.file('tasks');
    createWorkQueue(path).close();
    using observer = openWorkQueue(path, { access: 'read' });
    expect(observer.statistics()).toMatchObject({ ready: 0, dead: 0 });
    expect(thrown(() => observer.consumer())).toBe('ERR_MEMLANE_READ_ONLY');
    expect(thrown(() => observer.unlink())).toBe('ERR_MEMLANE_READ_ONLY');
  });

  test('nothing goes on after close()', () => {
    const { statistics } = queue;
    queue.close();
    for (const action of [
      () => queue.producer(),
      () => queue.statistics(),
      () => producer.tryClaim(1),
      () => producer.commit(),
      () => consumer.poll(() => {}),
      () => consumer.tryTake(),
      () => consumer.isEnded,
    ])
      expect(thrown(action)).toBe('ERR_MEMLANE_CLOSED');
    expect(typeof statistics).toBe('function');
    queue.close();
  });
});
