import { messagesPerSecond } from './aims.ts';
import { shapeLabel, sizeLabel, type Topology } from './case.ts';
import { limitSeconds } from './group-sample.ts';
import { engineering, table } from './report.ts';
import type { Result } from './run.ts';
import { median } from './statistics.ts';
import { shapes } from './topology-catalog.ts';

/** The topologies, drawn: what a number means depends on them. */
export const topologyDrawing: readonly string[] = [
  '  mpsc         producer ──┐                                       producers: of each, every message in order',
  '               producer ──┼──▶ [ shared memory | socket | channel ] ──▶ consumer',
  '               producer ──┘',
  '  broadcast                                            ┌──▶ consumer',
  '               producer ──▶ [ ... ] ───────────────────┼──▶ consumer     every message to each of them, none lost',
  '                                                       └──▶ consumer',
  '  work queue   producer ──┐                            ┌──▶ consumer',
  '               producer ──┴──▶ [ ... ] ────────────────┴──▶ consumer     every message to one of them, once',
  '               each a process (MessageChannel, piscina: a thread), all on two cores; started anew for every sample;',
  '               every message checked on arrival for what it is, and for its place among those of its producer',
];

/** What the columns are called, for a table of each topology and size. */
const headings: Readonly<Record<Topology, string>> = {
  mpsc: 'mpsc',
  broadcast: 'broadcast, messages of the producer',
  workQueue: 'work queue',
};

export function formatTopologies(results: readonly Result[]): string {
  const kinds = Object.keys(headings) as Topology[];
  const sizes = [...new Set(results.map(({ subject }) => subject.sizeBytes))].sort((a, b) => a - b);
  return sizes
    .flatMap((sizeBytes) =>
      kinds.flatMap((kind) => {
        const own = results.filter(({ subject }) => subject.kind === kind && subject.sizeBytes === sizeBytes);
        if (own.length === 0) return [];
        const rates = `${headings[kind]}, ${sizeLabel(sizeBytes)}: messages/s, median (min..max)`;
        const costs = `broadcast, ${sizeLabel(sizeBytes)}: processor time of the producer, ns a message`;
        const rows = [formatShapes(rates, kind, own, rateCell)];
        if (kind === 'broadcast') rows.push(formatShapes(costs, kind, own.filter(hasCost), costCell));
        return rows;
      }),
    )
    .join('\n\n');
}

/** A row for each case, a column for each shape. */
function formatShapes(
  title: string,
  kind: Topology,
  results: readonly Result[],
  cell: (result: Result) => string,
): string {
  const columns = shapes[kind].map(shapeLabel);
  const names = [...new Set(results.map(({ subject }) => subject.name))];
  const rows = names.map((name) => [
    name,
    ...columns.map((column) => {
      const result = results.find(
        ({ subject }) => subject.name === name && subject.shape !== undefined && shapeLabel(subject.shape) === column,
      );
      return result ? cell(result) : '';
    }),
  ]);
  return table([title, ...columns], rows);
}

function rateCell({ samples }: Result): string {
  if (samples.length === 0) return 'FAILED';
  const stalled = samples.filter((sample) => sample.stalled).length;
  const text = spread(samples.map(messagesPerSecond), engineering);
  return stalled > 0 ? `STALLED ${stalled}/${samples.length}: ${text}` : text;
}

function hasCost({ samples }: Result): boolean {
  return samples.some(({ producerNs }) => producerNs !== undefined);
}

function costCell({ samples }: Result): string {
  const costs = samples.flatMap(({ producerNs }) => (producerNs === undefined ? [] : [producerNs]));
  return costs.length === 0 ? '' : spread(costs, (ns) => (ns >= 100 ? ns.toFixed(0) : ns.toFixed(1)));
}

function spread(values: readonly number[], format: (value: number) => string): string {
  return `${format(median(values))} (${format(Math.min(...values))}..${format(Math.max(...values))})`;
}

/** What is to be said of samples that did not come through in time. */
export function stalledNotes(results: readonly Result[]): string[] {
  const stalled = results.filter(({ samples }) => samples.some((sample) => sample.stalled));
  if (stalled.length === 0) return [];
  return [`STALLED: not through after ${limitSeconds} s; the rate is what it came to until then`];
}
