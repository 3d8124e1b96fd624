// One end of a ring, as a worker thread or a forked process: ring-end.js ROLE, or the role as workerData.
import { parentPort, workerData } from 'node:worker_threads';
import { ConsumerEnd } from '../ring/consumer-end.ts';
import { answer, type Call } from '../ring/places.ts';
import { ProducerEnd } from '../ring/producer-end.ts';

const role = parentPort === null ? process.argv[2] : workerData;
const end = role === 'producer' ? new ProducerEnd() : new ConsumerEnd();

if (parentPort === null) {
  process.on('message', async (call: Call) => process.send?.(await answer(end, call)));
  process.on('disconnect', () => process.exit());
} else {
  const port = parentPort;
  port.on('message', async (call: Call) => port.postMessage(await answer(end, call)));
}
