// Asks publint or attw about the tarball that each public package would publish.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './bootstrap.mjs';
import { workspacePackages } from './workspace.mjs';

const commands = {
  publint: ['publint', '--strict', '--pack', 'npm'],
  attw: ['attw', '--profile', 'esm-only', '--pack'],
};

const command = commands[process.argv[2]];
if (!command) {
  process.stderr.write(`usage: node scripts/check-packages.mjs ${Object.keys(commands).join('|')}\n`);
  process.exit(2);
}

const [tool, ...options] = command;
for (const { directory } of workspacePackages().filter((manifest) => !manifest.private)) {
  const { status } = spawnSync(join(root, 'node_modules', '.bin', tool), [...options, directory], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
