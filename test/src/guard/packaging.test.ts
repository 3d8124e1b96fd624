import type { SpawnSyncReturns } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import {
  type Architecture,
  finish,
  foreign,
  host,
  native,
  objectOf,
  packageFolder,
  refusal,
  root,
  succeed,
  testUnless,
  whyNoObject,
} from './object.ts';

/* How the object of the guard is built and shipped, and what is said where it is missing. */

/** A checkout with nothing but the guard and the scripts in it. */
function checkout(folder: Scratch): string {
  cpSync(join(root, 'scripts'), folder.file('scripts'), { recursive: true });
  cpSync(join(root, 'package.json'), folder.file('package.json'));
  const copy = folder.file('packages/guard');
  cpSync(native, join(copy, 'native'), { recursive: true });
  for (const name of ['package.json', 'README.md']) cpSync(join(packageFolder, name), join(copy, name));
  cpSync(join(packageFolder, 'dist'), join(copy, 'dist'), { recursive: true });
  mkdirSync(folder.file('examples'));
  return copy;
}

/** One without a path finds no compiler. */
function build(folder: Scratch, environment: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  const script = folder.file('scripts/build-native.mjs');
  return finish(process.execPath, [script], { ...process.env, CC: '', ...environment });
}

const built = (architecture: Architecture): string => join('packages', 'guard', 'prebuilt', `guard-${architecture}.so`);

describe('scripts/build-native.mjs', () => {
  const withoutCompiler = { PATH: '/nonexistent' };

  test('builds anew when, and only when, a source or the flags have changed', () => {
    using folder = scratchFolder('disk');
    const source = join(checkout(folder), 'native', 'kernel.h');
    const script = folder.file('scripts/build-native.mjs');
    expect(build(folder)).toMatchObject({ status: 0, stdout: expect.stringContaining(built(host)), stderr: '' });
    expect(build(folder)).toMatchObject({ status: 0, stdout: '' });

    utimesSync(source, new Date(), new Date(Date.now() + 10_000));
    expect(build(folder)).toMatchObject({ status: 0, stdout: '' });
    writeFileSync(source, `${readFileSync(source, 'utf8')}// changed\n`);
    expect(build(folder)).toMatchObject({ status: 0, stdout: expect.stringContaining(built(host)) });
    expect(build(folder)).toMatchObject({ status: 0, stdout: '' });

    const lesser = readFileSync(script, 'utf8').replace("'-O2'", "'-O1'");
    expect(lesser).toContain("'-O1'");
    writeFileSync(script, lesser);
    expect(build(folder)).toMatchObject({ status: 0, stdout: expect.stringContaining(built(host)) });
    expect(readdirSync(folder.file('packages/guard/prebuilt')).join(' ')).toMatch(/^(guard-(x64|arm64)\.so ?)+$/);
  });

  test('says what to install where no compiler is', () => {
    using folder = scratchFolder('disk');
    checkout(folder);
    const remedy = expect.stringMatching(/No C compiler for .*\n.*apt-get install gcc/);
    expect(build(folder, withoutCompiler)).toMatchObject({ status: 1, stdout: '', stderr: remedy });
    // One from other sources is no better than none.
    mkdirSync(folder.file('packages/guard/prebuilt'));
    writeFileSync(folder.file(built(host)), 'stale');
    expect(build(folder, withoutCompiler)).toMatchObject({ status: 1, stdout: '', stderr: remedy });
  });

  test('keeps no object of other sources that it cannot build', () => {
    using folder = scratchFolder('disk');
    checkout(folder);
    expect(build(folder)).toMatchObject({ status: 0 });
    const stale = folder.file(built(foreign));
    writeFileSync(stale, 'stale');
    expect(build(folder, withoutCompiler)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/removed: out of/),
    });
    expect(existsSync(stale)).toBe(false);
    expect(existsSync(folder.file(built(host)))).toBe(true);
  });

  test('shows what the compiler says', () => {
    using folder = scratchFolder('disk');
    const copy = checkout(folder);
    writeFileSync(join(copy, 'native', 'guard.c'), 'int broken(void) { return nothing; }\n');
    expect(build(folder)).toMatchObject({ status: 1, stderr: expect.stringMatching(/does not build(.|\n)*nothing/) });
    // What no compiler may add behind our back: a call of a libc.
    writeFileSync(join(copy, 'native', 'guard.c'), 'int puts(const char *);\nint broken(void) { return puts("x"); }\n');
    expect(build(folder)).toMatchObject({ status: 1, stderr: expect.stringMatching(/does not build(.|\n)*puts/) });
    expect(existsSync(join(copy, 'prebuilt')) && readdirSync(join(copy, 'prebuilt'))).toEqual([]);
  });

  for (const compiler of ['gcc', 'clang']) {
    testUnless(refusal(compiler), `${compiler} has nothing to warn of`, () => {
      using folder = scratchFolder('disk');
      checkout(folder);
      const result = build(folder, { CC: `${compiler} -Werror` });
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(result.stdout).not.toContain('warning');
    });
  }
});

