import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fromNode, MemlaneError, throwArgument } from '@memlane/linux';

/** Read once a call, so that a program may choose before its first ring. */
const OVERRIDE = 'MEMLANE_DIR';

/**
 * The folder of this user's named files: `$MEMLANE_DIR`, or `/dev/shm/memlane-<uid>` (`/tmp` where there is no /dev/shm).
 * Created with mode 0700 when missing.
 *
 * @throws ERR_MEMLANE_OWNER or ERR_MEMLANE_PERMISSIVE when somebody else made it or may write to it.
 */
export function runtimeDirectory(): string {
  const uid = process.getuid?.() ?? 0;
  const path = process.env[OVERRIDE] ?? join(sharedMemoryMount(), `memlane-${uid}`);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fromNode(error, path);
  }
  const status = lstatSync(path);
  if (!status.isDirectory())
    throw new MemlaneError('ERR_MEMLANE_NOT_A_FILE', 'The folder for named files is none', { path });
  if (status.uid !== uid)
    throw new MemlaneError('ERR_MEMLANE_OWNER', `The folder belongs to user ${status.uid}`, { path });
  if ((status.mode & 0o022) !== 0)
    throw new MemlaneError('ERR_MEMLANE_PERMISSIVE', 'Others may create files in the folder', { path });
  return path;
}

function sharedMemoryMount(): string {
  try {
    return lstatSync('/dev/shm').isDirectory() ? '/dev/shm' : tmpdir();
  } catch {
    return tmpdir();
  }
}

/**
 * Turns what a user names into a path: with a slash in it, it is one; a bare name lives in {@link runtimeDirectory}.
 *
 * @example
 * resolveName('orders', '.ring'); // /dev/shm/memlane-1000/orders.ring
 */
export function resolveName(name: string, extension: string): string {
  if (typeof name !== 'string' || name.length === 0 || name.includes('\0'))
    throwArgument('name', name, 'a path, or a name without a slash');
  if (name.includes('/')) return resolve(name);
  if (name !== basename(name) || name.startsWith('.') || Buffer.byteLength(name) > 200)
    throwArgument('name', name, 'at most 200 bytes, not beginning with a dot');
  return join(runtimeDirectory(), name + extension);
}
