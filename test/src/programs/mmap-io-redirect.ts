// node --import mmap-io-redirect.js SCRIPT: whatever SCRIPT requires as mmap-io, by name or by path, is the drop-in.
import Module, { createRequire } from 'node:module';
import { dirname } from 'node:path';

interface Loader {
  _resolveFilename(request: string, ...rest: unknown[]): string;
}

const require = createRequire(import.meta.url);
const original = require.resolve('mmap-io');
const dropIn = require.resolve('@memlane/core/mmap-io');

// module.registerHooks would say this in public terms, but Node.js 20 does not have it.
const loader = Module as unknown as Loader;
const resolve = loader._resolveFilename;
loader._resolveFilename = (request, ...rest) => {
  const path = resolve.call(loader, request, ...rest);
  if (path === original) {
    process.stderr.write('mmap-io is the drop-in\n');
    return dropIn;
  }
  if (path.endsWith('.node') && path.startsWith(dirname(original))) throw new Error(`${path} was to be replaced`);
  return path;
};
