import fc from 'fast-check';
import type { Deed } from './model.ts';

/** What is asked of a length, before it is known what the longest is. */
export type Length = { readonly bytes: number } | { readonly share: number } | { readonly less: number };

/** That length, where `max` is the longest; may be negative or too long. */
export function lengthFor(length: Length, max: number): number {
  if ('bytes' in length) return length.bytes;
  return 'share' in length ? Math.floor((max * length.share) / 32) : max - length.less;
}

/** How a ring begins. */
export interface Shape {
  readonly capacityBytes: number;
  readonly startPosition: number;
  readonly named: boolean;
  readonly checksums: boolean;
  /** Both ends. Only for a ring with checksums. */
  readonly recover: boolean;
}

/** One call. */
export type Step =
  | { readonly do: 'claim' | 'write'; readonly length: Length; readonly type: number }
  | { readonly do: 'write text'; readonly text: string; readonly type: number }
  | { readonly do: 'poll'; readonly limit: number; readonly deeds: readonly Deed[] }
  | { readonly do: 'room'; readonly length: Length }
  | { readonly do: 'commit' | 'abort' | 'end' | 'read' | 'wait' | 'ended' | 'look' }
  | { readonly do: 'new producer' | 'new consumer' | 'reopen' };

/** A length that is short, so many parts in 32 of the longest, or close to it. */
const length = fc.oneof(
  { weight: 4, arbitrary: fc.record({ bytes: fc.nat(64) }) },
  { weight: 2, arbitrary: fc.record({ share: fc.nat(32) }) },
  { weight: 1, arbitrary: fc.record({ less: fc.integer({ min: -9, max: 16 }) }) },
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.array(fc.integer({ min: 0xd700, max: 0xe010 }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
);
const type = fc.oneof(fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
const deed = fc.constantFrom<Deed>(
  ...(['continue', 'nothing', 'continue', 'nothing', 'commit', 'commit', 'reply', 'break', 'abort', 'throw'] as const),
  'close',
);
const limit = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(6));

/** One call. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('claim' as const), length, type }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), length, type }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('write text' as const), text, type }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('abort' as const, 'end' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('poll' as const), limit, deeds: fc.array(deed, { maxLength: 8 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('room' as const), length }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('wait' as const, 'ended' as const, 'look' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('new producer' as const, 'new consumer' as const, 'reopen' as const) }),
  },
);

/** How a ring begins. */
export const shape: fc.Arbitrary<Shape> = fc.record({
  capacityBytes: fc.constantFrom(4096, 4096, 4096, 8192, 16384, 65536),
  startPosition: fc
    .tuple(fc.constantFrom(0, 2 ** 31, 2 ** 32), fc.integer({ min: -1000, max: 1000 }))
    .map(([near, away]) => (near + 8 * away + 2 ** 32) % 2 ** 32),
  named: fc.boolean(),
  checksums: fc.boolean(),
  recover: fc.boolean(),
});
