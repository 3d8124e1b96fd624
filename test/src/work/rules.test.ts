import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createWorkQueue, type WorkConsumer, type WorkProducer, type WorkQueue } from 'memlane';
import { Program, runProgram } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';

// The rules of birth and death: who dies where, and what the others find.

let scratch: Scratch;
let path: string;
let queue: WorkQueue;
let producer: WorkProducer;

function open(options: Parameters<typeof createWorkQueue>[1] = {}): void {
  queue = createWorkQueue(path, { capacity: 4, messageBytes: 16, ...options });
  producer = queue.producer();
}

beforeEach(() => {
  scratch = scratchFolder();
  path = scratch.file('tasks');
});
afterEach(() => {
  queue?.close();
  scratch[Symbol.dispose]();
});

async function holder(holds: string): Promise<Program> {
  const program = new Program('work-holder', { path, holds });
  await program.next('holds');
  return program;
}

async function kill(program: Program): Promise<void> {
  program.kill();
  await program.end();
}

function take(consumer: WorkConsumer): { type?: number; deliveries?: number } {
  const delivery = consumer.tryTake();
  const found = { type: delivery?.type, deliveries: delivery?.deliveries };
  delivery?.ack();
  return found;
}

describe('a lease is kept by life', () => {
  test('death gives it back, and wakes who waits for a message in the event loop', async () => {
    open();
    producer.tryWrite('message', 1);
    await using dying = await holder('message');
    const consumer = queue.consumer();
    const waits = consumer.wait();
    await kill(dying);
    await waits;
    expect(take(consumer)).toEqual({ type: 1, deliveries: 2 });
  });

  test.each(['wait', 'block'])('also another process, told to %s', async (way) => {
    open();
    producer.tryWrite('message', 1);
    await using dying = await holder('message');
    await using waiting = await holder('nothing');
    waiting.tell(way);
    while (queue.statistics().consumers.every(({ parks }) => parks === 0)) await pause(1);
    await kill(dying);
    expect(await waiting.next('found')).toEqual({ type: 1, deliveries: 2 });
  });

  test('a stop does not', async () => {
    open();
    producer.tryWrite('message', 1);
    await using stopped = await holder('message');
    stopped.kill('SIGSTOP');
    const consumer = queue.consumer();
    expect(consumer.waitSync(250)).toBe(false);
    expect(queue.statistics()).toMatchObject({ ready: 0, claimed: 1, returned: 0 });
    await kill(stopped);
    expect(consumer.waitSync(20_000)).toBe(true);
    expect(take(consumer)).toEqual({ type: 1, deliveries: 2 });
  });

  test('a process that exits with a message in hand gives it back', async () => {
    open();
    producer.tryWrite('message', 1);
    await using leaving = await holder('message');
    const consumer = queue.consumer();
    const waits = consumer.wait();
    leaving.tell('end');
    await waits;
    expect(take(consumer)).toEqual({ type: 1, deliveries: 2 });
  });

  test('so does a worker thread that is terminated', async () => {
    expect(await runProgram('work-thread', null, { event: 'left' })).toEqual([
      { type: 3, before: null, after: 3, deliveries: 2 },
    ]);
  });

  test('deaths count as deliveries', async () => {
    open({ maxDeliveries: 2 });
    producer.tryWrite('message', 1);
    await kill(await holder('message'));
    await kill(await holder('message'));
    const consumer = queue.consumer();
    expect(take(consumer)).toEqual({});
    expect(queue.statistics()).toMatchObject({ ready: 0, claimed: 0, returned: 0, dead: 1 });
    expect(consumer.pollDead(() => {})).toBe(1);
  });

  test('a delay outlives who asked for it', async () => {
    open();
    producer.tryWrite('message', 1);
    await kill(await holder('returned'));
    const consumer = queue.consumer();
    await consumer.wait();
    expect(take(consumer)).toEqual({ type: 1, deliveries: 2 });
  });
});

describe('a slot is recovered before it is reused', () => {
  test('a consumer does not own what its predecessor had', async () => {
    open({ consumers: 1 });
    producer.tryWrite('message', 1);
    await kill(await holder('message'));
    const consumer = queue.consumer();
    expect(queue.statistics()).toMatchObject({ claimed: 0, returned: 1 });
    expect(take(consumer)).toEqual({ type: 1, deliveries: 2 });
  });

  test('nor does a producer', async () => {
    open({ producers: 2 });
    await kill(await holder('claim'));
    const successor = queue.producer();
    expect(successor.slot).toBe(1);
    for (const type of [1, 2, 3, 4]) expect(successor.tryWrite('message', type)).toBe(true);
    const consumer = queue.consumer();
    expect([1, 2, 3, 4].map(() => take(consumer).type)).toEqual([1, 2, 3, 4]);
  });
});

describe('a claim of the dead', () => {
  test('keeps nobody from writing', async () => {
    open();
    await kill(await holder('claim'));
    const consumer = queue.consumer();
    for (let round = 0; round < 5; round++) {
      await pause(11); // so that a full queue is a reason to look after the dead
      for (const type of [1, 2, 3, 4]) expect(producer.tryWrite('message', type)).toBe(true);
      expect(producer.tryWrite('message')).toBe(false);
      expect([1, 2, 3, 4].map(() => take(consumer).type)).toEqual([1, 2, 3, 4]);
    }
  });
});

describe('a file that is cut', () => {
  test('lets nothing be acknowledged or committed that was on a page that is gone', async () => {
    queue = createWorkQueue(scratch.file('other'));
    await using program = new Program('work-cut', { path });
    expect(await program.next('read')).toBe(0);
    expect(await program.next('thrown')).toEqual({
      ack: 'ERR_MEMLANE_TRUNCATED',
      commit: 'ERR_MEMLANE_TRUNCATED',
      poll: 'ERR_MEMLANE_TRUNCATED',
      statistics: 'ERR_MEMLANE_TRUNCATED',
    });
    await program.success();
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
