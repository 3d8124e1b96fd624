// The work queue: each message to one consumer, which acknowledges it. Variants: workQueue-each (one commit a message, one
// message a poll) and workQueue-batch (32 of each), which wait as the native peers do, letting others run without going to
// sleep; with `-adaptive` behind it, as endpoints do by default.
import { Action, createWorkQueue, FULL, openWorkQueue, type RecordView, type WorkProducer } from '@memlane/ring';
import { awaitAllSent, awaitGo, END_MARK, parseGroupRole, printSent, stampOf } from '../group-role.ts';
import { Intake } from '../intake.ts';
import { Workload } from '../workload.ts';

const queueBytes = 1 << 20;

const role = parseGroupRole();
const work = new Workload(role.sizeBytes);
const batch = role.variant.includes('batch') ? 32 : 1;
const wait = role.variant.endsWith('adaptive') ? 'adaptive' : 'yield';

function claim(producer: WorkProducer): number {
  for (;;) {
    const offset = producer.tryClaim(work.sizeBytes);
    if (offset !== FULL) return offset;
    // What is claimed and uncommitted must be seen, or a queue full of it would never drain.
    producer.commit();
    producer.waitSync();
  }
}

function send(producer: WorkProducer, stamp: number): void {
  work.fill(producer.view.f64, producer.view.u8, claim(producer), stamp);
}

async function produce(producer: WorkProducer): Promise<void> {
  for (let sequence = 0; sequence < role.count; sequence++) {
    send(producer, stampOf(role, sequence));
    if (sequence % batch === batch - 1) producer.commit();
  }
  producer.commit();
  if (role.index !== 0) return printSent();
  await awaitAllSent();
  for (let consumer = 0; consumer < role.consumers; consumer++) {
    send(producer, END_MARK);
    producer.commit();
  }
}

async function consume(): Promise<void> {
  const { producers, consumers, sizeBytes } = role;
  const capacity = queueBytes / sizeBytes;
  using queue =
    role.index === 0
      ? createWorkQueue(role.path, { capacity, messageBytes: sizeBytes, producers, consumers })
      : openWorkQueue(role.path);
  using consumer = queue.consumer({ wait });
  const intake = new Intake(role);
  let more = true;
  const take = ({ f64 }: RecordView, offset: number, length: number): Action | undefined => {
    const stamp = f64[offset >>> 3];
    more = intake.take(stamp, work.isIntact(f64, offset, length, stamp));
    // The mark that comes after it is another consumer's.
    return more ? undefined : Action.BREAK;
  };
  await awaitGo();
  intake.start();
  for (let before = 0; more; ) {
    const taken = consumer.poll(take, batch);
    if (before > 0 && (taken === 0 || !more)) intake.mark();
    if (taken === 0) consumer.waitSync();
    before = taken;
  }
  intake.report();
}

if (role.produces) {
  using queue = openWorkQueue(role.path);
  using producer = queue.producer({ wait });
  await awaitGo();
  await produce(producer);
} else {
  await consume();
}
