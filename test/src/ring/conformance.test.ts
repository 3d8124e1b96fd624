import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { cases } from './conformance/cases.ts';

// Close enough below the two places where positions wrap that every case, and most of their messages, cross them.
const starts = { 0: 0, 'just below 2^31': 2 ** 31 - 96, 'just below 2^32': 2 ** 32 - 96 };
const backings = ['a file in memory', 'an anonymous file', 'a file on disk'] as const;
const rings = backings.flatMap((backing) => Object.entries(starts).map(([from, start]) => ({ backing, from, start })));

describe.each(['one thread', 'worker threads', 'processes'] as const)('both ends in %s', (place) => {
  const outcomes = new Map<string, string | undefined>();
  let crash: unknown;

  // One run for all: to start two processes and a thread for each case would take longer than the cases.
  beforeAll(async () => {
    using memory = scratchFolder('memory');
    using disk = scratchFolder('disk');
    const media = rings.map(({ backing, start }) => {
      return { backing, start, folder: (backing === 'a file on disk' ? disk : memory).path };
    });
    await using program = new Program('ring-conformance', { place, media });
    try {
      await program.success(280_000);
    } catch (error) {
      crash = error;
    }
    type Outcome = { medium: number; name: string; failure?: string };
    for (const { medium, name, failure } of program.all<Outcome>('case')) outcomes.set(`${medium} ${name}`, failure);
  }, 300_000);
  afterAll(() => outcomes.clear());

  const here = cases.filter(({ places }) => places?.includes(place) !== false);
  describe.each(rings.map((ring, medium) => ({ ...ring, medium })))('in $backing, from $from', ({ medium }) => {
    test.each(here.map(({ name }) => name))('%s', (name) => {
      const key = `${medium} ${name}`;
      if (!outcomes.has(key)) throw crash ?? new Error('the case was not run');
      expect(outcomes.get(key)).toBeUndefined();
    });
  });
});