describe('an object that cannot be used is ERR_MEMLANE_PLATFORM and says what to do', () => {
  /** What importing a copy of the package comes to, after something was done to its object. */
  function importError(spoil: (object: string) => void): { code: string; message: string; path: string } {
    using folder = scratchFolder('disk');
    const scope = folder.file('node_modules/@memlane');
    const object = join(scope, 'guard', 'prebuilt', `guard-${host}.so`);
    for (const name of ['dist', 'package.json'])
      cpSync(join(packageFolder, name), join(scope, 'guard', name), { recursive: true });
    mkdirSync(dirname(object));
    cpSync(objectOf(host), object);
    symlinkSync(join(root, 'packages', 'linux'), join(scope, 'linux'));
    spoil(object);
    const program = `import(${JSON.stringify(join(scope, 'guard', 'dist', 'index.js'))}).then(
      () => console.log('{}'),
      ({ code, message, remedy, path }) => console.log(JSON.stringify({ code, message, remedy, path })),
    )`;
    const { path, ...rest } = JSON.parse(succeed(process.execPath, ['--eval', program]));
    return { ...rest, path: path === object ? 'the object' : path };
  }

  const refused = (message: RegExp): unknown => ({
    code: 'ERR_MEMLANE_PLATFORM',
    message: expect.stringMatching(message),
    remedy: expect.stringMatching(/install memlane anew.*npm run build/),
    path: 'the object',
  });

  const compiled = (source: string) => (object: string) => {
    rmSync(object);
    writeFileSync(`${object}.c`, source);
    succeed('cc', ['-shared', '-fPIC', '-o', object, `${object}.c`]);
  };

  test('none of that: it is loaded', () => {
    expect(importError(() => {})).toEqual({ path: undefined });
  });

  test('missing', () => {
    expect(importError((object) => rmSync(object))).toEqual(refused(/native part of memlane is missing \(.*install/));
  });

  test('not an object', () => {
    const spoil = (object: string): void => writeFileSync(object, 'not an object\n');
    expect(importError(spoil)).toEqual(refused(/cannot be loaded: .*install/));
  });

  testUnless(whyNoObject(foreign), 'of another architecture', () => {
    const spoil = (object: string): void => cpSync(objectOf(foreign), object);
    expect(importError(spoil)).toEqual(refused(/cannot be loaded: .*install/));
  });

  test('of another layout', () => {
    const spoil = compiled('unsigned control[33000] = {7, 100}; void *guard_control(void) { return control; }\n');
    expect(importError(spoil)).toEqual(refused(/another version: its layout is 7 for 100 ranges, not 1 for/));
  });

  test('without a function', () => {
    const spoil = compiled('unsigned control[33000] = {1, 32768}; void *guard_control(void) { return control; }\n');
    expect(importError(spoil)).toEqual(refused(/another version: .*guard_install/));
    expect(importError(compiled('int nothing;\n'))).toEqual(refused(/another version: .*guard_control/));
  });
});

describe('what npm would publish', () => {
  /** What the check says of a checkout that has an object for this architecture only, after something was done to it. */
  function check(spoil: (copy: string) => void, ...wanted: string[]): SpawnSyncReturns<string> {
    using folder = scratchFolder('disk');
    const copy = checkout(folder);
    mkdirSync(join(copy, 'prebuilt'));
    cpSync(objectOf(host), folder.file(built(host)));
    spoil(copy);
    return finish(process.execPath, [folder.file('scripts/check-packages.mjs'), 'contents', ...wanted]);
  }
  const refused = (complaint: string): object => ({ status: 1, stderr: expect.stringContaining(complaint) });
  const rewrite = (change: object) => (copy: string) => {
    const manifest = join(copy, 'package.json');
    writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), ...change }));
  };

  test('is accepted with the object of this architecture, and refused without', () => {
    expect(check(() => {})).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const spoil = (copy: string): void => rmSync(join(copy, 'prebuilt'), { recursive: true });
    expect(check(spoil)).toMatchObject(refused(`no prebuilt object for ${host}`));
    expect(check(rewrite({ files: ['dist', 'native'] }))).toMatchObject(refused(`no prebuilt object for ${host}`));
  });

  test('is refused for a release as long as an architecture is missing', () => {
    expect(check(() => {}, host, foreign)).toMatchObject(refused(`no prebuilt object for ${foreign}`));
  });

  test('is refused with what runs at an installation', () => {
    expect(check(rewrite({ scripts: { postinstall: 'true' } }))).toMatchObject(refused('has the script postinstall'));
    const spoil = (copy: string): void => {
      writeFileSync(join(copy, 'binding.gyp'), '{}');
      rewrite({ files: ['dist', '!dist/.tsbuildinfo', 'native', 'prebuilt/*.so', 'binding.gyp'] })(copy);
    };
    expect(check(spoil)).toMatchObject(refused('contains binding.gyp'));
  });

  test('is refused without the sources of the object, and with what belongs to nobody', () => {
    expect(check(rewrite({ files: ['dist', '!dist/.tsbuildinfo', 'prebuilt'] }))).toMatchObject(
      refused('lacks native/guard.c'),
    );
    expect(check(rewrite({ files: ['dist', 'native', 'prebuilt'] }))).toMatchObject(
      refused('contains dist/.tsbuildinfo'),
    );
  });
});
