import { expect, test } from '@jest/globals';
import { assertPlatform, type PlatformFacts } from '@memlane/linux';
import { runProgram } from '../support/program.ts';
import { type PlainError, thrownBy } from '../support/speech.ts';

const supported: PlatformFacts = { platform: 'linux', arch: 'x64', endianness: 'LE', nodeVersion: '20.19.0' };

test.each<Partial<PlatformFacts>>([
  {},
  { arch: 'arm64' },
  { nodeVersion: '20.20.2' },
  { nodeVersion: '21.0.0' },
  { nodeVersion: '22.0.0-nightly20260101' },
  { nodeVersion: '100.0.0' },
])('runs on %p', (facts) => {
  assertPlatform({ ...supported, ...facts });
});

test.each<[Partial<PlatformFacts>, string]>([
  [{ platform: 'darwin' }, "platform 'darwin'"],
  [{ platform: 'win32' }, "platform 'win32'"],
  [{ platform: 'android' }, "platform 'android'"],
  [{ arch: 'ia32' }, "processor architecture 'ia32'"],
  [{ arch: 'riscv64' }, "processor architecture 'riscv64'"],
  [{ endianness: 'BE' }, 'big-endian machines'],
  [{ nodeVersion: '20.18.3' }, 'Node.js 20.18.3'],
  [{ nodeVersion: '19.99.0' }, 'Node.js 19.99.0'],
  [{ nodeVersion: '9.20.0' }, 'Node.js 9.20.0'],
])('refuses %p by name', (facts, named) => {
  const error = thrownBy(() => assertPlatform({ ...supported, ...facts }));
  expect(error).toMatchObject({ code: 'ERR_MEMLANE_PLATFORM' });
  expect(error?.message).toContain(`memlane does not run on ${named}`);
});

test.each([
  ['platform', "platform 'darwin'", 'Object.defineProperty(process, "platform", { value: "darwin" })'],
  ['architecture', "processor architecture 'ia32'", 'Object.defineProperty(process, "arch", { value: "ia32" })'],
  [
    'Node.js',
    'Node.js 18.20.0',
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.0" } })',
  ],
])('an unsupported %s is named before anything native is loaded', async (_name, named, pretence) => {
  const nodeOptions = ['--import', `data:text/javascript,${encodeURIComponent(pretence)}`];
  const [error] = await runProgram<PlainError>('linux-import', null, { nodeOptions });
  expect(error).toMatchObject({ name: 'MemlaneError', code: 'ERR_MEMLANE_PLATFORM' });
  expect(error?.message).toContain(`memlane does not run on ${named}`);
});

test('the machine that this runs on is supported', async () => {
  expect(await runProgram('linux-import')).toEqual([null]);
});
