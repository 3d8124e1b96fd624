// Cuts the file of a work queue under a message that is being handled, and under one that is being written: { path }. Says
// what acknowledging and committing them throws.
import { truncateSync } from 'node:fs';
import { createWorkQueue } from 'memlane';
import { parameters, say, thrownBy } from '../support/speech.ts';

const { path } = parameters<{ path: string }>();
const queue = createWorkQueue(path, { capacity: 64, messageBytes: 4000 });
const producer = queue.producer();
const consumer = queue.consumer();
const length = queue.capacity * 4032;
for (let message = 0; message < 63; message++) producer.tryWrite(Buffer.alloc(4000, 7), message);
const offset = producer.tryClaim(4000, 99);
for (let message = 0; message < 61; message++) consumer.tryRead();
const delivery = consumer.tryTake();
truncateSync(path, length / 2);
say('read', delivery?.data[0]);
producer.view.u8[offset] = 1;
say('thrown', {
  ack: thrownBy(() => delivery?.ack())?.code,
  commit: thrownBy(() => producer.commit())?.code,
  poll: thrownBy(() => consumer.poll(() => {}))?.code,
  statistics: thrownBy(() => queue.statistics())?.code,
  close: thrownBy(() => queue.close())?.code,
});
