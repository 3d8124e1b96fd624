import Table from 'cli-table3';
import { type Aim, messagesPerSecond } from './aims.ts';
import { type Kind, label, sizeLabel } from './case.ts';
import type { IdleResult } from './idle.ts';
import type { Machine } from './machine.ts';
import type { Result } from './run.ts';
import { median } from './statistics.ts';

const plainBorders = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
};

export const pairDrawing: readonly string[] = [
  '  throughput   producer ──▶ [ shared memory | socket | channel ] ──▶ consumer      every message checked on arrival',
  '  round trip   producer ──▶ [ ... ] ──▶ consumer ──▶ [ ... ] ──▶ producer          one message under way, 64 B',
  '               two processes, one core each (MessageChannel: two threads); started anew for every sample',
];

/** A run as text. The topology first: what a number means depends on it. */
export function formatHeader(drawing: readonly string[], machine: Machine, command: string): string {
  const rows = Object.entries(machine).map(([key, value]) => `  ${key.padEnd(14)}${value}`);
  return [...drawing, '', ...rows, `  ${'command'.padEnd(14)}${command}`].join('\n');
}

export function formatThroughput(results: readonly Result[]): string {
  if (ofKind(results, 'throughput').length === 0) return '';
  const sizes = [...new Set(ofKind(results, 'throughput').map(({ subject }) => subject.sizeBytes))].sort(
    (a, b) => a - b,
  );
  const rows = namesOf(results, 'throughput').map((name) => [
    name,
    ...sizes.map((size) => throughputCell(results, name, size)),
  ]);
  return table(['messages/s: median (min..max)', ...sizes.map(sizeLabel)], rows);
}

/** Names on the left, everything else on the right. */
export function table(head: readonly string[], rows: readonly string[][]): string {
  const result = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
    chars: plainBorders,
  });
  result.push(...rows);
  return result.toString();
}

export function formatRoundTrips(results: readonly Result[]): string {
  if (ofKind(results, 'roundTrip').length === 0) return '';
  const percentiles = ['p50', 'p99', 'p999', 'max'] as const;
  const table = new Table({
    head: ['round trip 64 B, µs', 'p50', 'p99', 'p99.9', 'max', 'p50 min..max'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
    chars: plainBorders,
  });
  for (const { subject, samples, failure } of ofKind(results, 'roundTrip')) {
    const values = samples.flatMap(({ roundTripNs }) => (roundTripNs ? [roundTripNs] : []));
    if (values.length === 0) {
      table.push([subject.name, { colSpan: 5, content: failure ?? 'no sample' }]);
      continue;
    }
    const medians = percentiles.map((key) => {
      const all = values.map((value) => value[key]);
      return microseconds(key === 'max' ? Math.max(...all) : median(all));
    });
    const p50s = values.map(({ p50 }) => p50);
    table.push([subject.name, ...medians, `${microseconds(Math.min(...p50s))}..${microseconds(Math.max(...p50s))}`]);
  }
  return table.toString();
}

export function formatIdle(results: readonly IdleResult[]): string {
  return results
    .map(({ wait, cpuMs, seconds }) => {
      const percent = ((cpuMs / 1000 / seconds) * 100).toFixed(3);
      return `  idle consumer, wait '${wait}': ${cpuMs.toFixed(2)} ms of processor time in ${seconds} s (${percent} %)`;
    })
    .join('\n');
}

export function formatAims(aims: readonly Aim[]): string {
  if (aims.length === 0) return '';
  const table = new Table({
    head: ['aim', 'target', 'measured: median (min..max)', ''],
    colAligns: ['left', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
    chars: plainBorders,
  });
  for (const { title, target, measured, met } of aims) {
    table.push([title, target, measured, met === undefined ? '-' : met ? 'pass' : 'MISS']);
  }
  return table.toString();
}

export function formatNotes(results: readonly Result[], leftOut: readonly string[]): string {
  const samples = results.flatMap((result) => result.samples);
  const disturbed = samples.filter((sample) => sample.disturbed).length;
  const failures = results.flatMap(({ subject, failure }) =>
    failure ? [`  FAILED ${label(subject)}: ${failure}`] : [],
  );
  return [
    ...leftOut.map((line) => `  ${line}`),
    ...failures,
    `  ${samples.length} samples, ${disturbed} of them disturbed by other programs or the host after several attempts`,
  ].join('\n');
}

function ofKind(results: readonly Result[], kind: Kind): Result[] {
  return results.filter(({ subject }) => subject.kind === kind);
}

function namesOf(results: readonly Result[], kind: Kind): string[] {
  return [...new Set(ofKind(results, kind).map(({ subject }) => subject.name))];
}

function throughputCell(results: readonly Result[], name: string, sizeBytes: number): string {
  const result = ofKind(results, 'throughput').find(
    ({ subject }) => subject.name === name && subject.sizeBytes === sizeBytes,
  );
  if (!result) return '';
  if (result.samples.length === 0) return 'FAILED';
  const rates = result.samples.map(messagesPerSecond);
  return `${engineering(median(rates))} (${engineering(Math.min(...rates))}..${engineering(Math.max(...rates))})`;
}

export function engineering(value: number): string {
  const [scaled, unit] = value >= 1e6 ? [value / 1e6, 'M'] : value >= 1e3 ? [value / 1e3, 'k'] : [value, ''];
  return `${scaled.toPrecision(3)}${unit}`;
}

function microseconds(ns: number): string {
  const us = ns / 1000;
  return us >= 100 ? us.toFixed(0) : us >= 10 ? us.toFixed(1) : us.toFixed(2);
}
