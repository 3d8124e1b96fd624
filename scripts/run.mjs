// `npm start [-- FILE]` and `npm test [-- PATTERN]`: install and build what is missing, then run the target.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { build, checkHost, install, root } from './bootstrap.mjs';

const targets = {
  start: {
    directory: join(root, 'examples', 'demonstration'),
    nodeArguments: ['dist/main.js'],
  },
  test: {
    directory: join(root, 'test'),
    nodeArguments: [
      '--experimental-vm-modules', // Jest needs it to load ES modules
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
      '--runInBand', // a test starts many processes of its own: a second one beside it would starve both
    ],
  },
};

const [name, ...passedOn] = process.argv.slice(2);
const target = targets[name];
if (!target) {
  process.stderr.write(`usage: node scripts/run.mjs ${Object.keys(targets).join('|')} [argument ...]\n`);
  process.exit(2);
}

checkHost();
install();
build();

const child = spawn(process.execPath, [...target.nodeArguments, ...passedOn], {
  cwd: target.directory,
  stdio: 'inherit',
});
// A terminal sends SIGINT to the whole foreground group, so the child has it already: only wait for the child's end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
