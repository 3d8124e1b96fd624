import { type Kind, sizeLabel } from './case.ts';
import { ORDER_BYTES } from './order.ts';
import type { Result, Sample } from './run.ts';
import { median } from './statistics.ts';

/** One thing that memlane sets out to reach, as a ratio of two cases of the same run. */
export interface Aim {
  readonly title: string;
  readonly target: string;
  readonly measured: string;
  /** Undefined when one of the cases failed. */
  readonly met: boolean | undefined;
}

interface RatioAim {
  readonly title: string;
  readonly ours: readonly [name: string, sizeBytes: number];
  readonly theirs: readonly [name: string, sizeBytes: number];
  readonly atLeast?: number;
  readonly atMost?: number;
}

const kib = 1 << 10;
const mib = 1 << 20;

/** In messages per second: more is better. */
const throughputAims: readonly RatioAim[] = [
  ...[64, kib].flatMap((size) =>
    ['each', 'batch'].map((variant) => ({
      title: `of the C ring's throughput, ${variant}`,
      ours: [`memlane ${variant}`, size] as const,
      theirs: [`C ring ${variant}`, size] as const,
      atLeast: 0.85,
    })),
  ),
  ...[64, kib].flatMap((size) =>
    ['ck_ring', 'boost spsc_queue'].flatMap((peer) =>
      ['each', 'batch'].map((variant) => ({
        title: `of ${peer}'s throughput, ${variant}`,
        ours: [`memlane ${variant}`, size] as const,
        theirs: [peer, size] as const,
        atLeast: 1,
      })),
    ),
  ),
  {
    title: 'of the same in sealed memory, which is not guarded',
    ours: ['memlane batch', 64],
    theirs: ['memlane batch, sealed', 64],
    atLeast: 0.97,
  },
  ...['each', 'batch'].map((variant) => ({
    title: `of child_process json, ${variant}`,
    ours: [`memlane ${variant}`, 64] as const,
    theirs: ['child_process json', 64] as const,
    atLeast: 40,
  })),
  ...(
    [
      [64, 2],
      [kib, 6],
      [mib, 30],
    ] as const
  ).map(([size, atLeast]) => ({
    title: 'of a hand-packed Unix socket, batch',
    ours: ['memlane batch', size] as const,
    theirs: ['socket packed', size] as const,
    atLeast,
  })),
  {
    title: 'of the claim rate at 64 B, equally deep ring',
    ours: ['memlane claim, equal depth', mib],
    theirs: ['memlane claim, equal depth', 64],
    atLeast: 1 / 1.2,
  },
];

/** Of typed messages. */
const messageAims: readonly RatioAim[] = [
  ...['memlane queue', 'memlane pubsub'].flatMap((name) => [
    ...['json', 'advanced'].map((serialization) => ({
      title: `of child_process ${serialization}`,
      ours: [name, ORDER_BYTES] as const,
      theirs: [`child_process ${serialization}`, ORDER_BYTES] as const,
      atLeast: 10,
    })),
    {
      title: 'of zeromq with msgpackr',
      ours: [name, ORDER_BYTES] as const,
      theirs: ['zeromq, msgpackr', ORDER_BYTES] as const,
      atLeast: 5,
    },
  ]),
  {
    title: 'of packing first and copying then',
    ours: ['memlane ring, packed in place', ORDER_BYTES],
    theirs: ['memlane ring, packed and copied', ORDER_BYTES],
    atLeast: 1,
  },
];

/** What the guard costs a message that is committed by itself, in nanoseconds: one check each side. */
const guardCostNs = 8;

