// Imports only point down the layer table. Two halves: the manifests obey the table, and the compiler refuses an import
// that a manifest does not declare (which stops being true as soon as a workspace package is listed in the root
// package.json: then every package can see it).
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './bootstrap.mjs';
import { workspacePackages } from './workspace.mjs';

const layers = {
  '@memlane/linux': 0,
  '@memlane/guard': 1,
  '@memlane/zerocopy': 1,
  '@memlane/core': 2,
  '@memlane/slab': 3,
  '@memlane/journal': 3,
  '@memlane/ring': 3,
  '@memlane/queue': 4,
  '@memlane/pool': 5,
  memlane: 6,
};

const problems = [];
const all = workspacePackages();
const layered = all.filter((manifest) => !manifest.private);
const names = new Set(all.map((manifest) => manifest.name));

checkRoot();
for (const manifest of layered) checkManifest(manifest);
for (const manifest of all) checkReferences(manifest);
if (problems.length === 0) for (const manifest of layered) checkCompiler(manifest);

for (const problem of problems) process.stdout.write(`${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;

function checkRoot() {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const name of dependenciesOf(manifest)) {
    if (names.has(name))
      problems.push(`package.json: ${name} is a workspace package; listed here, all packages see it`);
  }
}

function checkManifest(manifest) {
  const layer = layers[manifest.name];
  if (layer === undefined) {
    problems.push(`${manifest.name}: not in the layer table of scripts/check-layers.mjs`);
    return;
  }
  for (const name of dependenciesOf(manifest)) {
    if (names.has(name) && !(layers[name] < layer)) {
      problems.push(`${manifest.name} (layer ${layer}) depends on ${name} (layer ${layers[name]}): not below it`);
    }
    if (name === 'koffi' && manifest.name !== '@memlane/linux') {
      problems.push(`${manifest.name} depends on koffi: only @memlane/linux may`);
    }
  }
}

/** `tsc -b` builds in the order of the references, so they have to be the workspace dependencies, no more and no less. */
function checkReferences(manifest) {
  const { references = [] } = JSON.parse(readFileSync(join(manifest.directory, 'tsconfig.json'), 'utf8'));
  const referenced = references.map(({ path }) => {
    const directory = resolve(manifest.directory, path);
    return all.find((candidate) => candidate.directory === directory)?.name ?? path;
  });
  const declared = dependenciesOf(manifest).filter((name) => names.has(name));
  if (referenced.sort().join() !== declared.sort().join()) {
    problems.push(`${manifest.name}: tsconfig.json references [${referenced}], package.json depends on [${declared}]`);
  }
}

/** Compiles one import of every workspace package inside `manifest`; exactly the undeclared ones must fail. */
function checkCompiler(manifest) {
  const declared = dependenciesOf(manifest);
  const others = layered.map(({ name }) => name).filter((name) => name !== manifest.name);
  // Beside src, not in it: a build that runs at the same time must not see it.
  const scratch = mkdtempSync(join(manifest.directory, '.layer-check-'));
  const removeScratch = () => rmSync(scratch, { recursive: true, force: true });
  const interrupted = () => {
    removeScratch();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  try {
    mkdirSync(join(scratch, 'src'));
    writeFileSync(join(scratch, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.base.json') }));
    others.forEach((name, index) => {
      writeFileSync(join(scratch, 'src', `${index}.ts`), `export type * from '${name}';\n`);
    });
    const { stdout } = spawnSync(
      join(root, 'node_modules', '.bin', 'tsc'),
      ['-p', scratch, '--noEmit', '--pretty', 'false'],
      {
        encoding: 'utf8',
      },
    );
    others.forEach((name) => {
      const refused = stdout.includes(`TS2307: Cannot find module '${name}'`);
      if (refused === declared.includes(name)) {
        const verdict = refused ? 'is declared and does not compile (built?)' : 'is not declared and compiles';
        problems.push(`${manifest.name}: an import of ${name} ${verdict}\n${stdout}`);
      }
    });
  } finally {
    removeScratch();
    process.removeListener('SIGINT', interrupted);
  }
}

function dependenciesOf(manifest) {
  const { dependencies, devDependencies, peerDependencies, optionalDependencies } = manifest;
  return Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies, ...optionalDependencies });
}
