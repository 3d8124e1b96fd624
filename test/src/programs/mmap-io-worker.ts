// node mmap-io-worker.js FOLDER: maps in two threads, and hands a buffer from one to the other.
import { once } from 'node:events';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import mmap from '@memlane/core/mmap-io';

const path = isMainThread ? join(process.argv[2], 'file') : (workerData as string);
if (isMainThread) writeFileSync(path, Buffer.alloc(8192, '.'));
const buffer = mmap.map(8192, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, openSync(path, 'r+'));

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: path });
  worker.postMessage(buffer);
  const [seen] = await once(worker, 'message');
  await worker.terminate();
  // The worker's own mapping went with it; this thread's and the one it lent stay.
  process.stdout.write(
    JSON.stringify({ seen, here: buffer.toString('latin1', 0, 10), file: readFileSync(path, 'latin1').slice(0, 10) }),
  );
} else {
  parentPort?.once('message', (lent: Uint8Array) => {
    buffer.write('own', 0);
    lent.set(Buffer.from('lent'), 4);
    parentPort?.postMessage(Buffer.from(lent).toString('latin1', 0, 10));
  });
}
