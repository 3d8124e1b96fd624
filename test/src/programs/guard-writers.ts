// Threads that all store into the same pages at once, each page missing at first: { path, way, pages, threads, rounds }.
// Says 'result': how many stores were lost, and how many faults were counted in each round.
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { memory } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { guard, Region } from 'memlane';
import { cut } from '../guard/cut.ts';
import { parameters, pause, say } from '../support/speech.ts';

interface Plan {
  readonly path: string;
  /** What makes the pages fault: the file is cut, or may only be read. */
  readonly way: 'truncated' | 'read-only';
  readonly pages: number;
  readonly threads: number;
  readonly rounds: number;
}

/** Words that the threads meet at: the round, and how many have done it. */
const Meeting = { round: 0, done: 1 } as const;
const WORDS_A_PAGE = PAGE_SIZE / 4;

if (parentPort === null) await judge(parameters<Plan>());
else write(workerData);

async function judge({ path, way, pages, threads, rounds }: Plan): Promise<void> {
  const length = pages * PAGE_SIZE;
  using creator = Region.create(path, length);
  using region = way === 'read-only' ? Region.open(path, { access: 'read' }) : creator;
  const words = new Int32Array(region.buffer, 0, length / 4);
  const meeting = new Int32Array(new SharedArrayBuffer(8));
  const workers = Array.from(
    { length: threads },
    (_, index) =>
      new Worker(new URL(import.meta.url), { workerData: { words, meeting, index: index + 1, pages, rounds } }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'online')));
  let lost = 0;
  const faults: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    if (way === 'truncated') cut(path, 0);
    const before = guard.status().faults;
    memory.store(meeting, Meeting.done, 0);
    memory.store(meeting, Meeting.round, round);
    while (memory.load(meeting, Meeting.done) < threads) await pause(1);
    faults.push(guard.status().faults - before);
    for (let page = 0; page < pages; page++)
      for (let index = 1; index <= threads; index++)
        if (words[page * WORDS_A_PAGE + 16 * index] !== round * index) lost++;
    if (way === 'truncated') cut(path, length);
    region.remap();
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  say('result', { lost, faults: [...new Set(faults)], fileUntouched: words.every((word) => word === 0) });
}

function write(plan: { words: Int32Array; meeting: Int32Array; index: number; pages: number; rounds: number }): void {
  const { words, meeting, index, pages, rounds } = plan;
  for (let round = 1; round <= rounds; round++) {
    while (memory.load(meeting, Meeting.round) < round);
    for (let page = 0; page < pages; page++) words[page * WORDS_A_PAGE + 16 * index] = round * index;
    memory.getAndAdd(meeting, Meeting.done, 1);
  }
}
