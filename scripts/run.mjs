// `npm start [-- FILE]`, `npm test [-- PATTERN]`, `npm run test:long`, `npm run bench [-- OPTION]` and
// `npm run bench:memory`: install and build what is missing, then run the target.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { build, checkHost, install, root } from './bootstrap.mjs';

const targets = {
  start: () => enter('examples/demonstration'),
  test,
  'test:long': testLong,
  bench: () => enter('bench'),
  'bench:memory': () => enter('bench', 'memory.js'),
};
const [name, ...passedOn] = process.argv.slice(2);
if (!Object.hasOwn(targets, name)) {
  process.stderr.write(`usage: node scripts/run.mjs ${Object.keys(targets).join('|')} [argument ...]\n`);
  process.exit(2);
}

checkHost();
install();
build();
await targets[name]();

/** Runs a program of a package in this process, so that a signal sent to it needs nobody to pass it on. */
async function enter(directory, program = 'main.js') {
  const main = join(root, directory, 'dist', program);
  process.argv.splice(1, process.argv.length - 1, main, ...passedOn);
  await import(main);
}

/** Hours of what the tests try for seconds: storms, sleeps and fuzzing, unless other tests are named. */
function testLong() {
  const amounts = { MEMLANE_STORM: '600', MEMLANE_PARKS: '1000000', MEMLANE_FUZZ: '20' };
  for (const [name, amount] of Object.entries(amounts)) process.env[name] ??= amount;
  if (passedOn.length === 0) passedOn.push('storm', 'ring/parking', 'fuzz');
  test();
}

/** Jest needs options of Node, hence a process of its own. */
function test() {
  const child = spawn(
    process.execPath,
    [
      '--experimental-vm-modules', // Jest cannot load ES modules without
      '--disable-warning=ExperimentalWarning',
      join(root, 'test', 'node_modules', 'jest', 'bin', 'jest.js'),
      `--config=${join(root, 'test', 'jest.config.js')}`,
      '--runInBand', // a test starts many processes of its own: a second one beside it would starve both
      ...passedOn,
    ],
    { stdio: 'inherit' },
  );
  // A terminal sends SIGINT to the whole foreground group, so Jest has it already: only wait for its end.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}
