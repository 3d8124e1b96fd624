// `pnpm check`: every static check, all of them even when an early one fails; output only from those that fail.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkHost, install, root } from './bootstrap.mjs';

checkHost();
install();

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const failed = [];

for (const script of Object.keys(scripts).filter((key) => key.startsWith('check:'))) {
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', script], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${script.padEnd(14)} ${status === 0 ? 'ok' : 'FAILED'} ${seconds} s\n`);
  if (status !== 0) {
    failed.push(script);
    process.stdout.write(stdout + stderr);
  }
}

if (failed.length > 0) {
  process.stdout.write(`failed: ${failed.join(', ')}\n`);
  process.exitCode = 1;
}
