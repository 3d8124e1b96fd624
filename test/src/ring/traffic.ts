import { Random } from '../support/random.ts';

/*
 * Messages that can be recognised: message n of a seed has a length, a type and contents that follow from the two, so
 * that a reader can tell whether it got the right one, whole, without having been told anything.
 */

/** What a message is checked for besides its place in the order. */
export interface Traffic {
  readonly seed: number;
  readonly maxLength: number;
}

/** Length of message `n`: mostly short, sometimes up to the longest. */
export function lengthOf({ seed, maxLength }: Traffic, n: number): number {
  const random = new Random(seed ^ Math.imul(n + 1, 0x9e3779b1));
  return random.chance(0.8) ? random.below(Math.min(maxLength, 100) + 1) : random.below(maxLength + 1);
}

/** Number that travels as the type of message `n`. */
export function typeOf(n: number): number {
  return n | 0;
}

/** Writes the contents of message `n`. */
export function fill(into: Uint8Array, offset: number, length: number, { seed }: Traffic, n: number): void {
  let state = Math.imul(n ^ seed, 0x85ebca6b) | 1;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 0x915f77f5) + 0x2545f491;
    into[offset + i] = state >>> 24;
  }
}

/** The contents of message `n`. */
function contentsOf(traffic: Traffic, n: number): Uint8Array {
  const bytes = new Uint8Array(lengthOf(traffic, n));
  fill(bytes, 0, bytes.length, traffic, n);
  return bytes;
}

/** What is wrong with what should be message `n`, or undefined. */
export function fault(
  from: Uint8Array,
  offset: number,
  length: number,
  type: number,
  traffic: Traffic,
  n: number,
): string | undefined {
  if (type !== typeOf(n)) return `message ${type} came where ${typeOf(n)} was due`;
  const due = lengthOf(traffic, n);
  if (length !== due) return `message ${n} has ${length} bytes instead of ${due}`;
  const right = contentsOf(traffic, n);
  for (let i = 0; i < length; i++)
    if (from[offset + i] !== right[i]) return `message ${n} of ${length} bytes is wrong at byte ${i}`;
  return undefined;
}
