import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { DROP_IN, node, temporaryFolder } from './harness.ts';

const USE = 'console.log(mmap.map(3, mmap.PROT_READ, mmap.MAP_SHARED, fs.openSync(process.argv[1], "r")).toString());';

const IMPORTS = {
  'import mmap from': ['module', `import fs from 'node:fs'; import mmap from '${DROP_IN}';`],
  'import * as mmap from': ['module', `import fs from 'node:fs'; import * as mmap from '${DROP_IN}';`],
  'import { map, ... } from': [
    'module',
    `import fs from 'node:fs'; import { map, PROT_READ, MAP_SHARED } from '${DROP_IN}'; const mmap = { map, PROT_READ, MAP_SHARED };`,
  ],
  'const mmap = require()': ['commonjs', `const fs = require('node:fs'); const mmap = require('${DROP_IN}');`],
  // What TypeScript and Babel make of `import mmap from` in CommonJS.
  'an interop default import in CommonJS': [
    'commonjs',
    `const fs = require('node:fs'); const raw = require('${DROP_IN}'); const mmap = (raw.__esModule ? raw : { default: raw }).default;`,
  ],
} as const;

test.each(Object.entries(IMPORTS))('%s', (_name, [type, code]) => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'file');
  writeFileSync(path, 'yes, and more');
  const { stdout, stderr, status } = node([
    '--disable-warning=ExperimentalWarning', // require() of an ES module, on older lines
    `--input-type=${type}`,
    '--eval',
    code + USE,
    path,
  ]);
  expect({ stdout, stderr, status }).toEqual({ stdout: 'yes\n', stderr: '', status: 0 });
});
