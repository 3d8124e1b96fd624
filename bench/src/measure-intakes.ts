import { readFileSync } from 'node:fs';
import type { Kind, Shape } from './case.ts';
import type { IntakeReport } from './intake.ts';
import type { Measurement } from './sample.ts';
import { filesOf } from './sample-files.ts';

/** Messages of each producer. */
interface Counts {
  readonly warmup: number;
  readonly count: number;
}

/**
 * What all consumers of one sample took in together, from the end of the warm-up to the last message: of a broadcast, what
 * each of them did, at the pace of the slowest.
 *
 * @throws when a message was damaged, lost or out of order
 */
export function measureIntakes(
  kind: Kind,
  { producers, consumers }: Shape,
  { warmup, count }: Counts,
  intakes: readonly IntakeReport[],
): Measurement {
  const faults = intakes.reduce((sum, intake) => sum + intake.faults, 0);
  if (faults > 0) throw new Error(`${faults} messages arrived damaged or out of order`);
  const stalled = intakes.some((intake) => intake.stalled);
  const streams = kind === 'broadcast' ? intakes.map((intake) => [intake]) : [intakes];
  if (streams.length < (kind === 'broadcast' ? consumers : 1) || intakes.length === 0)
    throw new Error('ended without a result');
  const measured = streams.map((stream) => measureStream(stream, warmup * producers));
  if (!stalled && measured.some(({ received }) => received !== count * producers))
    throw new Error(`${measured.map(({ received }) => received).join(', ')} of ${count * producers} messages arrived`);
  return {
    messages: Math.min(...measured.map(({ received, before }) => received - before)),
    elapsedNs: Math.max(...measured.map(({ endNs }) => endNs)) - Math.min(...measured.map(({ startNs }) => startNs)),
    ...(stalled && { stalled }),
  };
}

interface Stream {
  readonly received: number;
  /** How many of them were in when measuring starts. */
  readonly before: number;
  readonly startNs: number;
  readonly endNs: number;
}

/** @param warmup messages that all consumers have to have before measuring starts; where they never do, it starts at once */
function measureStream(intakes: readonly IntakeReport[], warmup: number): Stream {
  const received = intakes.reduce((sum, intake) => sum + intake.received, 0);
  const endNs = Math.max(...intakes.map(({ endedNs }) => endedNs));
  const readings = intakes.flatMap(({ atNs, every }) => atNs.map((ns) => ({ ns, every }))).sort((a, b) => a.ns - b.ns);
  let before = 0;
  for (const { ns, every } of readings) {
    before += every;
    if (before >= warmup) return { received, before, startNs: ns, endNs };
  }
  return { received, before: 0, startNs: Math.min(...intakes.map(({ startedNs }) => startedNs)), endNs };
}

/** Lays what the consumers of a work queue have seen over each other. @throws when a message came to none, or to several */
export function expectEachOnce(path: string, messages: number): void {
  const seen = filesOf(path)
    .filter((file) => /\.seen\d+$/.test(file))
    .map((file) => readFileSync(file));
  const all = new Uint8Array(Math.floor(messages / 8) + 1);
  let repeated = 0;
  for (const bits of seen) {
    for (let at = 0; at < all.length; at++) {
      repeated += ones(all[at] & bits[at]);
      all[at] |= bits[at];
    }
  }
  const lost = messages - all.reduce((sum, byte) => sum + ones(byte), 0);
  if (lost !== 0 || repeated !== 0) throw new Error(`${lost} messages were lost, ${repeated} came twice`);
}

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
