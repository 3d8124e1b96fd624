// Writes to a sleeping consumer while it has no descriptor left to ring it with, and again when it has: { path }.
// Says 'outcomes' with what became of each write.
import { closeSync, openSync } from 'node:fs';
import { openRing } from 'memlane';
import { asleep, CONSUMER } from '../ring/ring-bytes.ts';
import { parameters, pause, say, thrownBy } from '../support/speech.ts';

const { path } = parameters<{ path: string }>();
const ring = openRing(path);
const producer = ring.producer({ wait: 'event' });
for (let calm = 0; calm < 5; calm++) {
  await pause(10); // attaching has woken the consumer for a look
  if (!asleep(path, CONSUMER)) calm = 0;
}
const taken: number[] = [];
while (thrownBy(() => taken.push(openSync('/dev/null', 'r'))) === undefined);
const without = thrownBy(() => producer.tryWrite('without'))?.code;
for (const fd of taken) closeSync(fd);
const again = thrownBy(() => producer.tryWrite('again'))?.code;
say('outcomes', { without, again });
await pause(60_000);
