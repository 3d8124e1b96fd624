// The ring between two processes. Variants: each (one commit a message), batch (32 claims a commit), claim (zero copy:
// only the sequence number is written), claim-deep (the same, in a ring with as many records at any size), write (copied
// in by tryWrite). Each of them with `-sealed`: in memory that nobody can cut, which is not guarded.
import { readFileSync, writeFileSync } from 'node:fs';
import {
  attachRing,
  createAnonymousRing,
  createRing,
  FULL,
  openRing,
  type Producer,
  type RecordView,
  type Ring,
} from '@memlane/ring';
import { nowNs, parseRole, printReady, type Role, report } from '../role.ts';
import { Workload } from '../workload.ts';

const batch = 32;
const mib = 1 << 20;
const largestForSmallRing = 16 << 10;

const SEALED = '-sealed';
const given = parseRole();
const isSealed = given.variant.endsWith(SEALED);
const role: Role = isSealed ? { ...given, variant: given.variant.slice(0, -SEALED.length) } : given;
const work = new Workload(role.sizeBytes);

function capacityBytes({ variant, sizeBytes }: Role): number {
  // Room for 56 records of 64 B, or 63 of 1 MiB.
  if (variant === 'claim-deep') return sizeBytes * 64;
  return sizeBytes <= largestForSmallRing ? mib : 8 * mib;
}

/** The consumer's side, which comes first. A ring without a name is handed over by its descriptor, in a file. */
function create(): Ring {
  if (!isSealed) return createRing(role.path, { capacityBytes: capacityBytes(role) });
  const ring = createAnonymousRing({ capacityBytes: capacityBytes(role) });
  writeFileSync(role.path, JSON.stringify(ring.descriptor()));
  return ring;
}

function open(): Ring {
  return isSealed ? attachRing(JSON.parse(readFileSync(role.path, 'utf8'))) : openRing(role.path);
}

function claim(producer: Producer): number {
  for (;;) {
    const offset = producer.tryClaim(work.sizeBytes);
    if (offset !== FULL) return offset;
    producer.waitSync(Number.POSITIVE_INFINITY, work.sizeBytes);
  }
}

function produceEach(producer: Producer): void {
  const { f64, u8 } = producer.view;
  for (let sequence = 0; sequence < role.count; sequence++) {
    work.fill(f64, u8, claim(producer), sequence);
    producer.commit();
  }
}

function produceBatches(producer: Producer): void {
  const { f64, u8 } = producer.view;
  let uncommitted = 0;
  for (let sequence = 0; sequence < role.count; sequence++) {
    let offset = producer.tryClaim(work.sizeBytes);
    if (offset === FULL) {
      // What is claimed and uncommitted must be seen, or a ring full of it would never drain.
      producer.commit();
      uncommitted = 0;
      offset = claim(producer);
    }
    work.fill(f64, u8, offset, sequence);
    if (++uncommitted === batch) {
      producer.commit();
      uncommitted = 0;
    }
  }
  producer.commit();
}

function produceStamps(producer: Producer): void {
  const { f64 } = producer.view;
  for (let sequence = 0; sequence < role.count; sequence++) {
    f64[claim(producer) >>> 3] = sequence;
    producer.commit();
  }
}

function produceWrites(producer: Producer): void {
  const { sourceBytes } = work;
  for (let sequence = 0; sequence < role.count; sequence++) {
    work.payload(sequence);
    while (!producer.tryWrite(sourceBytes)) producer.waitSync(Number.POSITIVE_INFINITY, work.sizeBytes);
  }
}

function consume(isIntact: (view: RecordView, offset: number, length: number, sequence: number) => boolean): void {
  using ring = create();
  using consumer = ring.consumer({ wait: 'spin' });
  let received = 0;
  let faults = 0;
  const take = (view: RecordView, offset: number, length: number): void => {
    if (!isIntact(view, offset, length, received++)) faults++;
  };
  const takeUpTo = (count: number): void => {
    while (received < count) {
      if (consumer.poll(take, count - received) === 0) consumer.waitSync();
    }
  };
  printReady();
  takeUpTo(role.warmup);
  const startedNs = nowNs();
  takeUpTo(role.count);
  report({ elapsedNs: nowNs() - startedNs, faults });
}

const isStampOnly = role.variant.startsWith('claim');
if (role.produces) {
  const produce = { each: produceEach, batch: produceBatches, write: produceWrites }[role.variant] ?? produceStamps;
  using ring = open();
  using producer = ring.producer({ wait: 'spin' });
  produce(producer);
} else if (isStampOnly) {
  consume((view, offset, length, sequence) => length === work.sizeBytes && view.f64[offset >>> 3] === sequence);
} else {
  consume((view, offset, length, sequence) => work.isIntact(view.f64, offset, length, sequence));
}
