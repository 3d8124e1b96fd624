// Checks every message that comes, and that it is the one due, whatever is done to the file.
// consumer RING
import { setImmediate } from 'node:timers/promises';
import { guard, openRing, type RecordView } from 'memlane';
import { numberOf } from '../../message.ts';
import { report, reportProgress } from '../../role.ts';
import type { Consumption } from '../exchange.ts';
import { Ledger } from '../ledger.ts';
import { Mishaps } from '../mishaps.ts';

/** Messages that are given back at once. */
const BATCH = 256;

using ring = openRing(process.argv[2]);
using consumer = ring.consumer({ recover: true });
const mishaps = new Mishaps(consumer);
const ledger = new Ledger();
report({ ready: true });

const enter = ({ f64 }: RecordView, offset: number): void => ledger.enter(numberOf(f64, offset >> 3));

while (!consumer.isEnded) {
  if (consumer.poll(enter, BATCH) === 0) await consumer.wait();
  else await setImmediate(); // a wait that finds something at once would let nothing else be heard
  mishaps.tell(ledger.due);
  reportProgress(ledger.received);
}
const result: Consumption = { ...ledger, faults: guard.status().faults };
report({ result });
