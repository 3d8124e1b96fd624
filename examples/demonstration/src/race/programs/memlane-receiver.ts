// Receives from a ring: each message is checked where it lies.
import { join } from 'node:path';
import { openRing } from 'memlane';
import { numberOf } from '../../message.ts';
import { endIfOrphaned, PATIENCE_MS, report } from '../../role.ts';
import { Arrivals } from '../arrivals.ts';
import { parseHeat } from '../heat-arguments.ts';

const { directory, warmupMs, wait } = parseHeat();
const arrivals = new Arrivals(warmupMs);

using ring = openRing(join(directory, 'messages'));
using consumer = ring.consumer({ wait });
report({ ready: true });

while (!consumer.isEnded) {
  if (consumer.poll(({ f64 }, offset) => arrivals.check(numberOf(f64, offset >> 3))) > 0) arrivals.clock();
  else if (!consumer.waitSync(PATIENCE_MS)) endIfOrphaned();
}
arrivals.end();
