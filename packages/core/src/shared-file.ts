import { randomBytes } from 'node:crypto';
import { constants as fs, linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import {
  addSeals,
  allocate,
  allocateWithin,
  checkInteger,
  checkMode,
  checkOneOf,
  checkType,
  close,
  constants,
  createMemoryFile,
  fromNode,
  getSeals,
  LinuxError,
  linkUnnamed,
  MemlaneError,
  O_TMPFILE,
  open,
  punchHole,
  status,
  truncate,
} from '@memlane/linux';
import { ACCESSES, type Access } from './reservation.ts';

/** Which file, for whoever has a name for it and must know whether it is still the same one. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
}

/** How much an existing file is trusted. */
export interface Trust {
  /** A further user whose files are accepted; besides this one and root. */
  readonly trustOwner?: number;
  /** Accept a file that every user may write to. */
  readonly allowWorldWritable?: boolean;
}

/** A file that is to be mapped: one open file description, what is known of it, and how it gets and loses its name. */
export class SharedFile {
  readonly fd: number;
  readonly access: Access;
  readonly identity: FileIdentity;
  /** undefined for a file without a name: an anonymous one, or a new one until {@link publish}. */
  path: string | undefined;
  readonly anonymous: boolean;
  /** What a file that is to be published has instead of no name, where the file system knows no O_TMPFILE. */
  #temporaryPath: string | undefined;
  /** Whether {@link path} is a name that it has yet to get. */
  #awaitsName = false;
  #closed = false;

  private constructor(fd: number, access: Access, path: string | undefined, anonymous: boolean) {
    this.fd = fd;
    this.access = access;
    this.path = path === undefined ? undefined : absolute(path);
    this.anonymous = anonymous;
    const { dev, ino } = status(fd);
    this.identity = { dev, ino };
  }

  /**
   * Opens an existing file, with suspicion: not through a symbolic link, only a regular file, only this user's or
   * root's, not writable by everybody.
   *
   * @throws ERR_MEMLANE_SYMLINK, ERR_MEMLANE_NOT_A_FILE, ERR_MEMLANE_OWNER, ERR_MEMLANE_PERMISSIVE; LinuxError.
   */
  static open(path: string, access: Access = 'readwrite', trust: Trust = {}): SharedFile {
    checkOneOf('access', access, ACCESSES);
    checkTrustOptions(trust);
    // O_NONBLOCK: opening a FIFO for reading would wait for its writer for ever.
    const flags = (access === 'read' ? fs.O_RDONLY : fs.O_RDWR) | fs.O_NOFOLLOW | fs.O_NONBLOCK;
    let fd: number;
    try {
      fd = open(path, flags);
    } catch (error) {
      const { code } = error as LinuxError;
      if (code === 'ELOOP') throw new MemlaneError('ERR_MEMLANE_SYMLINK', 'The path names a symbolic link', { path });
      if (code === 'EISDIR' || code === 'ENXIO') throw notAFile(path);
      throw error;
    }
    try {
      checkTrust(fd, path, trust);
      return new SharedFile(fd, access, path, false);
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /**
   * Creates a file of `length` bytes that has no name yet, space reserved: a creator that dies before {@link publish}
   * leaves nothing behind, and nobody ever sees a file half made.
   *
   * @param directory where it will get its name.
   * @param makesDirectory whether it is created when missing; not by whoever replaces a file that somebody has removed.
   * @param reserved bytes at its beginning whose space is reserved now; the rest is for {@link reserve}.
   * @throws LinuxError ENOSPC, EACCES, EROFS, ENOENT.
   */
  static createUnnamed(
    directory: string,
    length: number,
    mode = 0o600,
    makesDirectory = true,
    reserved: number = length,
  ): SharedFile {
    checkMode(mode); // before a folder is made for nothing
    try {
      if (makesDirectory) mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw fromNode(error, directory);
    }
    const { fd, temporaryPath } = openUnnamed(directory, mode);
    try {
      reserve(fd, 0, reserved, directory);
      if (reserved < length) truncate(fd, length, directory);
      const file = new SharedFile(fd, 'readwrite', undefined, false);
      file.#temporaryPath = temporaryPath;
      return file;
    } catch (error) {
      close(fd);
      if (temporaryPath !== undefined) rmSync(temporaryPath, { force: true });
      throw error;
    }
  }

  /**
   * Creates a memory file of `length` bytes that never has a name. {@link seal} it before handing it on.
   *
   * @param name shown in /proc/PID/maps.
   */
  static createAnonymous(name: string, length: number, reserved: number = length): SharedFile {
    const fd = createMemoryFile(name);
    try {
      reserve(fd, 0, reserved, `memfd:${name}`);
      if (reserved < length) truncate(fd, length, `memfd:${name}`);
      return new SharedFile(fd, 'readwrite', undefined, true);
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /**
   * Opens an anonymous file by the path in /proc that its owner gave away.
   *
   * @throws ERR_MEMLANE_DELETED when the owner has gone and the path means something else now;
   *   ERR_MEMLANE_UNSEALED when it could be cut under this process.
   */
  static openAnonymous(procPath: string, identity: FileIdentity, access: Access = 'readwrite'): SharedFile {
    let fd: number;
    try {
      // O_NONBLOCK: what has taken the descriptor's number by now may be a pipe without a writer.
      fd = open(procPath, (access === 'read' ? fs.O_RDONLY : fs.O_RDWR) | fs.O_NONBLOCK);
    } catch (error) {
      const { code } = error as LinuxError;
      if (code !== 'ENOENT' && code !== 'ENXIO') throw error;
      throw new MemlaneError('ERR_MEMLANE_DELETED', 'The process that holds the anonymous file is gone', {
        path: procPath,
      });
    }
    const file = new SharedFile(fd, access, undefined, true);
    try {
      file.expectIdentity(identity, procPath);
      if ((getSeals(fd) & constants.F_SEAL_SHRINK) === 0)
        throw new MemlaneError('ERR_MEMLANE_UNSEALED', 'The anonymous file can still be cut', { path: procPath });
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes of the file now. */
  get length(): number {
    return status(this.fd).size;
  }

  /** Whether the file can no longer be cut by anybody. */
  get sealed(): boolean {
    return (getSeals(this.fd) & constants.F_SEAL_SHRINK) !== 0;
  }

  /** Forbids to shrink, to grow and to add seals, for every holder, for ever. */
  seal(): void {
    addSeals(this.fd, constants.F_SEAL_SHRINK | constants.F_SEAL_GROW | constants.F_SEAL_SEAL);
  }

  /**
   * Gives the file its name, atomically and complete.
   *
   * @throws ERR_MEMLANE_EXISTS when the name is taken: of two creators at once exactly one gets past here.
   */
  publish(path: string): void {
    try {
      if (this.#temporaryPath === undefined) linkUnnamed(this.fd, path);
      else linkSync(this.#temporaryPath, path);
    } catch (error) {
      const cause = fromNode(error, path);
      if (cause instanceof LinuxError && cause.code === 'EEXIST')
        throw new MemlaneError('ERR_MEMLANE_EXISTS', 'The name is taken', { path, cause });
      throw cause;
    }
    this.#removeTemporary();
    this.path = absolute(path);
  }

  /** Says which name the file is going to get: who takes a slot before that has its bell there already. */
  announce(path: string): void {
    this.path = absolute(path);
    this.#awaitsName = true;
  }

  /**
   * Gives the file a name that another file has, atomically and complete: whoever opens the name finds the one or the
   * other. Whoever has the other one mapped keeps it.
   */
  publishOver(path: string): void {
    this.#temporaryPath ??= temporaryName(dirname(path));
    const temporary = this.#temporaryPath;
    if (status(this.fd).nlink === 0) linkUnnamed(this.fd, temporary);
    try {
      renameSync(temporary, path);
    } catch (error) {
      throw fromNode(error, path);
    }
    this.#temporaryPath = undefined;
    this.path = absolute(path);
    this.#awaitsName = false;
  }

  /** Which file the name means now; undefined when none. */
  static identityOf(path: string): FileIdentity | undefined {
    const now = statSync(path, { throwIfNoEntry: false });
    return now === undefined ? undefined : { dev: now.dev, ino: now.ino };
  }

  /** Whether the name still means this file; an anonymous one needs none. */
  get isNamed(): boolean {
    if (this.path === undefined || this.anonymous) return this.anonymous;
    const now = SharedFile.identityOf(this.path);
    return now !== undefined && now.dev === this.identity.dev && now.ino === this.identity.ino;
  }

  /** A second open file description of the same file: locks taken through it are its own. */
  reopen(access: Access = this.access): SharedFile {
    const flags = access === 'read' ? fs.O_RDONLY : fs.O_RDWR;
    const again = new SharedFile(open(`/proc/self/fd/${this.fd}`, flags), access, this.path, this.anonymous);
    again.#awaitsName = this.#awaitsName;
    return again;
  }

  /** @throws ERR_MEMLANE_DELETED unless the file still has a name, or will get one (an anonymous one never needs any). */
  expectLinked(): void {
    if (!this.anonymous && !this.#awaitsName && status(this.fd).nlink === 0)
      throw new MemlaneError('ERR_MEMLANE_DELETED', 'The file has been deleted', { path: this.path });
  }

  /** @throws ERR_MEMLANE_DELETED unless this is the file that `identity` describes. */
  expectIdentity({ dev, ino }: FileIdentity, path: string): void {
    if (this.identity.dev !== dev || this.identity.ino !== ino)
      throw new MemlaneError('ERR_MEMLANE_DELETED', 'Another file has taken its place', { path });
  }

  /** A path by which another thread, or process of the same pid namespace, can open this very file. */
  get handoverPath(): string {
    return this.anonymous || this.path === undefined ? `/proc/${process.pid}/fd/${this.fd}` : this.path;
  }

  /** Extends the file to `length` bytes with the space reserved. @throws LinuxError ENOSPC, EPERM when sealed. */
  grow(length: number): void {
    const before = this.length;
    if (length > before) reserve(this.fd, before, length, this.path);
  }

  /** Reserves space within the file, so that storing there cannot fail for want of it. @throws LinuxError ENOSPC */
  reserve(offset: number, length: number): void {
    try {
      allocateWithin(this.fd, offset, length, this.path);
    } catch (error) {
      if (!(error instanceof LinuxError) || error.code !== 'EOPNOTSUPP') throw error;
    }
  }

  /** Gives space within the file back: it reads as zeros from then on. Where the file system cannot, nothing happens. */
  punch(offset: number, length: number): void {
    try {
      punchHole(this.fd, offset, length, this.path);
    } catch (error) {
      if (!(error instanceof LinuxError) || error.code !== 'EOPNOTSUPP') throw error;
    }
  }

  /** Removes the name, if it still means this file. Whoever has it mapped keeps it. */
  unlink(): void {
    if (this.path !== undefined && !this.anonymous && this.isNamed) rmSync(this.path, { force: true });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#removeTemporary();
    close(this.fd);
  }

  #removeTemporary(): void {
    if (this.#temporaryPath !== undefined) rmSync(this.#temporaryPath, { force: true });
    this.#temporaryPath = undefined;
  }
}

/** Not `resolve`, which takes a link and the '..' behind it out of the path and so changes what it means. */
function absolute(path: string): string {
  return isAbsolute(path) ? path : `${process.cwd()}/${path}`;
}

function notAFile(path: string): MemlaneError {
  return new MemlaneError('ERR_MEMLANE_NOT_A_FILE', 'The path does not name a regular file', { path });
}

/** @throws ERR_MEMLANE_ARGUMENT unless the options make sense. */
export function checkTrustOptions({ trustOwner = 0, allowWorldWritable = false }: Trust): void {
  checkInteger('trustOwner', trustOwner, 0, 2 ** 32 - 1);
  checkType('allowWorldWritable', allowWorldWritable, 'boolean');
}

function checkTrust(fd: number, path: string, { trustOwner, allowWorldWritable = false }: Trust): void {
  const { mode, uid } = status(fd);
  if ((mode & fs.S_IFMT) !== fs.S_IFREG) throw notAFile(path);
  if (uid !== process.getuid?.() && uid !== 0 && uid !== trustOwner)
    throw new MemlaneError('ERR_MEMLANE_OWNER', `The file belongs to user ${uid}`, { path });
  if ((mode & 0o002) !== 0 && !allowWorldWritable)
    throw new MemlaneError('ERR_MEMLANE_PERMISSIVE', `The file has mode ${(mode & 0o777).toString(8)}`, { path });
}

/** fallocate where the file system has it; where not, the length alone, as nothing better is to be had. */
function reserve(fd: number, from: number, length: number, path: string | undefined): void {
  try {
    allocate(fd, from, length - from, path);
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'EOPNOTSUPP') throw error;
    truncate(fd, length, path);
  }
}

/** O_TMPFILE; on a file system without it, a temporary name that {@link SharedFile.publish} replaces. */
function openUnnamed(directory: string, mode: number): { fd: number; temporaryPath?: string } {
  try {
    return { fd: open(directory, O_TMPFILE | fs.O_RDWR, mode) };
  } catch (error) {
    const { code } = error as LinuxError;
    if (code !== 'EOPNOTSUPP' && code !== 'EISDIR') throw error;
    const temporaryPath = temporaryName(directory);
    return { fd: open(temporaryPath, fs.O_RDWR | fs.O_CREAT | fs.O_EXCL | fs.O_NOFOLLOW, mode), temporaryPath };
  }
}

function temporaryName(directory: string): string {
  return join(directory, `.memlane-new-${randomBytes(8).toString('hex')}`);
}
