// One life in a storm over a work queue: waits for a line 'SEED LIFE COUNT', then writes or handles, on its main thread and
// on a worker thread, until it is killed, or, with a count, until the end of the stream: { path, role, journal, traffic }.
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { memory } from '@memlane/core';
import {
  Action,
  attachWorkQueue,
  type Delivery,
  FULL,
  openWorkQueue,
  type RecordView,
  type WaitStrategy,
  type WorkConsumer,
  type WorkProducer,
  type WorkQueueDescriptor,
} from 'memlane';
import { Event, Journal, MAX_MESSAGES, packKey } from '../ring/storm-journal.ts';
import { fault, fill, lengthOf, type Traffic } from '../ring/traffic.ts';
import { Random } from '../support/random.ts';
import { Commands, parameters, pause, say } from '../support/speech.ts';

interface Given {
  readonly path: string;
  readonly role: 'producer' | 'consumer';
  readonly journal: string;
  readonly traffic: Traffic;
}

interface Part extends Given {
  readonly descriptor: WorkQueueDescriptor;
  readonly seed: number;
  readonly life: number;
  readonly count: number;
}

const judge = process.ppid;
if (isMainThread) await main(parameters<Given>());
else await play(workerData);

async function main(given: Given): Promise<void> {
  const commands = new Commands();
  say('ready');
  const [seed, life, count] = (await commands.next()).split(' ').map(Number) as [number, number, number];
  const descriptor = openWorkQueue(given.path).descriptor();
  const part = { ...given, descriptor, seed, life: 2 * life, count };
  const worker = new Worker(fileURLToPath(import.meta.url), {
    workerData: { ...part, seed: seed ^ 1, life: 2 * life + 1 },
  });
  const other = new Promise((resolve, reject) => {
    worker.once('exit', resolve);
    worker.once('error', reject);
  });
  await play(part);
  await other;
  say('ended');
  process.exit();
}

async function play({ descriptor, role, journal: path, traffic, seed, life, count }: Part): Promise<void> {
  const random = new Random(seed);
  using journal = new Journal(path);
  using queue = attachWorkQueue(descriptor);
  const blocking = random.chance(0.5);
  const wait: WaitStrategy = random.pick(blocking ? ['park', 'adaptive', 'yield'] : ['event', 'adaptive']);
  if (role === 'producer') await produce(queue.producer({ wait }));
  else await consume(queue.consumer({ wait }));

  async function produce(producer: WorkProducer): Promise<void> {
    const { view } = producer;
    let inBatch = 0;
    const commit = (next: number): void => {
      if (inBatch === 0) return;
      producer.commit();
      for (let number = next - inBatch; number < next; number++)
        journal.note(Event.committed, packKey({ life, number }));
      inBatch = 0;
    };
    for (let number = 0; number < (count || MAX_MESSAGES); number++) {
      const key = packKey({ life, number });
      const length = lengthOf(traffic, key);
      let offset = producer.tryClaim(length, key);
      while (offset === FULL) {
        commit(number);
        if (!blocking) await producer.wait();
        else if (!producer.waitSync(1000)) endWithJudge();
        offset = producer.tryClaim(length, key);
      }
      fill(view.u8, offset, length, traffic, key);
      inBatch += 1;
      if (!random.chance(0.5)) continue;
      commit(number + 1);
      // So that there is not more to be judged than need be.
      if (blocking) memory.sleepSync(1);
      else await pause(1);
    }
    commit(count);
    producer.end();
  }

  async function consume(consumer: WorkConsumer): Promise<void> {
    const held: Delivery[] = [];
    const keeping = random.chance(0.4);
    while (!consumer.isEnded || held.length > 0) {
      let found = false;
      if (keeping) {
        const delivery = consumer.tryTake();
        found = delivery !== null;
        if (delivery !== null) held.push(delivery);
        if (held.length > 3 || !found) for (const each of held.splice(0)) settle(each);
      } else found = consumer.poll(handler, random.between(1, 20)) > 0;
      if (found) continue;
      if (!blocking) await consumer.wait();
      else if (!consumer.waitSync(1000)) endWithJudge();
    }
  }

  function settle(delivery: Delivery): void {
    if (random.chance(0.1)) {
      delivery.nack({ delayMs: random.pick([0, 1, 20]) });
      return;
    }
    handle(delivery.view, delivery.offset, delivery.length, delivery.type);
    delivery.ack();
  }

  function handler(view: RecordView, offset: number, length: number, type: number): Action {
    if (random.chance(0.05)) return Action.ABORT;
    handle(view, offset, length, type);
    return Action.CONTINUE;
  }

  function handle(view: RecordView, offset: number, length: number, type: number): void {
    const wrong = fault(view.u8, offset, length, type, traffic, type);
    if (wrong !== undefined) throw new Error(wrong);
    journal.note(Event.handled, type);
  }
}

/** A blocked thread hears nothing of its standard input. */
function endWithJudge(): void {
  if (process.ppid !== judge) process.exit();
}
