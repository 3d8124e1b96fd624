import { ok, strictEqual } from 'node:assert';
import { join } from 'node:path';
import { createRing, openRing, type Ring } from 'memlane';
import { CAPACITY } from '../conformance/bed.ts';

/** What a case of refusal gets: an empty folder of its own. */
export interface Place {
  readonly folder: string;
  /** A path in it. */
  readonly path: string;
}

/** One thing that is refused, and how. */
export interface Refusal {
  readonly name: string;
  readonly run: (place: Place) => void | Promise<void>;
}

/** A new ring at a path, closed again. */
export function newRing(path: string, startPosition = 0): string {
  createRing(path, { capacityBytes: CAPACITY, startPosition }).close();
  return path;
}

export function placeIn(folder: string): Place {
  return { folder, path: join(folder, 'orders.ring') };
}

/** What every error has that memlane throws. */
export interface NamedError {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly path?: string;
  readonly field?: string;
}

/** Checks that `action` throws one error of memlane with that code, that it says what to do, and holds those words. */
export function refused(code: string, action: () => unknown, ...words: readonly string[]): NamedError {
  let error: NamedError | undefined;
  try {
    const made = action();
    if (made !== undefined && made !== null && typeof made === 'object' && Symbol.dispose in made)
      (made as Disposable)[Symbol.dispose]();
  } catch (thrown) {
    error = thrown as NamedError;
  }
  if (error === undefined) throw new Error(`not refused, though ${code} was due`);
  strictEqual(error.code, code, `${error.code}: ${error.message}`);
  strictEqual(error.name, code.startsWith('ERR_MEMLANE_') ? 'MemlaneError' : 'LinuxError');
  ok(typeof error.remedy === 'string' && error.message.endsWith(error.remedy), `no remedy: ${error.message}`);
  for (const word of words) ok(error.message.includes(word), `'${word}' is missing in: ${error.message}`);
  return error;
}

/** Checks that a ring can be used: both places taken, a message passed. */
export function works(ring: Ring): void {
  using producer = ring.producer();
  using consumer = ring.consumer();
  consumer.poll(() => {});
  ok(producer.tryWrite('still works'));
  strictEqual(consumer.tryRead()?.data.toString(), 'still works');
}

export function worksAt(path: string): void {
  using ring = openRing(path);
  works(ring);
}
