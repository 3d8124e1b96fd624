/* Replaces a system call and looks whether another thread notices. */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { replaceSystemCall, truncate } from '@memlane/linux';
import { say, thrownBy } from '../support/speech.ts';

const attempt = (): string | undefined => thrownBy(() => truncate(99_999, 0))?.code;

if (isMainThread) {
  using _fault = replaceSystemCall('ftruncate', () => () => -28);
  const worker = new Worker(new URL(import.meta.url));
  const [there] = await once(worker, 'message');
  say('result', { here: attempt(), there });
} else parentPort?.postMessage(attempt());
