import { once } from 'node:events';
import { exit, stdin } from 'node:process';
import type { Shape } from './case.ts';
import { print, printReady } from './role.ts';

/** What one program of a topology is told on its command line; the native ones take the same (native/group.h). */
export interface GroupRole extends Shape {
  readonly variant: string;
  readonly produces: boolean;
  /** Where this sample may create files: a prefix of its own. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Messages of each producer before measuring starts. */
  readonly warmup: number;
  /** All messages of each producer, those of the warm-up included. */
  readonly count: number;
  /** Which of the producers, or of the consumers, this is: consumer 0 makes what the others open. */
  readonly index: number;
  /** After which the sample counts as stalled. */
  readonly limitSeconds: number;
}

/** Tells a consumer of a work queue that it has seen the last message: there is one for each. */
export const END_MARK: number = -1;

export function parseGroupRole(argv: readonly string[] = process.argv.slice(2)): GroupRole {
  const [variant, role, path, ...numbers] = argv;
  const [sizeBytes, warmup, count, index, producers, consumers, limitSeconds] = numbers.map(Number);
  const produces = role === 'producer';
  return { variant, produces, path, sizeBytes, warmup, count, index, producers, consumers, limitSeconds };
}

/** The command line of another member of the same group, for a program that starts it itself. */
export function memberArguments(role: GroupRole, produces: boolean, index: number): string[] {
  const { variant, path, sizeBytes, warmup, count, producers, consumers, limitSeconds } = role;
  const numbers = [sizeBytes, warmup, count, index, producers, consumers, limitSeconds];
  return [variant, produces ? 'producer' : 'consumer', path, ...numbers.map(String)];
}

/** What a message carries to be known by: the producers take turns in the numbers. */
export function stampOf({ producers, index }: GroupRole, sequence: number): number {
  return sequence * producers + index;
}

/** Says that this member is attached; resolves when all are. */
export async function awaitGo(): Promise<void> {
  printReady();
  await awaitLine();
}

/** Says that this producer of a work queue has sent everything. */
export function printSent(): void {
  print('sent');
}

/** Resolves when every producer has: for producer 0, which then sends the end marks. */
export async function awaitAllSent(): Promise<void> {
  printSent();
  await awaitLine();
}

/** Resolves when nobody needs this member any more. */
export async function awaitEnd(): Promise<void> {
  await once(stdin.resume(), 'end');
}

async function awaitLine(): Promise<void> {
  // The end instead of a line: the runner is gone.
  const gone = (): never => exit(3);
  stdin.once('end', gone);
  await once(stdin.resume(), 'data');
  stdin.pause().off('end', gone);
}
