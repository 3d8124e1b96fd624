import { execFileSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { env, execPath } from 'node:process';

/** Set by the runner where there are two cores to pin to; a program that starts its consumer itself pins it by this. */
export const consumerCoreVariable = 'MEMLANE_BENCH_CONSUMER_CORE';

/** The options that make `child_process.fork` start its child on the consumer's core. */
export function consumerLauncher(): { execPath?: string; execArgv?: string[] } {
  const core = env[consumerCoreVariable];
  return core === undefined ? {} : { execPath: 'taskset', execArgv: ['-c', core, execPath] };
}

/** Moves the calling thread, not its process, to the consumer's core. */
export function pinThisThread(): void {
  const core = env[consumerCoreVariable];
  if (core === undefined) return;
  const thread = readlinkSync('/proc/thread-self').split('/').at(-1) as string;
  execFileSync('taskset', ['-cp', core, thread], { stdio: 'ignore' });
}
