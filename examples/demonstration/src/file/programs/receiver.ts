// Hashes what comes out of a ring, where it lies. Writes nothing.
// receiver RING
import { createHash } from 'node:crypto';
import { openRing } from 'memlane';
import { clockMs } from '../../clock.ts';
import { endIfOrphaned, PATIENCE_MS, report, reportProgress } from '../../role.ts';
import type { Passage } from '../act.ts';

const hash = createHash('sha256');
let bytes = 0;

using ring = openRing(process.argv[2]);
using consumer = ring.consumer();
report({ ready: true });
const startedAt = clockMs();

while (!consumer.isEnded) {
  const count = consumer.poll(({ u8 }, offset, length) => {
    hash.update(u8.subarray(offset, offset + length));
    bytes += length;
    reportProgress(bytes);
  }, 1); // one record a poll: its memory goes back to the sender at once
  if (count === 0 && !consumer.waitSync(PATIENCE_MS)) endIfOrphaned();
}

const result: Passage = { sha256: hash.digest('hex'), bytes, startedAt, endedAt: clockMs() };
report({ result });
