import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { PAGE } from './case.ts';
import { DROP_IN, nodeJson, ORIGINAL, programPath, temporaryFolder, whyNoOriginal } from './harness.ts';

const COUNT = 5000;
const FILE_KIB = 256;

const reason = whyNoOriginal();
if (reason !== null) test.skip(`the original beside it, which does not load: ${reason}`, () => {});

test.each([DROP_IN, ...(reason === null ? [ORIGINAL] : [])])(
  `%s: of ${COUNT} mappings none is left after garbage collection`,
  (specifier) => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'file');
    writeFileSync(path, Buffer.alloc(FILE_KIB * 1024 - PAGE / 2));
    const result = nodeJson<{ checksum: number; whileHeld: number; afterwards: number; grownKib: number }>(
      '--expose-gc',
      programPath('mmap-io-collect'),
      specifier,
      path,
      String(COUNT),
    );
    expect(result).toMatchObject({ checksum: COUNT + 1, afterwards: 0 });
    // One more where the first mapping, which warmed the process up, has not been freed yet.
    expect([COUNT, COUNT + 1]).toContain(result.whileHeld);
    // A reservation that outlived its pages would show here: all of them together are 1.2 GiB.
    // Half, for a thread that V8 starts meanwhile brings an arena of 64 MiB along.
    expect(result.grownKib).toBeLessThan((COUNT * FILE_KIB) / 2);
  },
);

test('threads of one process map for themselves and lend each other their buffers', () => {
  using folder = temporaryFolder();
  expect(nodeJson(programPath('mmap-io-worker'), folder.path)).toEqual({
    seen: 'own.lent..',
    here: 'own.lent..',
    file: 'own.lent..',
  });
});

test('a mapping that the kernel takes back half-way leaves no hole for V8 to unmap', () => {
  expect(nodeJson(programPath('mmap-io-late-refusal'))).toEqual({
    message: 'mmap failed, 19',
    refused: true,
    covered: true,
  });
});
