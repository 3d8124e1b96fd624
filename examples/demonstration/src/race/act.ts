// Act 2. A race: the same messages, written and checked in the same way, over rings and over what Node.js has itself.
import { availableParallelism, cpus } from 'node:os';
import { print, printHeading, printVerdict, TablePrinter } from '../screen.ts';
import type { Stage } from '../stage.ts';
import { grouped } from '../units.ts';
import type { Reception } from './arrivals.ts';
import { type Contestant, ONE_WAY, ROUND_TRIP } from './contestants.ts';
import { runHeat } from './heat.ts';
import type { Duration } from './heat-arguments.ts';
import type { Journey } from './round-trips.ts';
import { oneWayTable, roundTripTable, type Standing } from './standings.ts';

/** @returns whether every message arrived once, in order and whole, whatever it travelled on. */
export async function playRace(stage: Stage, quick: boolean): Promise<boolean> {
  printHeading('Act 2. A race of 64-byte messages, every byte checked by the receiver');
  const duration: Duration = quick ? { warmupMs: 20, measureMs: 80 } : { warmupMs: 200, measureMs: 600 };

  const receptions = await run<Reception & { sent: number }>(stage, ONE_WAY, duration, oneWayTable);
  const journeys = await run<Journey>(stage, ROUND_TRIP, duration, roundTripTable);
  printConditions(duration);

  const sent = sum(receptions.map((reception) => reception.sent));
  const received = sum(receptions.map((reception) => reception.received));
  const trips = sum(journeys.map((journey) => journey.trips));
  const faults = sum([...receptions, ...journeys].map((result) => result.faults));
  const agreed = faults === 0 && receptions.every((reception) => reception.sent === reception.received);
  const words = agreed
    ? `${grouped(received + 2 * trips)} messages arrived, each once, whole and in order`
    : `${grouped(sent)} sent, ${grouped(received)} received; ${grouped(faults)} times not the message expected`;
  printVerdict(agreed, words);
  return agreed;
}

/** Lets the contestants run one after the other, each with the machine to itself. */
async function run<Result>(
  stage: Stage,
  contestants: readonly Contestant[],
  duration: Duration,
  table: (standings: readonly Standing<Result>[]) => string,
): Promise<Result[]> {
  const standings: Standing<Result>[] = contestants.map((contestant) => ({ contestant }));
  const printed = new TablePrinter(() => table(standings));
  const results: Result[] = [];
  for (const standing of standings) {
    standing.result = await runHeat<Result>(stage, standing.contestant, duration, (count) => {
      standing.running = count;
      printed.show();
    });
    results.push(standing.result);
    printed.rowDone();
  }
  printed.end();
  return results;
}

function printConditions({ measureMs }: Duration): void {
  const machine = `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'processor'}`;
  print(`On ${machine}, Node.js ${process.version}, measured for ${measureMs / 1000} s each.`);
  print('Ratios vary with the machine; on a busy one, who spins or polls is in the way.');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
