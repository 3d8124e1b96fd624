// Terminates worker threads that hold a place in a ring and wait in it: { folder, role, wait, blocking, times }.
// Says 'ended' with what was left of them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  attachRing,
  type Consumer,
  createRing,
  openRing,
  type Producer,
  type Ring,
  type RingDescriptor,
  type WaitStrategy,
} from 'memlane';
import { parameters, pause, say } from '../support/speech.ts';

interface Plan {
  readonly folder: string;
  readonly role: 'producer' | 'consumer';
  readonly wait: WaitStrategy;
  readonly blocking: boolean;
  readonly times: number;
}

if (isMainThread) await judge(parameters<Plan>());
else await wait(workerData);

async function judge(plan: Plan): Promise<void> {
  const { folder, role, times } = plan;
  const path = join(folder, `${role}-${plan.wait}.ring`);
  createRing(path, { capacityBytes: 4096 }).close();
  const ring = openRing(path); // mapped under its name, which is how its mappings are counted
  const sleeps = plan.wait === 'event' || plan.wait === 'park';
  let descriptors = 0;
  for (let time = 0; time < times; time++) {
    if (role === 'producer') fillUp(ring);
    const { parks } = ring.statistics()[`${role}s`][0];
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { plan, descriptor: ring.descriptor() } });
    await new Promise((resolve) => worker.once('message', resolve));
    while (sleeps && ring.statistics()[`${role}s`][0].parks === parks) await pause(1);
    if (!ring.statistics()[`${role}s`][0].alive) throw new Error('the worker holds no place');
    await worker.terminate();
    if (ring.statistics()[`${role}s`][0].alive)
      throw new Error(`time ${time}: a terminated worker still holds its place`);
    succeed(ring, role, time);
    if (time === 0) descriptors = openDescriptors();
  }
  say('ended', {
    leakedDescriptors: openDescriptors() - descriptors,
    mappings: readFileSync('/proc/self/maps', 'utf8').split(path).length - 1,
    left: readdirSync(folder).filter((name) => name.startsWith('.memlane-bell')),
  });
}

/** A worker: takes its place, says so, and waits for what never comes. */
async function wait({ plan, descriptor }: { plan: Plan; descriptor: RingDescriptor }): Promise<void> {
  const ring = attachRing(descriptor);
  if (plan.role === 'producer') {
    const producer = ring.producer({ wait: plan.wait });
    await waitIn(producer, plan);
  } else {
    const consumer = ring.consumer({ wait: plan.wait });
    await waitIn(consumer, plan);
  }
}

async function waitIn(end: Producer | Consumer, { blocking }: Plan): Promise<void> {
  parentPort?.postMessage('attached');
  if (blocking) end.waitSync();
  else await end.wait();
}

function fillUp(ring: Ring): void {
  using producer = ring.producer();
  while (producer.tryWrite('x'.repeat(504)));
}

/** The place of a terminated worker can be taken at once, and what it waited for comes about. */
function succeed(ring: Ring, role: Plan['role'], time: number): void {
  using producer = ring.producer();
  using consumer = ring.consumer();
  if (!producer.isPeerAlive() || !consumer.isPeerAlive()) throw new Error('the successors do not see each other');
  if (role === 'producer') while (consumer.tryRead() !== null);
  if (!producer.tryWrite(`message ${time}`)) throw new Error('no room');
  const text = consumer.tryRead()?.data.toString();
  if (text !== `message ${time}`) throw new Error(`read ${text} instead of message ${time}`);
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
