import { type Aim, compare, messagesPerSecond } from './aims.ts';
import { type Shape, shapeLabel, sizeLabel, type Topology } from './case.ts';
import type { Result, Sample } from './run.ts';

/** One side of a ratio. */
type Side = readonly [kind: Topology, name: string, shape: Shape];

interface TopologyAim {
  readonly title: string;
  readonly ours: Side;
  readonly theirs: Side;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Of the messages a second, unless something else is compared. */
  readonly value?: (sample: Sample) => number;
}

const sizeBytes = 64;
const variants: readonly string[] = [
  'memlane each',
  'memlane each, adaptive',
  'memlane batch',
  'memlane batch, adaptive',
];
const toOne = (producers: number): Shape => ({ producers, consumers: 1 });
const toMany = (consumers: number): Shape => ({ producers: 1, consumers });
const square = (count: number): Shape => ({ producers: count, consumers: count });

const mpscAims: readonly TopologyAim[] = variants.flatMap((name): TopologyAim[] => [
  against(['mpsc', name, toOne(2)], 'ck_ring', 0.7),
  {
    title: 'of its own throughput with 2 producers',
    ours: ['mpsc', name, toOne(8)],
    theirs: ['mpsc', name, toOne(2)],
    atLeast: 0.7,
  },
  against(['mpsc', name, toOne(8)], 'ck_ring', 1),
  ...[1, 2, 4, 8].map((producers) => against(['mpsc', name, toOne(producers)], 'zeromq', 30)),
]);

const broadcastAims: readonly TopologyAim[] = variants.flatMap((name): TopologyAim[] => [
  {
    title: 'of what a message costs its producer with 1 consumer',
    ours: ['broadcast', name, toMany(4)],
    theirs: ['broadcast', name, toMany(1)],
    atMost: 1.2,
    value: ({ producerNs = Number.NaN }) => producerNs,
  },
  ...[1, 2, 4].map((consumers) => against(['broadcast', name, toMany(consumers)], 'C zeromq', 1)),
]);

const workQueueAims: readonly TopologyAim[] = variants.flatMap((name) =>
  [1, 2, 4].flatMap((count) => [
    against(['workQueue', name, square(count)], 'boost message_queue', 1),
    against(['workQueue', name, square(count)], 'piscina', 10),
  ]),
);

/** Judges the aims whose cases were run. */
export function judgeTopologies(results: readonly Result[]): Aim[] {
  const find = ([kind, name, shape]: Side): Result | undefined =>
    results.find(
      ({ subject }) =>
        subject.kind === kind &&
        subject.name === name &&
        subject.sizeBytes === sizeBytes &&
        subject.shape !== undefined &&
        shapeLabel(subject.shape) === shapeLabel(shape),
    );
  return [...mpscAims, ...broadcastAims, ...workQueueAims].flatMap((aim) => {
    const [ours, theirs] = [find(aim.ours), find(aim.theirs)];
    if (!ours || !theirs) return [];
    const [kind, name, shape] = aim.ours;
    const title = `${topologyNames[kind]} ${shapeLabel(shape)} ${name} ${sizeLabel(sizeBytes)}: ${aim.title}`;
    return [compare(title, aim, ours, theirs, aim.value ?? messagesPerSecond)];
  });
}

const topologyNames: Readonly<Record<Topology, string>> = {
  mpsc: 'mpsc',
  broadcast: 'broadcast',
  workQueue: 'work queue',
};

function against(ours: Side, peer: string, atLeast: number): TopologyAim {
  const [kind, , shape] = ours;
  return { title: `of ${peer}'s throughput`, ours, theirs: [kind, peer, shape], atLeast };
}
