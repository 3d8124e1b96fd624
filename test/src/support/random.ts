import { randomBytes } from 'node:crypto';

/** Repeatable random numbers (mulberry32): the same seed, the same run. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** An integer in [0, 2^32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }

  /** An integer in [min, max]. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }
}

/** The seed of this run: MEMLANE_SEED, or a new one. */
export function chooseSeed(): number {
  const given = process.env.MEMLANE_SEED;
  return given === undefined ? randomBytes(4).readUInt32LE() : Number(given);
}

/**
 * Runs a randomized test; when it fails, the message says with which seed.
 *
 * @example
 * test('anything', () => withSeed(async (random) => { ... }));
 */
export async function withSeed<Result>(run: (random: Random) => Result | Promise<Result>): Promise<Result> {
  const seed = chooseSeed();
  try {
    return await run(new Random(seed));
  } catch (error) {
    // Not a new error: Jest shows the difference between values from the properties of its own.
    if (error instanceof Error || (error as Error)?.message !== undefined) {
      const failure = error as Error;
      failure.message += `\n\nRepeat with MEMLANE_SEED=${seed}`;
      failure.stack = `${failure.stack}\n\nRepeat with MEMLANE_SEED=${seed}`;
    }
    throw error;
  }
}
