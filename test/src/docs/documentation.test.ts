import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const pages = [...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'], ...markdownBelow('docs')];

/** Examples run here, so that they find the packages by their public names. */
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(root, 'test', 'dist', 'example-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('generated parts equal the code', () => {
  const run = spawnSync(process.execPath, [join(root, 'scripts/docs.mjs')], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
});

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');

  test('links lead somewhere', () => {
    const targets = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map((match) => match[1] as string);
    const broken = targets.filter(
      (target) => !/^[a-z]+:/.test(target) && !existsSync(resolve(root, dirname(page), target)),
    );
    expect(broken).toEqual([]);
  });

  const examples = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1] as string);
  for (const [index, code] of examples.entries())
    test(`example ${index + 1} runs`, () => {
      const named = page.replaceAll(/\W/g, '-');
      const path = join(folder, `${named}-${index + 1}.mjs`);
      const memlaneDirectory = join(folder, `${named}-${index + 1}`);
      mkdirSync(memlaneDirectory, { mode: 0o700 });
      writeFileSync(path, withoutUsing(code));
      const run = spawnSync(process.execPath, [path], {
        encoding: 'utf8',
        cwd: memlaneDirectory,
        env: { ...process.env, MEMLANE_DIR: memlaneDirectory },
        timeout: 30_000,
      });
      expect(run.stderr).toBe('');
      expect(run.status).toBe(0);
      expect(readdirSync(memlaneDirectory)).toEqual([]);
    });
});

test('the first example greets three times', () => {
  const path = join(folder, 'README-md-1.mjs');
  const run = spawnSync(process.execPath, [path], { encoding: 'utf8', env: { ...process.env, MEMLANE_DIR: folder } });
  expect(run.stdout).toBe('hello 1\nhello 2\nhello 3\n');
});

/** `using` at the top level of an example means "until the program ends"; Node 20 and 22 do not parse it. */
function withoutUsing(code: string): string {
  return code.replaceAll(/^using /gm, 'const ');
}

function markdownBelow(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => relative(root, join(root, directory, name)))
    .sort();
}
