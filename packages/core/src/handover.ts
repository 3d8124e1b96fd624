import { checkOneOf, checkOptions, checkPath, checkType, throwArgument } from '@memlane/linux';
import { ACCESSES, type Access } from './reservation.ts';
import { type FileIdentity, SharedFile } from './shared-file.ts';

/** What every descriptor that goes to another thread or process says of its file. */
export interface FileDescriptor {
  readonly type: string;
  readonly path: string;
  readonly anonymous: boolean;
  readonly identity: FileIdentity;
  readonly access: Access;
}

/**
 * Opens the file that a descriptor of that type names.
 *
 * @throws ERR_MEMLANE_ARGUMENT for what is none, which may well be: it has come as a message; ERR_MEMLANE_DELETED when the
 *   name means another file by now, or the owner of an anonymous one is gone.
 */
export function openDescribed(type: string, descriptor: FileDescriptor): SharedFile {
  const { type: given, path, anonymous, identity, access } = checkOptions('descriptor', descriptor);
  if (given !== type) throwArgument('descriptor.type', given, `'${type}'`);
  checkPath('descriptor.path', path);
  checkType('descriptor.anonymous', anonymous, 'boolean');
  checkOneOf('descriptor.access', access, ACCESSES);
  const { dev, ino } = checkOptions('descriptor.identity', identity);
  // Not checkInteger: an inode number may lie beyond 2^53, rounded as Node rounds it.
  checkType('descriptor.identity.dev', dev, 'number');
  checkType('descriptor.identity.ino', ino, 'number');
  if (anonymous) return SharedFile.openAnonymous(path, identity, access);
  const file = SharedFile.open(path, access);
  try {
    file.expectIdentity(identity, path);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}
