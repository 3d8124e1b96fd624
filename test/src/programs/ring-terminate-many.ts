// Terminates worker threads that hold a place in a ring for many: { path, role, blocking }. Says 'ended' with what they have
// left, which is held against what is there afterwards.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { attachRing, createRing, openRing, type RingDescriptor } from 'memlane';
import { parameters, pause, say } from '../support/speech.ts';

interface Plan {
  readonly path: string;
  readonly role: 'producer' | 'consumer';
  readonly blocking: boolean;
}

if (isMainThread) await judge(parameters<Plan>());
else await work(workerData);

async function judge(plan: Plan): Promise<void> {
  const { path, role } = plan;
  createRing(path, { topology: 'bus', producers: 2, consumers: 2, capacityBytes: 65536 }).close();
  const empty = statSync(path).blocks;
  using ring = openRing(path); // mapped under its name, which is how its mappings are counted
  const outcomes: unknown[] = [];
  for (let time = 0; time < 4; time++) {
    const consumer = ring.consumer();
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { plan, descriptor: ring.descriptor() } });
    await new Promise((resolve) => worker.once('message', resolve));
    const producer = ring.producer();
    const alive = ring.statistics()[`${role}s`].filter((one) => one.alive).length;
    while (producer.tryWrite('x'.repeat(1000)));
    consumer.poll(() => {});
    const wasHeldUp = !producer.tryWrite('x'.repeat(1000));
    await worker.terminate();
    const goesOn = producer.tryWrite('x'.repeat(1000));
    consumer.poll(() => {});
    const aliveNow = ring.statistics()[`${role}s`].filter((one) => one.alive).length;
    producer.close();
    for (
      const deadline = performance.now() + 10_000;
      statSync(path).blocks !== empty && performance.now() < deadline;
    ) {
      consumer.waitSync(0);
      await pause(5);
    }
    outcomes.push({ alive, wasHeldUp, goesOn, aliveNow, leftBlocks: statSync(path).blocks - empty });
    consumer.close();
  }
  // The next owner of a place removes what a dead one has left.
  const successors = [ring.consumer(), ring.consumer(), ring.producer(), ring.producer()];
  for (const successor of successors) successor.close();
  // What this thread has mapped: the head, and the data of each lane twice.
  const mappings = readFileSync('/proc/self/maps', 'utf8').split(path).length - 1;
  const left = readdirSync(dirname(path)).filter((name) => name.startsWith('.memlane-bell'));
  say('ended', { outcomes, mappings, left });
}

/** A worker: takes its place, says so, and waits for what never comes. */
async function work({ plan, descriptor }: { plan: Plan; descriptor: RingDescriptor }): Promise<void> {
  const ring = attachRing(descriptor);
  const end = plan.role === 'producer' ? ring.producer() : ring.consumer();
  if ('tryWrite' in end) end.tryWrite('from the worker');
  parentPort?.postMessage('attached');
  if (plan.role === 'consumer') {
    if (plan.blocking) for (;;) await pause(1);
    // In the event loop: until it is terminated, with whatever it has not read.
    await new Promise(() => setInterval(() => {}, 1000));
  } else if ('flush' in end) {
    if (plan.blocking) end.flushSync();
    else await end.flush();
    await new Promise(() => setInterval(() => {}, 1000));
  }
}
