// Asks publint or attw about the tarball that each public package would publish, or looks itself at what is in it.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bootstrap.mjs';
import { workspacePackages } from './workspace.mjs';

const tools = {
  publint: ['publint', '--strict', '--pack', 'npm'],
  attw: ['attw', '--profile', 'esm-only', '--pack'],
};

const [name, ...parameters] = process.argv.slice(2);
const check = name === 'contents' ? contents : Object.hasOwn(tools, name) ? ask : undefined;
if (!check) {
  process.stderr.write(
    `usage: node scripts/check-packages.mjs ${Object.keys(tools).join('|')}|contents [architecture ...]\n`,
  );
  process.exit(2);
}
for (const manifest of workspacePackages().filter((each) => !each.private)) check(manifest);

function ask({ directory }) {
  const [tool, ...options] = tools[name];
  const { status } = spawnSync(join(root, 'node_modules', '.bin', tool), [...options, directory], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

/** Nothing runs at an installation, so everything that users need is inside: for a release, for every architecture. */
function contents({ name: title, directory, scripts = {} }) {
  const files = packedFiles(directory);
  const complaints = ['preinstall', 'install', 'postinstall', 'prepare']
    .filter((script) => Object.hasOwn(scripts, script))
    .map((script) => `has the script ${script}`);
  // npm would run node-gyp for it.
  if (files.includes('binding.gyp')) complaints.push('contains binding.gyp');
  if (existsSync(join(directory, 'native'))) {
    for (const architecture of parameters.length > 0 ? parameters : [process.arch])
      if (!files.some((file) => file.startsWith('prebuilt/') && file.endsWith(`-${architecture}.so`)))
        complaints.push(`contains no prebuilt object for ${architecture}: node scripts/build-native.mjs`);
    for (const source of readdirSync(join(directory, 'native')).map((file) => `native/${file}`))
      if (!files.includes(source)) complaints.push(`lacks ${source}`);
  }
  const stray = files.filter(
    (file) => !/^(dist\/[^.].*|native\/.*|prebuilt\/.*\.so|package\.json|[A-Z]+(\.md)?)$/.test(file),
  );
  complaints.push(...stray.map((file) => `contains ${file}`));
  for (const complaint of complaints) process.stderr.write(`${title} ${complaint}\n`);
  if (complaints.length > 0) process.exitCode = 1;
}

function packedFiles(directory) {
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', directory], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  // A list in the npm of today, by package name in that of tomorrow.
  return Object.values(JSON.parse(stdout))[0].files.map(({ path }) => path);
}
