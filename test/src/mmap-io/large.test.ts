import { expect, test } from '@jest/globals';
import { PAGE } from './case.ts';
import { nodeJson, programPath, temporaryFolder } from './harness.ts';

const GIB = 2 ** 30;

test('sizes and offsets past 2 GiB', () => {
  using folder = temporaryFolder();
  const { longestBuffer, ...results } = nodeJson<Record<string, unknown>>(programPath('mmap-io-large'), folder.path);
  expect(results).toEqual({
    window: [3 * PAGE, 'low', 'top'],
    three: [3 * GIB, 'low', 'top'],
    four: [4 * GIB, 'low', 'top'],
    // Node.js 20 has no Buffer longer than 4 GiB; from 22 on the address space is the limit.
    six: (longestBuffer as number) < 6 * GIB ? 'ERR_MEMLANE_TOO_LARGE' : [6 * GIB - 5, 'low', 'top'],
    unreachable: 'ENOMEM',
  });
});
