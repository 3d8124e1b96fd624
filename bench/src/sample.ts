import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Case } from './case.ts';
import { ChildGroup, type Cores } from './child-group.ts';
import { follow } from './follow.ts';
import type { Percentiles } from './gap-recorder.ts';
import { removeFiles } from './sample-files.ts';

/** What the processes of one sample measured. */
export interface Measurement {
  readonly messages: number;
  /** Throughput cases: nanoseconds in which the consumer took in `messages`. */
  readonly elapsedNs?: number;
  readonly roundTripNs?: Percentiles;
  /** What one reading of the clock cost there, already taken off the round trips. */
  readonly clockNs?: number;
  /** Broadcasts: processor time of the producer a message, without what it waited for room. */
  readonly producerNs?: number;
  /** The time was over before it was through: `messages` is what came until then. */
  readonly stalled?: boolean;
}

const watchdogMs = 30_000;
let samples = 0;

/** Runs one case once, in fresh processes. @throws when a process crashes or hangs, or a message arrives wrong */
export async function takeSample(
  subject: Case,
  messages: { warmup: number; measured: number },
  directory: string,
  cores: Cores | undefined,
): Promise<Measurement> {
  const path = join(directory, String(samples++));
  const group = new ChildGroup(cores, watchdogMs / 1000);
  const watchdog = delay(watchdogMs, undefined, { ref: false }).then(() => {
    throw new Error(`no end after ${watchdogMs / 1000} s`);
  });
  try {
    const lines = await Promise.race([runProcesses(group, subject, messages, path), watchdog]);
    return readReport(subject, lines, messages.measured);
  } finally {
    group.kill();
    removeFiles(path);
  }
}

async function runProcesses(
  group: ChildGroup,
  { program, variant, sizeBytes }: Case,
  { warmup, measured }: { warmup: number; measured: number },
  path: string,
): Promise<string[]> {
  const command = (role: string): string[] => [
    ...program.command,
    ...[variant, role, path, sizeBytes, warmup, warmup + measured].map(String),
  ];
  const outputs: Promise<string[]>[] = [];
  if (program.start === 'pair') {
    const consumer = group.start('consumer', command('consumer'));
    const { ready, output } = follow(consumer);
    outputs.push(output);
    // Its end comes first only when it failed, and then says why.
    await Promise.race([ready, output]);
  }
  outputs.push(follow(group.start('producer', command('producer'))).output);
  return (await Promise.all(outputs)).flat();
}

interface Report extends Partial<Measurement> {
  readonly faults: number;
}

function readReport(subject: Case, lines: readonly string[], messages: number): Measurement {
  const wanted = subject.kind === 'roundTrip' ? 'roundTripNs' : 'elapsedNs';
  const report = lines.map((line) => JSON.parse(line) as Report).find((candidate) => candidate[wanted]);
  if (!report) throw new Error('ended without a result');
  const { faults, ...measurement } = report;
  if (faults > 0) throw new Error(`${faults} messages arrived damaged or out of order`);
  return { messages, ...measurement };
}
