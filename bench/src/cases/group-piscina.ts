// piscina: a pool of as many worker threads as there are consumers, and a task for each message, which the main thread
// hands out in the place of all producers. A task is done when its result is back (a work queue acknowledges, too), and
// results come back in any order.
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { parseGroupRole } from '../group-role.ts';
import { Intake } from '../intake.ts';
import { Workload } from '../workload.ts';

/** Tasks under way for each thread: what keeps it busy. */
const depth = 64;
const concurrentTasksPerWorker = 16;
const defaultSizeBytes = 64;

const work = new Workload(isMainThread ? parseGroupRole().sizeBytes : defaultSizeBytes);

/** The task. @returns the stamp, or one that nobody has sent */
export default function check(payload: Float64Array): number {
  const [stamp] = payload;
  const own = payload.byteLength === work.sizeBytes ? work : new Workload(payload.byteLength);
  return own.isIntact(payload, 0, payload.byteLength, stamp) ? stamp : Number.NaN;
}

async function dispatchAll(): Promise<void> {
  const role = parseGroupRole();
  const { consumers, producers, count } = role;
  const pool = new Piscina({
    filename: fileURLToPath(import.meta.url),
    minThreads: consumers,
    maxThreads: consumers,
    concurrentTasksPerWorker,
  });
  const total = count * producers;
  const intake = new Intake(role, { ordered: false });
  let next = 0;
  intake.start();
  const keepBusy = async (): Promise<void> => {
    while (next < total) {
      const stamp = next++;
      // A copy: the pool hands it to a thread later, when the next number would already be in it.
      const returned: number = await pool.run(work.payload(stamp).slice());
      intake.take(returned, returned === stamp);
      intake.mark();
    }
  };
  await Promise.all(Array.from({ length: depth * consumers }, keepBusy));
  intake.report();
  await pool.destroy();
}

if (isMainThread) await dispatchAll();
