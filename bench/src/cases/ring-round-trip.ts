// A message there and back through two rings. Variants: spin and park (both block the thread), event (the event loop).
import { type Consumer, createRing, FULL, openRing, type Producer, type RecordView } from '@memlane/ring';
import { GapRecorder } from '../gap-recorder.ts';
import { parseRole, printReady, report } from '../role.ts';
import { Workload } from '../workload.ts';

type Variant = 'spin' | 'park' | 'event';

const role = parseRole();
const wait = role.variant as Variant;
const work = new Workload(role.sizeBytes);
let faults = 0;
let expected = 0;

function check({ f64 }: RecordView, offset: number, length: number): void {
  if (!work.isIntact(f64, offset, length, expected++)) faults++;
}

function send(producer: Producer, sequence: number): void {
  let offset: number;
  do offset = producer.tryClaim(work.sizeBytes);
  while (offset === FULL);
  work.fill(producer.view.f64, producer.view.u8, offset, sequence);
  producer.commit();
}

function receiveSync(consumer: Consumer): void {
  while (consumer.poll(check, 1) === 0) consumer.waitSync();
}

async function receive(consumer: Consumer): Promise<void> {
  while (consumer.poll(check, 1) === 0) await consumer.wait();
}

async function ping(to: Producer, from: Consumer): Promise<void> {
  const gaps = new GapRecorder(role.count - role.warmup);
  for (let sequence = 0; sequence < role.count; sequence++) {
    send(to, sequence);
    if (wait === 'event') await receive(from);
    else receiveSync(from);
    gaps.mark(sequence - role.warmup);
  }
  report({ ...gaps.summary(), faults });
}

async function pong(from: Consumer, to: Producer): Promise<void> {
  for (let sequence = 0; sequence < role.count; sequence++) {
    if (wait === 'event') await receive(from);
    else receiveSync(from);
    send(to, sequence);
  }
  if (faults > 0) throw new Error(`${faults} messages arrived damaged or out of order`);
}

const open = role.produces ? openRing : createRing;
using request = open(role.path);
using reply = open(`${role.path}.reply`);
if (role.produces) {
  using to = request.producer({ wait });
  using from = reply.consumer({ wait });
  await ping(to, from);
} else {
  using from = request.consumer({ wait });
  using to = reply.producer({ wait });
  printReady();
  await pong(from, to);
}
