// The two tables of the race, as far as they have got.
import Table from 'cli-table3';
import { isPretty, paint } from '../screen.ts';
import { grouped, magnitude, microseconds } from '../units.ts';
import type { Reception } from './arrivals.ts';
import type { Contestant } from './contestants.ts';
import type { Journey } from './round-trips.ts';

/** One row: what is known of one contestant. */
export interface Standing<Result> {
  readonly contestant: Contestant;
  /** Messages so far, while its heat is being run. */
  running?: number;
  result?: Result;
}

/** Columns by title and width. A fixed width keeps them in place while numbers come in. */
type Columns = Readonly<Record<string, number>>;

const ONE_WAY: Columns = { 'one way': 29, messages: 10, 'a second': 9, 'memlane is': 11 };
const ROUND_TRIP: Columns = { 'there and back': 19, times: 9, p50: 7, p99: 7, 'p99.9': 7, 'memlane is': 11 };

export function oneWayTable(standings: readonly Standing<Reception>[]): string {
  return render(ONE_WAY, standings, ({ received, perSecond }, comparison) => [
    grouped(received),
    magnitude(perSecond),
    comparison === undefined ? '' : times(comparison.perSecond / perSecond),
  ]);
}

export function roundTripTable(standings: readonly Standing<Journey>[]): string {
  return render(ROUND_TRIP, standings, ({ trips, p50us, p99us, p999us }, comparison) => [
    grouped(trips),
    microseconds(p50us),
    microseconds(p99us),
    microseconds(p999us),
    comparison === undefined ? '' : times(p50us / comparison.p50us),
  ]);
}

/** How many times faster memlane is. */
function times(ratio: number): string {
  const factor = Math.max(ratio, 1 / ratio);
  return `${factor.toFixed(factor < 10 ? 1 : 0)}× ${ratio > 1 ? 'faster' : 'slower'}`;
}

function render<Result>(
  columns: Columns,
  standings: readonly Standing<Result>[],
  cells: (result: Result, comparison: Result | undefined) => string[],
): string {
  const titles = Object.keys(columns);
  const table = new Table({
    head: titles.map((title) => paint('bold', title)),
    colAligns: titles.map((_, column) => (column === 0 ? 'left' : 'right')),
    colWidths: Object.values(columns).map((width) => (isPretty ? width + 2 : width)),
    ...(isPretty ? { style: { head: [], border: ['grey'], compact: true } } : PLAIN),
  });
  for (const { contestant, running, result } of standings) {
    const { name, comparedWith } = contestant;
    const comparison = standings.find((other) => other.contestant.name === comparedWith)?.result;
    const known = result === undefined ? [running === undefined ? '' : grouped(running)] : cells(result, comparison);
    table.push([name, ...known, ...titles.slice(known.length + 1).map(() => '')]);
  }
  return table.toString().replace(/ +$/gm, '');
}

/** Columns without any lines. */
const PLAIN = {
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  chars: {
    ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
    ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
    ...{ mid: '', 'mid-mid': '', 'left-mid': '', 'right-mid': '' },
    ...{ left: '', right: '', middle: '  ' },
  },
};
