// What `npm start`, `npm test` and `npm run check` do first on a machine that has only Node, npm and a C compiler.
// Plain Node without dependencies: none are installed yet when this runs.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const oldestNode = [20, 19];
const architectures = ['x64', 'arm64'];

/** Ends the process with a sentence that says what is missing. */
export function checkHost() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    fail(`memlane needs Node.js ${oldestNode.join('.')} or later; this is ${process.version}.`);
  }
  if (process.platform !== 'linux' || !architectures.includes(process.arch)) {
    fail(`memlane runs on Linux (${architectures.join(', ')}) only; this is ${process.platform} ${process.arch}.`);
  }
}

/** Installs the dependencies unless the last installation was made from these same manifests. */
export function install() {
  // Contents, not times: a clone, a copy or a change of branch gives every file a new time.
  const stamp = join(root, 'node_modules', '.memlane-installed');
  const wanted = manifestDigest();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;

  const { pnpm } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).config;
  quietly('install', 'npx', ['--yes', `pnpm@${pnpm}`, 'install', '--frozen-lockfile']);
  writeFileSync(stamp, wanted);
}

/** Compiles what has changed since the last build. */
export function build() {
  quietly('build', 'npm', ['run', '--silent', 'build']);
}

/** Runs one step with its output held back: one line when it succeeds, all of it when it fails. */
function quietly(title, command, args) {
  const started = Date.now();
  // What the tools leave in the folder for temporary files (locks, compile caches) goes with this one.
  const scratch = mkdtempSync(join(tmpdir(), 'memlane-setup-'));
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    env: { ...process.env, TMPDIR: scratch },
  });
  rmSync(scratch, { recursive: true, force: true });
  if (result.error) fail(`${title}: cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0) {
    process.stderr.write(result.stdout + result.stderr);
    fail(`${title} failed: ${[command, ...args].join(' ')}`);
  }
  process.stderr.write(`${title.padEnd(8)} ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

function manifestDigest() {
  const patches = readdirSync(join(root, 'patches')).sort();
  const hash = createHash('sha256');
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...patches.map((name) => join('patches', name))]) {
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
