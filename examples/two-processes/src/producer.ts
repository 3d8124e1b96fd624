import { openOrCreateRing } from 'memlane';

const ring = openOrCreateRing('greetings');
const producer = ring.producer();
for (const name of ['Ada', 'Grace', 'Barbara']) {
  await producer.write(`Hello ${name}, this is process ${process.pid}`);
}
ring.close();
