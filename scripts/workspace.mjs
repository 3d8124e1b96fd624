// The packages of the workspace, as their manifests describe them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bootstrap.mjs';

/** Absolute paths of all workspace packages: the layered ones, the examples, test and bench. */
export function workspaceDirectories() {
  const children = (parent) => readdirSync(join(root, parent)).map((name) => join(root, parent, name));
  return [...children('packages'), ...children('examples'), join(root, 'test'), join(root, 'bench')].filter(
    (directory) => existsSync(join(directory, 'package.json')),
  );
}

/** Their manifests, each with its `directory`. */
export function workspacePackages() {
  return workspaceDirectories().map((directory) => ({
    directory,
    ...JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')),
  }));
}
