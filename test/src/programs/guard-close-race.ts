// Closes regions, or maps them anew, while another thread faults in them page by page: { path, way, rounds }. Says 'result'.
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { memory } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { guard, Region } from 'memlane';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

const PAGES = 256;
/** Words that the threads meet at: rounds begun by the storing thread, and rounds it has done. */
const Meeting = { begun: 0, done: 1 } as const;

if (parentPort === null) await judge();
else store(workerData);

async function judge(): Promise<void> {
  const { path, way, rounds, seed } = parameters<{
    path: string;
    way: 'close' | 'remap' | 'grow';
    rounds: number;
    seed: number;
  }>();
  const random = new Random(seed);
  using writer = Region.create(path, 2 * PAGES * PAGE_SIZE);
  writer.bytes.fill(1);
  const meeting = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL(import.meta.url), { workerData: meeting, argv: process.argv.slice(2) });
  await once(worker, 'online');
  for (let round = 1; round <= rounds; round++) {
    using region = Region.open(path, { access: 'read', length: PAGES * PAGE_SIZE, maxLength: 2 * PAGES * PAGE_SIZE });
    worker.postMessage(region.buffer);
    while (memory.load(meeting, Meeting.begun) < round);
    for (let spin = random.below(20_000); spin > 0; spin--) memory.pause();
    if (way === 'close') region.close();
    else {
      if (way === 'grow') region.grow(2 * PAGES * PAGE_SIZE);
      else for (let i = 0; i < 20; i++) region.remap();
    }
    while (memory.load(meeting, Meeting.done) < round);
  }
  await worker.terminate();
  const { failed, passedOn, installed, faults } = guard.status();
  say('result', {
    failed,
    passedOn,
    installed,
    many: faults > rounds,
    intact: writer.bytes.every((byte) => byte === 1),
  });
}

function store(meeting: Int32Array): void {
  parentPort?.on('message', (buffer: SharedArrayBuffer) => {
    const bytes = new Uint8Array(buffer, 0, PAGES * PAGE_SIZE);
    memory.getAndAdd(meeting, Meeting.begun, 1);
    for (let i = 0; i < bytes.length; i += PAGE_SIZE) bytes[i] = 5;
    memory.getAndAdd(meeting, Meeting.done, 1);
  });
}
