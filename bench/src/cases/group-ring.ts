// The ring between several processes: mpsc (a lane for each producer) and broadcast (lossless, all consumers see all).
// Variants: each of them with `-each` (one commit a message) or `-batch` (32 claims a commit), which wait as the native
// peers do, letting others run without going to sleep; with `-adaptive` behind it, as endpoints do by default.
import { type CreateRingOptions, createRing, FULL, openRing, type Producer, type RecordView } from '@memlane/ring';
import { awaitGo, parseGroupRole, stampOf } from '../group-role.ts';
import { Intake } from '../intake.ts';
import { ProcessorMeter } from '../processor-meter.ts';
import { report } from '../role.ts';
import { Workload } from '../workload.ts';

const capacityBytes = 1 << 20;

const role = parseGroupRole();
const work = new Workload(role.sizeBytes);
const topology = role.variant.startsWith('mpsc') ? 'mpsc' : 'broadcast';
const batch = role.variant.includes('batch') ? 32 : 1;
const wait = role.variant.endsWith('adaptive') ? 'adaptive' : 'yield';
const shape: CreateRingOptions =
  topology === 'mpsc'
    ? { topology, producers: role.producers, capacityBytes }
    : { topology, consumers: role.consumers, capacityBytes };
const meter = new ProcessorMeter();

/** What a producer that found the ring full waits for: where its own time is told from its waiting, a good deal at once. */
const roomBytes = topology === 'broadcast' ? capacityBytes >> 2 : role.sizeBytes;

function claimWaiting(producer: Producer): number {
  // What is claimed and uncommitted must be seen, or a ring full of it would never drain.
  producer.commit();
  for (;;) {
    meter.pause();
    producer.waitSync(Number.POSITIVE_INFINITY, Math.min(roomBytes, producer.maxMessageBytes));
    meter.resume();
    const offset = producer.tryClaim(work.sizeBytes);
    if (offset !== FULL) return offset;
  }
}

/** @param from, to sequence numbers */
function produce(producer: Producer, from: number, to: number): void {
  const { f64, u8 } = producer.view;
  let uncommitted = 0;
  for (let sequence = from; sequence < to; sequence++) {
    let offset = producer.tryClaim(work.sizeBytes);
    if (offset === FULL) {
      offset = claimWaiting(producer);
      uncommitted = 0;
    }
    work.fill(f64, u8, offset, stampOf(role, sequence));
    if (++uncommitted === batch) {
      producer.commit();
      uncommitted = 0;
    }
  }
  producer.commit();
}

async function consume(): Promise<void> {
  using ring = role.index === 0 ? createRing(role.path, shape) : openRing(role.path);
  using consumer = ring.consumer({ wait });
  const intake = new Intake(role);
  const take = ({ f64 }: RecordView, offset: number, length: number): void => {
    const stamp = f64[offset >>> 3];
    intake.take(stamp, work.isIntact(f64, offset, length, stamp));
  };
  await awaitGo();
  intake.start();
  while (!intake.isComplete) {
    if (consumer.poll(take) === 0) consumer.waitSync();
  }
  intake.mark();
  intake.report();
}

if (role.produces) {
  using ring = openRing(role.path);
  using producer = ring.producer({ wait });
  await awaitGo();
  meter.resume();
  produce(producer, 0, role.warmup);
  meter.restart();
  produce(producer, role.warmup, role.count);
  meter.pause();
  if (topology === 'broadcast') report({ producerNs: meter.spentNs / (role.count - role.warmup) });
} else {
  await consume();
}
