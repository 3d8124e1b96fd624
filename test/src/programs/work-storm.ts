// One life in a storm over a work queue: { path, traffic }. Waits for a line { role, journal, seed, life, count }, then writes
// or handles, on its main thread and on a worker thread, until it is killed, or, with a count, until the end of the stream.
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
  readonly traffic: Traffic;
}

interface Part extends Given {
  readonly descriptor: WorkQueueDescriptor;
  readonly role: 'producer' | 'consumer';
  readonly journal: string;
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
  const told = JSON.parse(await commands.next());
  const part: Part = { ...given, ...told, descriptor: openWorkQueue(given.path).descriptor(), life: 2 * told.life };
  const worker = new Worker(fileURLToPath(import.meta.url), {
    workerData: { ...part, seed: part.seed ^ 1, life: part.life + 1 },
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
  /** Key of the message whose handler has returned last. */
  let inHand: number | undefined;
  using journal = new Journal(path);
  using queue = attachWorkQueue(descriptor);
  const blocking = random.chance(0.5);
  const sleeping: WaitStrategy = random.pick(blocking ? ['park', 'adaptive'] : ['event', 'adaptive']);
  // Few that do not sleep: the processors are for the births of successors.
  const wait: WaitStrategy = random.chance(0.05) ? 'yield' : sleeping;
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
    journal.note(Event.begun);
    const held: Delivery[] = [];
    const keeping = random.chance(0.4);
    while (!consumer.isEnded || held.length > 0) {
      let found = false;
      if (keeping) {
        const delivery = consumer.tryTake();
        found = delivery !== null;
        if (delivery !== null) {
          handle(delivery.view, delivery.offset, delivery.length, delivery.type);
          held.push(delivery);
        }
        if (held.length > 3 || !found) for (const each of held.splice(0)) settle(each);
      } else found = consumer.poll(handler, random.between(1, 20)) > 0;
      acknowledged();
      if (found) continue;
      if (!blocking) await consumer.wait();
      else if (!consumer.waitSync(1000)) endWithJudge();
    }
  }

  /** What was handled and is given back is no different from what the dead had handled. */
  function settle(delivery: Delivery): void {
    if (random.chance(0.1)) {
      delivery.nack({ delayMs: random.pick([0, 1, 20]) });
      return;
    }
    delivery.ack();
    journal.note(Event.settled, delivery.type);
  }

  function handler(view: RecordView, offset: number, length: number, type: number): Action {
    acknowledged();
    if (random.chance(0.05)) return Action.ABORT;
    handle(view, offset, length, type);
    inHand = type;
    return Action.CONTINUE;
  }

  /** What a handler has returned from is acknowledged before the next one is called. */
  function acknowledged(): void {
    if (inHand !== undefined) journal.note(Event.settled, inHand);
    inHand = undefined;
  }

  function handle(view: RecordView, offset: number, length: number, type: number): void {
    const wrong = fault(view.u8, offset, length, type, traffic, type);
    if (wrong !== undefined) throw new Error(wrong);
    journal.note(Event.handled, type);
    if (random.chance(0.02)) memory.sleepSync(1); // so that some die before they have acknowledged it
  }
}

/** A blocked thread hears nothing of its standard input. */
function endWithJudge(): void {
  if (process.ppid !== judge) process.exit();
}
