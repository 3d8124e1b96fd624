import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Case, Shape } from './case.ts';
import { ChildGroup, type Cores } from './child-group.ts';
import { type Followed, follow } from './follow.ts';
import type { IntakeReport } from './intake.ts';
import { expectEachOnce, measureIntakes } from './measure-intakes.ts';
import type { Measurement } from './sample.ts';
import { removeFiles } from './sample-files.ts';

type RoleName = 'producer' | 'consumer';

/** What a native consumer is given to take everything in. One that waits in ticket order may need hours. */
export const limitSeconds: number = 3;
const watchdogMs = 30_000;
let samples = 0;

interface Member extends Followed {
  readonly child: ChildProcess;
}

/**
 * Runs a case of several producers and consumers once, in fresh processes: all attach, then all start; each message is
 * judged by whoever takes it in. A sample that is not through when its time is over counts as stalled, at the rate that it
 * came to until then.
 *
 * @throws when a process crashes or hangs, or a message arrives wrong, twice or not at all
 */
export async function takeGroupSample(
  subject: Case,
  { warmup, measured }: { warmup: number; measured: number },
  directory: string,
  cores: Cores | undefined,
): Promise<Measurement> {
  const { program, variant, sizeBytes, shape = { producers: 1, consumers: 1 } } = subject;
  const path = join(directory, `group-${samples++}`);
  const group = new ChildGroup(cores, watchdogMs / 1000);
  const each = (messages: number): number => Math.ceil(messages / shape.producers);
  const counts = { warmup: each(warmup), count: each(warmup) + each(measured) };
  const start = (role: RoleName, index: number): Member => {
    const numbers = [sizeBytes, counts.warmup, counts.count, index, shape.producers, shape.consumers, limitSeconds];
    const command = [...program.command, variant, role, path, ...numbers.map(String)];
    const child = group.startMember(program.start === 'group' ? place(subject, shape, role, index) : anywhere, command);
    child.stdin?.on('error', () => {}); // it has ended, and its output says why
    const followed = follow(child);
    // Those that nobody awaits any more, because another has failed or stalled, are ended below.
    followed.output.catch(() => {});
    return { child, ...followed };
  };
  const watchdog = delay(watchdogMs, undefined, { ref: false }).then(() => {
    throw new Error(`no end after ${watchdogMs / 1000} s`);
  });
  try {
    const lines = await Promise.race([runGroup(subject, shape, start), watchdog]);
    const reports = lines.map((line) => JSON.parse(line) as IntakeReport | { readonly producerNs: number });
    const intakes = reports.filter((report) => 'received' in report);
    const producerNs = reports.find((report) => 'producerNs' in report)?.producerNs;
    const measurement = measureIntakes(subject.kind, shape, counts, intakes);
    if (subject.kind === 'workQueue' && !measurement.stalled) expectEachOnce(path, counts.count * shape.producers);
    return { ...measurement, producerNs };
  } finally {
    group.kill();
    removeFiles(path);
    // What boost::interprocess names, where a program did not come to the point of taking the name away.
    rmSync(`/dev/shm/${basename(dirname(path))}.${basename(path)}`, { force: true });
  }
}

const anywhere: readonly RoleName[] = ['producer', 'consumer'];

/**
 * The cores of a member. One producer has its own, so that what it costs can be told from what its consumers do. Several
 * are dealt out over both, and the consumers run where there is room.
 */
function place({ kind }: Case, { producers }: Shape, role: RoleName, index: number): readonly RoleName[] {
  if (producers === 1 && (kind !== 'workQueue' || role === 'producer')) return [role];
  if (role === 'producer') return [index % 2 === 0 ? 'producer' : 'consumer'];
  return anywhere;
}

/** @returns the lines that all members printed */
async function runGroup(
  { kind, program }: Case,
  { producers, consumers }: Shape,
  start: (role: RoleName, index: number) => Member,
): Promise<string[]> {
  if (program.start !== 'group') return start('producer', 0).output;
  const takers = [start('consumer', 0)];
  await ready(takers);
  for (let index = 1; index < consumers; index++) takers.push(start('consumer', index));
  await ready(takers);
  const givers = Array.from({ length: producers }, (_, index) => start('producer', index));
  await ready(givers);
  for (const { child } of [...takers, ...givers]) child.stdin?.write('\n');

  const taken = Promise.all(takers.map(({ output }) => output));
  const failed = Promise.all(givers.map(({ output }) => output)).then(() => new Promise<never>(() => {}));
  if (kind === 'workQueue') {
    await Promise.race([Promise.all(givers.map(({ sent }) => sent)), taken, failed]);
    givers[0].child.stdin?.write('\n');
  }
  const lines = (await Promise.race([taken, failed])).flat();
  // Some producers stay for as long as their messages may need them.
  for (const { child } of givers) child.stdin?.end();
  // Those of a stalled sample may wait for each other for hours yet.
  if (lines.some((line) => line.includes('"stalled":true'))) return lines;
  return [...lines, ...(await Promise.all(givers.map(({ output }) => output))).flat()];
}

/** Resolves when all of them are attached. */
async function ready(members: readonly Member[]): Promise<void> {
  // The end of one comes first only when it failed, and then says why.
  await Promise.all(members.map((member) => Promise.race([member.ready, member.output])));
}
