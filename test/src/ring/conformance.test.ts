import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { appliesTo, type Backing, type KindName, kinds } from './conformance/bed.ts';
import { cases } from './conformance/cases.ts';
import type { Place } from './places.ts';

// Close enough below the two places where positions wrap that every case, and most of their messages, cross them.
const starts = { 0: 0, 'just below 2^31': 2 ** 31 - 96, 'just below 2^32': 2 ** 32 - 96 };
const backings: readonly Backing[] = ['a file in memory', 'an anonymous file', 'a file on disk'];
const places: readonly Place[] = ['one thread', 'worker threads', 'processes'];

interface Medium {
  readonly kind: KindName;
  readonly backing: Backing;
  readonly from: string;
  readonly start: number;
}

/**
 * For one and one, in one thread, every backing from every start: how a file is mapped does not depend on where its positions
 * are. Everything else has each backing from one start, another one for each kind.
 */
function mediaOf(place: Place): Medium[] {
  const froms = Object.entries(starts);
  return (Object.keys(kinds) as KindName[]).flatMap((kind, shift) =>
    backings.flatMap((backing, index) =>
      froms
        .filter((_, at) => (place === 'one thread' ? kind === 'spsc' : at === (index + shift) % froms.length))
        .map(([from, start]) => ({ kind, backing, from, start })),
    ),
  );
}

const outcomes = new Map<string, string | undefined>();
const crashes = new Map<Place, unknown>();

// One run for all of a place: to start two processes and a thread for each case would take longer than the cases.
beforeAll(async () => {
  await Promise.all(places.map(runAll));
}, 400_000);
afterAll(() => outcomes.clear());

async function runAll(place: Place): Promise<void> {
  using memory = scratchFolder('memory');
  using disk = scratchFolder('disk');
  const media = mediaOf(place).map(({ kind, backing, start }) => {
    return { kind, backing, start, folder: (backing === 'a file on disk' ? disk : memory).path };
  });
  await using program = new Program('ring-conformance', { place, media });
  try {
    await program.success(380_000);
  } catch (error) {
    crashes.set(place, error);
  }
  type Outcome = { medium: number; name: string; failure?: string };
  for (const { medium, name, failure } of program.all<Outcome>('case'))
    outcomes.set(`${place} ${medium} ${name}`, failure);
}

describe.each(places)('both ends in %s', (place) => {
  const media = mediaOf(place).map((medium, index) => ({ ...medium, index }));
  describe.each(media)('$kind, in $backing, from $from', ({ kind, index }) => {
    const here = cases.filter((item) => appliesTo(item, place, kind));
    test.each(here.map(({ name }) => name))('%s', (name) => {
      const key = `${place} ${index} ${name}`;
      if (!outcomes.has(key)) throw crashes.get(place) ?? new Error('the case was not run');
      expect(outcomes.get(key)).toBeUndefined();
    });
  });
});
