// One side of an endless stream at full speed: { path, role }.
import { openRing } from 'memlane';
import { parameters, say } from '../support/speech.ts';

const { path, role } = parameters<{ path: string; role: 'producer' | 'consumer' }>();
const ring = openRing(path);
const judge = process.ppid;
say('running');
if (role === 'producer') {
  const producer = ring.producer({ wait: 'spin' });
  const message = new Uint8Array(40);
  while (process.ppid === judge)
    for (let n = 0; n < 100_000; n++) if (!producer.tryWrite(message)) producer.waitSync(1);
} else {
  const consumer = ring.consumer({ wait: 'spin' });
  while (process.ppid === judge)
    for (let n = 0; n < 100_000; n++) if (consumer.poll(() => {}) === 0) consumer.waitSync(1);
}
