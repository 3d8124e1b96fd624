import { chownSync, constants as fs, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  close,
  type DescriptorWatch,
  type LinuxError,
  MemlaneError,
  makeFifo,
  open,
  status,
  systemCalls,
  watchHangup,
  watchReadable,
} from '@memlane/linux';

/*
 * A doorbell wakes an event loop: a FIFO that its owner holds open for reading and writing, and into which a peer writes
 * one byte. Rejected: eventfd (no name, so that unrelated processes cannot share it), a Unix socket (a connection and a
 * Node stream a peer), a futex waited for on the thread pool (process.exit hangs while it sleeps), signals (one handler a
 * process). The FIFO also tells of death: when its owner is gone, whatever way, the write end reports an error.
 */

const UNFINISHED = '.new';

/** Bells of this thread that are to go when it ends without having closed them. Those of a killed one are swept. */
const removedAtExit = new Set<string>();
let listensForExit = false;

function removeAtExit(path: string): void {
  if (!listensForExit)
    process.once('exit', () => {
      for (const bell of removedAtExit) rmSync(bell, { force: true });
    });
  listensForExit = true;
  removedAtExit.add(path);
}

/**
 * Removes the bells in a folder whose owners were killed: those that nobody holds open. A file with a name takes care of
 * its own (the next owner of a slot removes what the last one left); this is for the bells of anonymous files.
 */
export function sweepBells(directory: string, prefix: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(prefix) || name.endsWith(UNFINISHED)) continue;
    const path = join(directory, name);
    try {
      close(open(path, fs.O_WRONLY | fs.O_NONBLOCK | fs.O_NOFOLLOW));
    } catch (error) {
      if ((error as LinuxError).code === 'ENXIO') rmSync(path, { force: true });
    }
  }
}

/** The owner's side: one FIFO, watched while it is listened to. */
export class Doorbell {
  readonly #path: string;
  readonly #fd: number;
  #watch: DescriptorWatch | undefined;
  #listener: (() => void) | undefined;

  /**
   * Creates the FIFO. What an owner who died left under that name is replaced.
   *
   * @param owner the user whose bells the peers answer: root, attached to somebody's file, gives the FIFO to them.
   * @throws ERR_MEMLANE_OWNER for a user who may not do that; LinuxError.
   */
  constructor(path: string, owner: number) {
    this.#path = path;
    // It gets its name when somebody holds it open: a bell with that name and no reader is always a dead one's.
    const unnamed = path + UNFINISHED;
    rmSync(unnamed, { force: true });
    makeFifo(unnamed);
    try {
      if (owner !== process.getuid?.()) chownSync(unnamed, owner, -1);
      // Also open for writing, so that the last peer to leave does not make it report end of file for ever.
      this.#fd = open(unnamed, fs.O_RDWR | fs.O_NONBLOCK | fs.O_NOFOLLOW);
    } catch (error) {
      rmSync(unnamed, { force: true });
      if ((error as NodeJS.ErrnoException).syscall !== 'chown') throw error;
      throw new MemlaneError('ERR_MEMLANE_OWNER', `Besides its owner, user ${owner}, only root can be woken here`, {
        path,
        cause: error,
      });
    }
    renameSync(unnamed, path);
    removeAtExit(path);
  }

  /** Calls `listener` at each ring from here on and, if `keepAlive`, keeps the process alive for it. */
  listen(listener: () => void, keepAlive: boolean): void {
    this.#listener = listener;
    this.#watch ??= watchReadable(this.#fd, () => this.#answer());
    if (keepAlive) this.#watch.ref();
    else this.#watch.unref();
  }

  /** Stops listening. The watch stays, unreferenced: creating one costs more than a spurious call. */
  ignore(): void {
    this.#listener = undefined;
    this.#watch?.unref();
  }

  close(): void {
    this.#listener = undefined;
    this.#watch?.close(); // before the descriptor, or the event loop aborts the process
    close(this.#fd);
    rmSync(this.#path, { force: true });
    removedAtExit.delete(this.#path);
  }

  #answer(): void {
    while (systemCalls.read(this.#fd, drain, drain.length) === drain.length);
    this.#listener?.();
  }
}

const drain = new Uint8Array(64);
const ding = Uint8Array.of(1);

/** A peer's side: the write end of somebody's doorbell. */
export class BellRope {
  readonly #fd: number;
  #watch: DescriptorWatch | undefined;
  #ownerGone: (() => void) | undefined;
  #closed = false;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Opens the write end.
   *
   * @returns undefined when nobody holds the other end any more.
   * @throws ERR_MEMLANE_CORRUPT when the name is not a FIFO of the expected owner; LinuxError.
   */
  static grasp(path: string, owner: number): BellRope | undefined {
    let fd: number;
    try {
      fd = open(path, fs.O_WRONLY | fs.O_NONBLOCK | fs.O_NOFOLLOW);
    } catch (error) {
      const { code } = error as LinuxError;
      if (code === 'ENXIO' || code === 'ENOENT') return undefined;
      throw error;
    }
    const { mode, uid } = status(fd);
    if ((mode & fs.S_IFMT) === fs.S_IFIFO && (uid === owner || uid === 0)) return new BellRope(fd);
    close(fd);
    throw new MemlaneError('ERR_MEMLANE_CORRUPT', 'The bell is not a FIFO of the owner', { path, field: 'bell' });
  }

  /** Writes one byte; a full FIFO is as good. Never blocks. */
  pull(): void {
    systemCalls.write(this.#fd, ding, 1);
  }

  /** Calls `listener`, and no earlier one any more, once from the event loop when the owner of the bell is gone. */
  watchOwner(listener: () => void): void {
    this.#ownerGone = listener;
    this.#watch ??= watchHangup(this.#fd, () => this.#ownerGone?.());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch?.close();
    close(this.#fd);
  }
}
