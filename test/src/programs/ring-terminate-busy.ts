// Terminates worker threads while a busy producer rings them: { times }. Says 'survived'.
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { attachRing, createAnonymousRing, type RingDescriptor } from 'memlane';
import { parameters, say } from '../support/speech.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

if (isMainThread) await judge(parameters<{ times: number }>().times);
else await consume(workerData);

async function judge(times: number): Promise<void> {
  using ring = createAnonymousRing({ capacityBytes: 4096 });
  const producer = ring.producer({ wait: 'event' });
  for (let time = 0; time < times; time++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: ring.descriptor() });
    await new Promise((resolve) => worker.once('message', resolve));
    for (let write = 0; write < (time % 40) * 10; write++) {
      producer.tryWrite('before');
      if (write % 10 === 0) await turn();
    }
    let terminated = false;
    worker.terminate().then(() => {
      terminated = true;
    });
    while (!terminated) {
      producer.tryWrite('meanwhile');
      await turn();
    }
  }
  say('survived', times);
}

async function consume(descriptor: RingDescriptor): Promise<void> {
  const consumer = attachRing(descriptor).consumer({ wait: 'event' });
  parentPort?.postMessage('attached');
  for await (const _message of consumer);
}
