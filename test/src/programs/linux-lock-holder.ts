/* Locks a byte of a file, itself or in a thread, and does as it is told. */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { open, tryLockByte, unlockByte } from '@memlane/linux';
import { Commands, parameters, say } from '../support/speech.ts';

interface Parameters {
  readonly path: string;
  readonly byte: string;
  /** Lock in a worker thread. */
  readonly thread?: boolean;
  /** Have a child process that outlives this one. */
  readonly child?: boolean;
}

function lock({ path, byte }: Parameters): number {
  const fd = open(path, constants.O_RDWR);
  if (!tryLockByte(fd, BigInt(byte))) throw new Error('locked by somebody else');
  return fd;
}

async function hold(given: Parameters): Promise<void> {
  const commands = new Commands();
  if (given.thread) {
    const worker = new Worker(new URL(import.meta.url), { workerData: given });
    worker.once('message', () => say('locked'));
    await commands.next();
    await worker.terminate();
    say('terminated');
    return;
  }
  const fd = lock(given);
  if (given.child) say('child', spawn('sleep', ['60'], { stdio: 'ignore' }).pid);
  say('locked');
  for (;;) {
    if ((await commands.next()) === 'unlock') {
      unlockByte(fd, BigInt(given.byte));
      say('unlocked');
    } else say('refused', tryLockByte(fd, BigInt(given.byte)));
  }
}

if (isMainThread) await hold(parameters());
else {
  lock(workerData);
  // Waits to be terminated.
  parentPort?.on('message', () => {});
  parentPort?.postMessage('locked');
}
