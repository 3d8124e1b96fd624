import { describe, expect, test } from '@jest/globals';
import { Program } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';

const TRUNCATED = 'ERR_MEMLANE_TRUNCATED';

describe.each(['nothing', 'head', 'half'])('a ring whose file is cut to %s', (to) => {
  const run = async (scenario: string, seed = 0): Promise<[unknown, unknown]> => {
    using scratch = scratchFolder();
    await using program = new Program('guard-ring', { path: scratch.file('ring'), scenario, to, seed });
    await program.success();
    return [program.all('result')[0], program.all('iterated')[0]];
  };

  test('statistics are an error, not zeros', async () => {
    const [result] = await run('looking');
    expect(result).toEqual({ right: true, first: TRUNCATED, again: TRUNCATED });
  });

  test('commit throws and publishes nothing', async () => {
    const [result] = await run('writing');
    expect(result).toEqual({
      refused: TRUNCATED,
      again: TRUNCATED,
      published: 0,
      // The other end has lost the words that it looks at, or has nothing to look at.
      peer: to === 'nothing' ? TRUNCATED : 'nothing',
    });
  });

  test('reading ends with an error, and before it with nothing but what was written', async () => {
    const [result, iterated] = await run('reading');
    expect(result).toEqual({ some: to === 'half', fewer: true, wrong: 0, end: TRUNCATED, poll: TRUNCATED });
    expect(iterated).toEqual({ wrong: 0, end: TRUNCATED });
  });

  test('at any moment', () =>
    withSeed(async ({ seed }) => {
      const [result] = await run('at any moment', seed);
      expect(result).toEqual({ wrong: 0, much: true, ends: { [TRUNCATED]: 12 } });
    }));
});
