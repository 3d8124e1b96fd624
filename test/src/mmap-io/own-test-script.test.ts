import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { node, ORIGINAL, packageFolder, programPath, temporaryFolder, whyNoOriginal } from './harness.ts';

/** The script that `npm test` of mmap-io runs; the package ships it. It checks files of 4 KiB pages. */
const script = join(packageFolder, 'node_modules', ORIGINAL, 'dist', 'test.js');
const reason = existsSync(script) ? whyNoOriginal() : 'the package is not installed';

(existsSync(script) ? test : test.skip)('the test script of mmap-io passes over the drop-in', () => {
  const { output, errors } = run('--import', programPath('mmap-io-redirect'));
  // Without this line the script would have tested the original.
  expect(errors).toContain('mmap-io is the drop-in');
  expectPassed(output);
});

(reason === null ? test : test.skip)(`and over mmap-io itself${reason === null ? '' : `: ${reason}`}`, () => {
  const { output, errors } = run();
  expect(errors).toBe('');
  expectPassed(output);
});

function run(...options: string[]): { output: string; errors: string } {
  using folder = temporaryFolder();
  const { status, stdout, stderr } = node([...options, script], { cwd: folder.path });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  expect(readdirSync(folder.path)).toEqual([]);
  return { output: stdout, errors: stderr };
}

/** The script only prints some of its failures, so success is read from what it prints. */
function expectPassed(output: string): void {
  expect(output.match(/^.*(?:fucked up|Shit happened|Failed to remove).*$/gm)).toBeNull();
  expect(output.match(/^.*caught deliberate exception: .*$/gm)).toEqual([
    'Pass faulty arg - caught deliberate exception: mmap: size (arg[0]) must be an integer',
    'Pass zero size - caught deliberate exception: mmap failed, 22',
    'Pass wrong page-size as offset - caught deliberate exception: mmap failed, 22',
    'Pass faulty arg to advise() - caught deliberate exception: advice(): (arg[1]) must be an integer',
  ]);
  expect(output).toContain('Write/read verification seemed to work out');
  expect(output).toContain('4. Does explicit sync with no additional arguments');
  expect(output.trimEnd().endsWith('All done')).toBe(true);
}
