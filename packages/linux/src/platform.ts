import { endianness } from 'node:os';
import { MemlaneError } from './errors.ts';

/** What the library must know about the machine before it loads anything native. */
export interface PlatformFacts {
  readonly platform: string;
  readonly arch: string;
  readonly endianness: string;
  readonly nodeVersion: string;
}

const OLDEST_NODE: readonly [major: number, minor: number] = [20, 19];

/**
 * Throws unless memlane can run here: Linux, x64 or arm64, little-endian, Node.js 20.19 or later.
 *
 * @throws ERR_MEMLANE_PLATFORM naming what is not supported.
 * @example
 * assertPlatform({ platform: 'linux', arch: 'x64', endianness: 'LE', nodeVersion: '20.20.2' });
 */
export function assertPlatform(facts: PlatformFacts): void {
  const refuse = (what: string): never => {
    throw new MemlaneError('ERR_MEMLANE_PLATFORM', `memlane does not run on ${what}`);
  };
  if (facts.platform !== 'linux') refuse(`platform '${facts.platform}'`);
  if (facts.arch !== 'x64' && facts.arch !== 'arm64') refuse(`processor architecture '${facts.arch}'`);
  if (facts.endianness !== 'LE') refuse('big-endian machines');
  const [major = 0, minor = 0] = facts.nodeVersion.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]))
    refuse(`Node.js ${facts.nodeVersion}`);
}

// Evaluated before koffi is loaded (system-calls.ts imports this module first), so that an unsupported machine gets
// this message and not the loader's.
assertPlatform({
  platform: process.platform,
  arch: process.arch,
  endianness: endianness(),
  nodeVersion: process.versions.node,
});
