// Reads a region in loops without calls, here and in workers, until another process cuts its file: { path, workers }.
// Says 'looping' when every thread is about to enter its loop, and 'result' with what each has met.
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { PAGE_SIZE } from '@memlane/linux';
import { guard, Region, type RegionDescriptor } from 'memlane';
import { parameters, say, thrownBy } from '../support/speech.ts';

const MASK = 8 * PAGE_SIZE - 1;
const MUCH = 2 ** 20;

if (parentPort === null) await judge();
else {
  using region = Region.attach(workerData);
  parentPort.postMessage('looping');
  parentPort.postMessage(meet(region));
}

async function judge(): Promise<void> {
  const { path, workers } = parameters<{ path: string; workers: number }>();
  using region = Region.create(path, 16 * PAGE_SIZE);
  region.bytes.fill(7);
  const descriptor: RegionDescriptor = region.descriptor();
  const others = Array.from(
    { length: workers },
    () => new Worker(new URL(import.meta.url), { workerData: descriptor }),
  );
  await Promise.all(others.map((worker) => once(worker, 'message')));
  const met = others.map((worker) => once(worker, 'message'));
  say('looping');
  const here = meet(region);
  const there = (await Promise.all(met)).map(([result]) => result);
  say('result', { met: [here, ...there], faults: guard.status().faults });
}

function meet(region: Region): unknown {
  const before = guard.status().faults;
  const [value, rounds] = whileSeven(region.bytes.subarray(4 * PAGE_SIZE, 12 * PAGE_SIZE));
  const { code, path } = thrownBy(() => region.check()) ?? {};
  return { value, code, path, long: rounds > 0, counted: guard.status().faults > before };
}

/** Ends when a byte is no seven any more. Optimised while it runs, for it is called only once. */
function whileSeven(bytes: Uint8Array): [value: number | undefined, rounds: number] {
  for (let round = 0; round < MUCH; round++)
    for (let i = 0; i <= MASK; i++) {
      const byte = bytes[i & MASK];
      if (byte !== 7) return [byte, round];
    }
  return [7, MUCH];
}
