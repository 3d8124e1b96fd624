import type { SharedBuffer } from 'memlane';
import type { Random } from '../support/random.ts';

/** How the references of a storm travel: with the sender's life, with another's, or by their message. */
export const WAYS = ['lend', 'to', 'consign'] as const;
export const CARRIER = 7;

/** Mostly small, now and then such as have their space reserved. */
export function lengthFor(random: Random): number {
  return random.chance(0.9) ? random.below(3000) : random.below(300_000);
}

/** By which a buffer is told from others that were in the same memory. */
export function seedOf({ chunk, generation }: SharedBuffer): number {
  return chunk * 31 + generation;
}
