import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { corrupt, resolveName, runtimeDirectory } from '@memlane/core';
import { checkMode, fromNode, type LinuxError, MemlaneError } from '@memlane/linux';

/*
 * A queue is a folder: the file of its messages, the slab for those that are too long for it, the structures of its codec,
 * and a description of it all in JSON. It is made under another name and gets its own complete, by one rename; it is removed
 * description first, and whoever finds a folder without one removes what is left.
 */

/** What a queue is, for whoever opens it. */
export interface QueueDescription {
  readonly version: number;
  readonly pattern: Pattern;
  readonly codec: string;
  /** What the creator calls the type of the messages; empty when it has no name. */
  readonly type: string;
  readonly createdAt: string;
}

/** How messages find their readers. */
export type Pattern = 'work' | 'topics' | 'service';

const EXTENSION = '.queue';
const DESCRIPTION = 'queue.json';
const VERSION = 1;
const NEW_PREFIX = '.memlane-new-';

/** Files of a queue, by what they are for. */
export function partOf(path: string, part: 'messages' | 'large' | 'structures'): string {
  return join(path, part);
}

export function pathOf(name: string): string {
  return resolveName(name, EXTENSION);
}

/**
 * Makes a queue's folder, complete or not at all.
 *
 * @param fill makes the files in it.
 * @throws ERR_MEMLANE_EXISTS; what `fill` throws; LinuxError.
 */
export function createStore(
  path: string,
  description: Omit<QueueDescription, 'version' | 'createdAt'>,
  fill: (folder: string) => void,
  mode = 0o600,
): void {
  checkMode(mode);
  const folder = join(dirname(path), NEW_PREFIX + randomBytes(8).toString('hex'));
  // Whoever may read or write the files must be able to get at them.
  const folderMode = mode | ((mode & 0o444) >> 2);
  try {
    mkdirSync(folder, { recursive: true, mode: folderMode });
    fill(folder);
    const whole: QueueDescription = { version: VERSION, ...description, createdAt: new Date().toISOString() };
    writeFileSync(join(folder, DESCRIPTION), `${JSON.stringify(whole, null, 2)}\n`, { mode });
    publish(folder, path);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw fromNode(error, path);
  }
}

function publish(folder: string, path: string): void {
  for (;;) {
    try {
      renameSync(folder, path);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR') throw error;
      if (code === 'ENOTDIR' || hasDescription(path))
        throw new MemlaneError('ERR_MEMLANE_EXISTS', 'The name is taken', { path, cause: error });
      rmSync(path, { recursive: true, force: true }); // what somebody has left who died while removing it
    }
  }
}

/**
 * Reads what a queue is.
 *
 * @throws LinuxError ENOENT; ERR_MEMLANE_NOT_MEMLANE for what is no queue; ERR_MEMLANE_VERSION, ERR_MEMLANE_CORRUPT,
 *   ERR_MEMLANE_SYMLINK.
 */
export function readStore(path: string): QueueDescription {
  let text: string;
  try {
    if (lstatSync(path).isSymbolicLink())
      throw new MemlaneError('ERR_MEMLANE_SYMLINK', 'The path names a symbolic link', { path });
    text = readFileSync(join(path, DESCRIPTION), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR')
      throw new MemlaneError('ERR_MEMLANE_NOT_MEMLANE', 'The path names a file, and a queue is a folder', { path });
    throw fromNode(error, path);
  }
  return parse(text, path);
}

function parse(text: string, path: string): QueueDescription {
  let description: Partial<QueueDescription>;
  try {
    description = JSON.parse(text);
  } catch (cause) {
    throw new MemlaneError('ERR_MEMLANE_NOT_MEMLANE', `${DESCRIPTION} is not JSON`, { path, cause });
  }
  const { version, pattern, codec, type, createdAt } = description ?? {};
  if (version !== VERSION)
    throw new MemlaneError('ERR_MEMLANE_VERSION', `The queue has version ${version}, this build ${VERSION}`, { path });
  if (pattern !== 'work' && pattern !== 'topics' && pattern !== 'service') throw corrupt('pattern', Number.NaN, path);
  for (const [field, value] of Object.entries({ codec, type, createdAt }))
    if (typeof value !== 'string') throw corrupt(field, Number.NaN, path);
  return description as QueueDescription;
}

function hasDescription(path: string): boolean {
  return lstatSync(join(path, DESCRIPTION), { throwIfNoEntry: false }) !== undefined;
}

/**
 * Deletes a queue.
 *
 * @param removeParts removes its files, those first in which somebody may be; it throws ERR_MEMLANE_BUSY when somebody is.
 * @throws LinuxError ENOENT; what `removeParts` throws, with nothing removed when that was the first.
 */
export function removeStore(path: string, removeParts: (path: string) => void): void {
  if (!hasDescription(path)) readStore(path); // says what it is
  removeParts(path);
  rmSync(join(path, DESCRIPTION), { force: true });
  try {
    rmdirSync(path);
  } catch (error) {
    // A new one may have taken its place by now; bells of the dead may be left in it.
    if ((error as LinuxError).code === 'ENOTEMPTY' && !hasDescription(path))
      rmSync(path, { recursive: true, force: true });
    else if (!['ENOENT', 'ENOTEMPTY'].includes((error as LinuxError).code)) throw fromNode(error, path);
  }
}

/** One queue that can be opened. */
export interface QueueEntry extends QueueDescription {
  /** By which it is opened. */
  readonly name: string;
  readonly path: string;
}

/**
 * The queues in a folder; by default, those of this user with a bare name.
 *
 * @example
 * for (const { name, pattern, type } of listQueues()) console.log(name, pattern, type);
 */
export function listQueues(directory: string = runtimeDirectory()): QueueEntry[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(EXTENSION) && !name.startsWith('.'))
    .flatMap((file) => {
      const path = join(directory, file);
      try {
        return [{ name: basename(file, EXTENSION), path, ...readStore(path) }];
      } catch {
        return []; // being removed, or none of ours
      }
    });
}
