// What every child program has: reports to the parent, and the sense to leave when the parent is gone.
import { writeSync } from 'node:fs';

/** One line of a child's standard output. */
export interface Report {
  /** It is attached, or listens: its partner may start. */
  readonly ready?: true;
  /** How far it is, in a unit of its own. */
  readonly progress?: number;
  /** What has just happened, in a shape that the act knows. */
  readonly event?: object;
  /** What it found. */
  readonly result?: object;
  /** Why it gives up, in words for the user. */
  readonly failure?: string;
}

const PROGRESS_MS = 100;

let progressAt = 0;

/** Synchronous, so that what a process has reported is with the parent whatever happens to the process next. */
export function report(fields: Report): void {
  writeSync(1, `${JSON.stringify(fields)}\n`);
}

/** Reports progress if the last time is long enough ago. @param now performance.now(), which the caller often has */
export function reportProgress(progress: number, now: number = performance.now()): void {
  if (now - progressAt < PROGRESS_MS) return;
  progressAt = now;
  report({ progress });
}

/** The longest that a blocking wait may last before {@link endIfOrphaned} is asked. */
export const PATIENCE_MS = 1000;

const parent = process.ppid;

/** Ends the process if its parent has died. An event loop asks by itself; a blocked thread has to. */
export function endIfOrphaned(): void {
  if (process.ppid !== parent) process.exit(1);
}

setInterval(endIfOrphaned, PATIENCE_MS).unref();
