// Terminates a worker thread that has a message in hand; says 'left' with what another consumer then finds.
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { attachWorkQueue, createAnonymousWorkQueue } from 'memlane';
import { say } from '../support/speech.ts';

if (isMainThread) {
  using queue = createAnonymousWorkQueue({ capacity: 4 });
  using producer = queue.producer();
  using consumer = queue.consumer();
  producer.tryWrite('message', 3);
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: queue.descriptor() });
  const type = await new Promise((resolve) => worker.once('message', resolve));
  const before = consumer.tryTake();
  const found = consumer.take();
  await worker.terminate();
  const delivery = await found;
  say('left', { type, before, after: delivery?.type, deliveries: delivery?.deliveries });
  delivery?.ack();
} else {
  const queue = attachWorkQueue(workerData);
  const delivery = queue.consumer().tryTake();
  parentPort?.postMessage(delivery?.type);
  setInterval(() => {}, 1000);
}
