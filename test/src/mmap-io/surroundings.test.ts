import { expect, test } from '@jest/globals';
import { nodeJson, programPath, temporaryFolder } from './harness.ts';

/** docs/mmap-io.md says the same in words. */
const REFUSED = ['WebCrypto, a view', 'a Web byte stream, a view', 'structuredClone with transfer'];

test('a mapped Buffer serves Node.js as any other, but for three refusals', () => {
  using folder = temporaryFolder();
  const results = nodeJson<Record<string, unknown>>(programPath('mmap-io-surroundings'), folder.path);
  const names = Object.keys(results);
  expect(names).toHaveLength(17);
  expect(results).toEqual(Object.fromEntries(names.map((name) => [name, REFUSED.includes(name) ? 'refused' : true])));
});
