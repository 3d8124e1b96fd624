import { FIELD_BYTES } from '@memlane/core';
import fc from 'fast-check';
import { Region, type Ring } from 'memlane';
import { CAPACITY } from '../ring/conformance/bed.ts';
import {
  CONSUMER,
  cursor,
  dataOffset,
  lane,
  locate,
  type Placed,
  PRODUCER,
  ringHeader,
  slot,
  superblock,
} from '../ring/ring-bytes.ts';
import type { Random } from '../support/random.ts';

/** What a hostile peer does to the file at one instant. */
export type Lie =
  | { readonly of: 'position'; readonly word: number; readonly shift: number }
  | { readonly of: 'word'; readonly word: number; readonly value: number }
  | { readonly of: 'length'; readonly ahead: number; readonly value: number };

const POSITIONS: readonly number[] = [locate(lane, 'published').offset >> 2, locate(cursor, 'consumed').offset >> 2];
const [PUBLISHED, CONSUMED] = POSITIONS as [number, number];

/** Every word that a descriptor names, the positions left out. */
const WORDS: readonly number[] = [superblock, ringHeader, slot(PRODUCER), slot(CONSUMER), lane, cursor]
  .flatMap(wordsOf)
  .filter((word) => !POSITIONS.includes(word));
/** Those that are looked at all the time. */
const BUSY_WORDS: readonly number[] = [slot(PRODUCER), slot(CONSUMER)]
  .flatMap((placed) => ['generation', 'parked', 'bell', 'state'].map((name) => locate(placed, name).offset >> 2))
  .concat(locate(lane, 'ended').offset >> 2, locate(lane, 'tail').offset >> 2);

function wordsOf(placed: Placed): number[] {
  return Object.entries(placed.descriptor.fields).flatMap(([name, { type }]) =>
    Array.from({ length: FIELD_BYTES[type] / 4 }, (_, part) => (locate(placed, name).offset >> 2) + part),
  );
}

const SHIFTS = [-8, 8, 16, -16, 4, 1, CAPACITY, -CAPACITY, CAPACITY + 8, -CAPACITY - 8, 2 ** 31, 2 ** 30] as const;
const LENGTHS = [0, 1, 8, 100, CAPACITY - 8, CAPACITY, CAPACITY + 1, -1, -8, 2 ** 31 - 1, -(2 ** 31)] as const;
/** Bits 1 and 0: asleep, in a thread or in the event loop. */
const VALUES = [0, 1, 2, 3, 4, 6, 7, -1, -2, 2 ** 31 - 1, -(2 ** 31), 0x7ff80000] as const;

const shift = fc.oneof(fc.constantFrom(...SHIFTS), fc.integer({ min: -CAPACITY, max: CAPACITY }), fc.integer());
const value = fc.oneof(fc.constantFrom(...VALUES), fc.integer());
const word = fc.oneof(fc.constantFrom(...BUSY_WORDS), fc.constantFrom(...WORDS));

/** Lies for property tests. */
export const lies: fc.Arbitrary<Lie> = fc.oneof(
  fc.record({ of: fc.constant('position' as const), word: fc.constantFrom(...POSITIONS), shift }),
  fc.record({ of: fc.constant('word' as const), word, value }),
  fc.record({
    of: fc.constant('length' as const),
    ahead: fc.nat(12),
    value: fc.oneof(fc.constantFrom(...LENGTHS), fc.integer()),
  }),
);

/** A lie for whoever lies as fast as it can. */
export function someLie(random: Random): Lie {
  const kind = random.below(8);
  if (kind === 0) {
    const shift = random.chance(0.7) ? random.pick(SHIFTS) : random.next() | 0;
    return { of: 'position', word: random.pick(POSITIONS), shift };
  }
  if (kind < 4) {
    const chosen = random.pick(random.chance(0.7) ? BUSY_WORDS : WORDS);
    return { of: 'word', word: chosen, value: random.chance(0.7) ? random.pick(VALUES) : random.next() | 0 };
  }
  return {
    of: 'length',
    ahead: random.below(40),
    value: random.chance(0.8) ? random.pick(LENGTHS) : random.next() | 0,
  };
}

/** A mapping of a ring file, to write anything anywhere in it. */
export class Liar implements Disposable {
  readonly #region: Region;
  readonly #words: Int32Array;
  #truth: Int32Array;

  constructor(region: Region) {
    this.#region = region;
    this.#words = new Int32Array(region.buffer, 0, region.length >> 2);
    this.#truth = this.#words.slice(0, dataOffset >> 2);
  }

  /** A liar about a ring of this process. */
  static about(ring: Ring): Liar {
    const { path, anonymous, identity, access } = ring.descriptor();
    const length = dataOffset + ring.capacityBytes;
    const place = { offset: 0, length, maxLength: length, mirror: 0 };
    return new Liar(Region.attach({ type: 'memlane.region', path, anonymous, identity, access, ...place }));
  }

  tell(lie: Lie): void {
    const words = this.#words;
    if (lie.of === 'position') words[lie.word] = ((words[lie.word] as number) + lie.shift) | 0;
    else if (lie.of === 'word') words[lie.word] = lie.value;
    else {
      const index = ((words[CONSUMED] as number) + 8 * lie.ahead) & (CAPACITY - 1) & -8;
      words[(dataOffset + index) >> 2] = ~lie.value;
    }
  }

  /** Makes the head what it was, the ring empty at any position, and the generations go on from where they are. */
  repent(position: number): void {
    for (const word of WORDS) if (!BUSY_WORDS.includes(word)) this.#words[word] = this.#truth[word] as number;
    this.#words[CONSUMED] = this.#words[PUBLISHED] = position & -8;
  }

  [Symbol.dispose](): void {
    this.#region.close();
  }
}
