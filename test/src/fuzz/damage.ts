import type { Random } from '../support/random.ts';

/** One byte of a file, and what it becomes. */
export interface Damage {
  readonly offset: number;
  readonly value: number;
}

/** Ways to spoil a byte. */
export const WAYS = ['flipped', 'zeroed', 'filled', 'random'] as const;
export type Way = (typeof WAYS)[number];

/** The byte at `offset`, spoiled. It may turn out as it was. */
export function spoil(bytes: Uint8Array, offset: number, way: Way, random: Random): Damage {
  const was = bytes[offset] as number;
  if (way === 'flipped') return { offset, value: was ^ (1 << random.below(8)) };
  if (way === 'zeroed') return { offset, value: 0 };
  return { offset, value: way === 'filled' ? 0xff : random.below(256) };
}

/** A whole field that becomes something which is likely to be mistaken for right, or for nothing. */
export function lie(bytes: Buffer, offset: number, type: string, random: Random): Damage[] {
  const lied = Buffer.alloc(type === 'f64' ? 8 : 4);
  if (type === 'f64') {
    const was = bytes.readDoubleLE(offset);
    lied.writeDoubleLE(
      random.pick([0, -0, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 2 ** 53]) +
        random.pick([0, was, was + 1, was - 4096, was + 4096, 0.5]),
    );
  } else {
    const was = bytes.readInt32LE(offset);
    const far = random.pick([0, 1, 2, -1, 2 ** 31, 2 ** 30, 8, 16, -8, 4096, -4096, 8192, 7, random.next()]);
    lied.writeInt32LE((random.chance(0.5) ? far : was + far) | 0);
  }
  return [...lied].map((value, index) => ({ offset: offset + index, value }));
}

/** A copy of the bytes with the damage done. */
export function damaged(bytes: Buffer, damages: readonly Damage[]): Buffer {
  const copy = Buffer.from(bytes);
  for (const { offset, value } of damages) copy[offset] = value;
  return copy;
}

/** Whether the damage leaves everything as it was. */
export function isHarmless(bytes: Uint8Array, damages: readonly Damage[]): boolean {
  return damages.every(({ offset, value }) => bytes[offset] === value);
}
