import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { node, packageFolder, temporaryFolder } from './harness.ts';

test('the example of docs/mmap-io.md runs and leaves nothing behind', () => {
  const page = readFileSync(join(packageFolder, '..', 'docs', 'mmap-io.md'), 'utf8');
  const examples = [...page.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  expect(examples).toHaveLength(1);
  using folder = temporaryFolder();
  const { stdout, stderr, status } = node(['--input-type=module', '--eval', examples[0]], {
    env: { ...process.env, TMPDIR: folder.path },
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  expect(stdout).toMatch(/^\[ \d+, \d+ \]\n$/);
  expect(readdirSync(folder.path)).toEqual([]);
});
