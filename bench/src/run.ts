import { type Case, label, shapeLabel } from './case.ts';
import type { Cores } from './child-group.ts';
import type { Disturbance, DisturbanceMeter } from './disturbance.ts';
import { takeGroupSample } from './group-sample.ts';
import { RunLengths } from './run-length.ts';
import { type Measurement, takeSample } from './sample.ts';
import { shuffled } from './statistics.ts';

/** One sample that counts: one case, in one round. */
export interface Sample extends Measurement {
  readonly round: number;
  readonly disturbance: Disturbance;
  /** Whether no undisturbed one could be had: this is the least disturbed of several. */
  readonly disturbed: boolean;
}

export interface Result {
  readonly subject: Case;
  readonly samples: Sample[];
  failure?: string;
}

export interface RunOptions {
  readonly rounds: number;
  readonly sampleSeconds: number;
  readonly directory: string;
  readonly cores: Cores | undefined;
  readonly meter: DisturbanceMeter;
  readonly say: (line: string) => void;
}

const attempts = 4;
const calibrationShares = [1, 0.25];

/**
 * Runs every case once a round, in fresh processes. A round goes through the sizes and shapes in random order, and
 * through the cases of one in random order, so that what is compared with each other runs within the same few seconds.
 */
export async function run(cases: readonly Case[], options: RunOptions): Promise<Result[]> {
  const results = cases.map((subject): Result => ({ subject, samples: [] }));
  const lengths = new RunLengths(options.sampleSeconds);
  await options.meter.settle();
  for (const [index, result] of results.entries()) {
    options.say(`calibrating, ${index + 1}/${results.length}: ${label(result.subject)}`);
    await calibrate(result, lengths, options);
  }
  for (let round = 1; round <= options.rounds; round++) {
    const order = shuffled(blocks(results)).flatMap((block) => shuffled(block));
    for (const [index, result] of order.entries()) {
      options.say(`round ${round}/${options.rounds}, ${index + 1}/${order.length}: ${label(result.subject)}`);
      await measure(result, round, lengths, options);
    }
  }
  return results;
}

function blocks(results: readonly Result[]): Result[][] {
  const bySize = new Map<string, Result[]>();
  for (const result of results) {
    const { kind, sizeBytes, shape } = result.subject;
    // What a broadcast costs with one consumer is compared with what it costs with four.
    const key = [kind, sizeBytes, shape && kind !== 'broadcast' ? shapeLabel(shape) : ''].join(' ');
    bySize.set(key, [...(bySize.get(key) ?? []), result]);
  }
  return [...bySize.values()];
}

/** What takes a sample of a case. */
function taker({ shape }: Case): typeof takeSample {
  return shape ? takeGroupSample : takeSample;
}

async function calibrate(result: Result, lengths: RunLengths, options: RunOptions): Promise<void> {
  const { directory, cores, meter, sampleSeconds } = options;
  const { subject } = result;
  try {
    for (const share of calibrationShares) {
      await meter.quiet();
      const measurement = await taker(subject)(subject, lengths.counts(subject, share), directory, cores);
      lengths.learn(subject, measurement);
      // A second try would tell nothing new: of what is this slow, the first was no shorter than a sample.
      if (subject.shape && (measurement.elapsedNs ?? 0) > (sampleSeconds / 3) * 1e9) return;
    }
  } catch (error) {
    result.failure = error instanceof Error ? error.message : String(error);
  }
}

async function measure(result: Result, round: number, lengths: RunLengths, options: RunOptions): Promise<void> {
  const { meter, directory, cores } = options;
  const { subject } = result;
  if (result.failure) return;
  let best: Sample | undefined;
  let worthTrying = true;
  for (let attempt = 0; attempt < attempts && worthTrying; attempt++) {
    const quiet = await meter.quiet();
    const watch = meter.start();
    try {
      const measurement = await taker(subject)(subject, lengths.counts(subject), directory, cores);
      const disturbance = watch.stop();
      const sample = { ...measurement, round, disturbance, disturbed: meter.isDisturbed(disturbance) };
      if (!best || !sample.disturbed || meter.severity(disturbance) < meter.severity(best.disturbance)) best = sample;
      worthTrying = sample.disturbed && quiet && !sample.stalled;
    } catch (error) {
      result.failure = error instanceof Error ? error.message : String(error);
      worthTrying = false;
    }
  }
  if (!best) return;
  result.samples.push(best);
  lengths.learn(subject, best);
}
