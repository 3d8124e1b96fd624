// Two threads access the same missing page at the same moment; whoever reads the zeros of a page that the other has had
// replaced must find the fault counted: { path, regions, rounds }. Says 'result': how often it was not.
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { memory } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { guard, Region } from 'memlane';
import { cut } from '../guard/cut.ts';
import { parameters, say, thrownBy } from '../support/speech.ts';

/** Words that the threads meet at: accesses begun, and done by the other thread. */
const Meeting = { begun: 0, done: 1 } as const;

if (parentPort === null) await judge();
else touch(workerData);

async function judge(): Promise<void> {
  const { path, regions, rounds } = parameters<{ path: string; regions: number; rounds: number }>();
  using creator = Region.create(path, PAGE_SIZE);
  // Many mappings of one file: a fault of its own in each, for one cut.
  const all = Array.from({ length: regions }, () => Region.open(path));
  const views = all.map(({ bytes }) => bytes);
  const meeting = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL(import.meta.url), { workerData: { views, meeting, rounds } });
  await once(worker, 'online');
  let missed = 0;
  let begun = 0;
  for (let round = 0; round < rounds; round++) {
    creator.bytes.fill(1);
    cut(path, 0);
    for (const [index, region] of all.entries()) {
      const bytes = views[index] as Uint8Array;
      begun += 1;
      memory.store(meeting, Meeting.begun, begun);
      // A moment later than the other, a different one each time: its page may be there by now, without a fault of ours.
      for (let spin = begun % 200; spin > 0; spin--) memory.pause();
      const value = bytes[0];
      if (value !== 0 || thrownBy(() => region.check()) === undefined) missed++;
      while (memory.load(meeting, Meeting.done) < begun);
    }
    cut(path, PAGE_SIZE);
    for (const region of all) region.remap();
  }
  await worker.terminate();
  const { faults, failed } = guard.status();
  for (const region of all) region.close();
  say('result', { missed, faults, failed });
}

function touch({ views, meeting, rounds }: { views: Uint8Array[]; meeting: Int32Array; rounds: number }): void {
  let begun = 0;
  let sum = 0;
  for (let round = 0; round < rounds; round++)
    for (const bytes of views) {
      begun += 1;
      while (memory.load(meeting, Meeting.begun) < begun);
      sum += bytes[0] as number;
      memory.store(meeting, Meeting.done, begun);
    }
  if (sum !== 0) throw new Error(`${sum} is not zero`);
}