/** In nanoseconds at the median: less is better. */
const roundTripAims: readonly RatioAim[] = [
  {
    title: "of the C ring's round trip, spin, p50",
    ours: ['memlane spin', 64],
    theirs: ['C ring spin', 64],
    atMost: 1.3,
  },
  {
    title: "of the C ring's round trip, park, p50",
    ours: ['memlane park', 64],
    theirs: ['C ring park', 64],
    atMost: 1.3,
  },
  {
    title: "of a Unix socket's round trip, event, p50",
    ours: ['memlane event', 64],
    theirs: ['socket', 64],
    atMost: 1,
  },
  { title: "of a Unix socket's round trip, park, p50", ours: ['memlane park', 64], theirs: ['socket', 64], atMost: 1 },
];

export function messagesPerSecond({ messages, elapsedNs = Number.NaN }: Sample): number {
  return (messages / elapsedNs) * 1e9;
}

/** Judges the aims whose cases were run. */
export function judge(results: readonly Result[]): Aim[] {
  return [
    ...[...throughputAims, ...messageAims].flatMap((aim) => judgeRatio(aim, results, 'throughput', messagesPerSecond)),
    ...judgeGuard(results),
    ...roundTripAims.flatMap((aim) =>
      judgeRatio(aim, results, 'roundTrip', (sample) => sample.roundTripNs?.p50 ?? Number.NaN),
    ),
  ];
}

function judgeRatio(aim: RatioAim, results: readonly Result[], kind: Kind, value: (sample: Sample) => number): Aim[] {
  const find = ([name, sizeBytes]: RatioAim['ours']): Result | undefined =>
    results.find(({ subject }) => subject.kind === kind && subject.name === name && subject.sizeBytes === sizeBytes);
  const [ours, theirs] = [find(aim.ours), find(aim.theirs)];
  if (!ours || !theirs) return [];
  const title = `${aim.ours[0]} ${sizeLabel(aim.ours[1])}: ${aim.title}`;
  return [compare(title, aim, ours, theirs, value)];
}

/**
 * The median, over the rounds, of the ratio within a round: the two ran seconds apart, while from one round to the next
 * the machine may have become another one.
 */
export function compare(
  title: string,
  { atLeast = 0, atMost }: { readonly atLeast?: number; readonly atMost?: number },
  ours: Result,
  theirs: Result,
  value: (sample: Sample) => number,
): Aim {
  const target = atMost === undefined ? `>= ${round(atLeast)}` : `<= ${round(atMost)}`;
  const theirsByRound = new Map(theirs.samples.map((sample) => [sample.round, sample]));
  const ratios = ours.samples.flatMap((sample) => {
    const other = theirsByRound.get(sample.round);
    return other ? [value(sample) / value(other)] : [];
  });
  if (ratios.length === 0) return { title, target, measured: 'failed', met: undefined };
  const middle = median(ratios);
  const measured = `${round(middle)} (${round(Math.min(...ratios))}..${round(Math.max(...ratios))})`;
  return { title, target, measured, met: atMost === undefined ? middle >= atLeast : middle <= atMost };
}

/** The median, over the rounds, of what a message takes longer in a guarded ring than in a sealed one. */
function judgeGuard(results: readonly Result[]): Aim[] {
  const samplesOf = (name: string): readonly Sample[] =>
    results.find(({ subject }) => subject.kind === 'throughput' && subject.name === name && subject.sizeBytes === 64)
      ?.samples ?? [];
  const sealed = new Map(samplesOf('memlane each, sealed').map((sample) => [sample.round, sample]));
  const costs = samplesOf('memlane each').flatMap((sample) => {
    const other = sealed.get(sample.round);
    return other ? [1e9 / messagesPerSecond(sample) - 1e9 / messagesPerSecond(other)] : [];
  });
  if (costs.length === 0) return [];
  const ns = (value: number): string => value.toFixed(1);
  const measured = `${ns(median(costs))} (${ns(Math.min(...costs))}..${ns(Math.max(...costs))}) ns`;
  const title = 'memlane each 64 B: more than in sealed memory, a message';
  return [{ title, target: `<= ${guardCostNs} ns`, measured, met: median(costs) <= guardCostNs }];
}

function round(ratio: number): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2);
}
