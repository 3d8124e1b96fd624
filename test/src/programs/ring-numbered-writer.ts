// Writes numbered messages: { path, traffic, from?, count?, forMs?, batch?, wait?, blocking?, end?, stay? }. Says 'attached',
// then, when it has written so many or for so long, 'written' with the number that would have been next.
import { memory } from '@memlane/core';
import { openRing, type WaitStrategy } from 'memlane';
import { Numbering } from '../ring/numbered.ts';
import type { Traffic } from '../ring/traffic.ts';
import { Commands, parameters, pause, say } from '../support/speech.ts';

const { path, traffic, from, count, forMs, batch, wait, blocking, end, stay } = parameters<{
  path: string;
  traffic: Traffic;
  from?: number;
  count?: number;
  forMs?: number;
  batch?: number;
  wait?: WaitStrategy;
  blocking?: boolean;
  end?: boolean;
  stay?: boolean;
}>();
const ring = openRing(path);
const producer = ring.producer({ wait });
const numbering = new Numbering(producer, traffic, from);
say('attached');
const last = count === undefined ? Number.POSITIVE_INFINITY : numbering.next + count;
const deadline = performance.now() + (forMs ?? Number.POSITIVE_INFINITY);
let claimed = 0;
for (let looks = 0; numbering.next < last; looks++) {
  if (looks % 64 === 0 && performance.now() > deadline) break;
  if (numbering.claim()) {
    claimed += 1;
    if (claimed % (batch ?? 1) === 0) producer.commit();
    continue;
  }
  producer.commit();
  if (blocking === true) producer.waitSync(forMs ?? 20_000, numbering.length);
  else if (forMs === undefined) await producer.wait({ length: numbering.length });
  else memory.sleepSync(1);
}
producer.commit();
if (end === true) producer.end();
say('written', numbering.next);
if (stay === true) await new Commands().next();
else if (forMs !== undefined) await pause(0);
process.exit();
