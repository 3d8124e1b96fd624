import { chownSync, constants as fs, readdirSync, renameSync, rmSync } from 'node:fs';
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { join } from 'node:path';
import {
  close,
  type LinuxError,
  MemlaneError,
  makeFifo,
  open,
  openForHandle,
  status,
  systemCalls,
} from '@memlane/linux';

/*
 * A doorbell wakes an event loop: a FIFO that its owner holds open for reading and writing, and into which a peer writes
 * one byte. Beside it stands a second FIFO that tells of death: the owner alone may write to it and never does, so that
 * whoever reads it learns, by its end, that the owner is gone, whatever way.
 *
 * Rejected: eventfd (no name, so that unrelated processes cannot share it), a Unix socket (a connection a peer), a futex
 * waited for on the thread pool (process.exit hangs while it sleeps), signals (one handler a process); and to have both
 * FIFOs watched by uv_poll through koffi: an event that arrives while a worker thread is being terminated, or a process
 * ends, then aborts the process (seen in each of three runs of 300 terminations). Node's own handles close quietly.
 */

const UNFINISHED = '.new';
const LIFE = '.life';

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

/** Removes the names of a bell. */
export function removeBell(bell: string): void {
  for (const path of [bell, bell + LIFE]) {
    rmSync(path, { force: true });
    removedAtExit.delete(path);
  }
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

/** The owner's side: both FIFOs, from the moment that they have their names. */
export class Doorbell {
  readonly #path: string;
  readonly #life: number;
  readonly #bell: Socket;
  #listener: (() => void) | undefined;
  #later: NodeJS.Timeout | undefined;

  /**
   * Creates the FIFOs. What an owner who died left under these names is replaced.
   *
   * @param owner the user whose bells the peers answer: root, attached to somebody's file, gives the FIFO to them.
   * @throws ERR_MEMLANE_OWNER for a user who may not do that; LinuxError.
   */
  constructor(path: string, owner: number) {
    this.#path = path;
    // The sign of life first: whoever finds the bell finds it too. Node closes it when this thread is terminated.
    this.#life = hold(path + LIFE, owner, open);
    try {
      this.#bell = listenTo(hold(path, owner, openForHandle), () => this.#listener?.());
    } catch (error) {
      close(this.#life);
      removeBell(path);
      throw error;
    }
  }

  /** Calls `listener` at each ring from here on and, if `keepAlive`, keeps the process alive for it. */
  listen(listener: () => void, keepAlive: boolean): void {
    this.#listener = listener;
    if (keepAlive) this.#bell.ref();
    else this.#bell.unref();
  }

  /** Calls the listener after that time, too, if it still listens by then. */
  ringItself(afterMs: number): void {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.#listener?.(), afterMs).unref();
  }

  /** Stops listening. */
  ignore(): void {
    this.#listener = undefined;
    clearTimeout(this.#later);
    this.#bell.unref();
  }

  close(): void {
    this.#listener = undefined;
    clearTimeout(this.#later);
    removeBell(this.#path);
    this.#bell.destroy();
    close(this.#life);
  }
}

/** A peer's side: the write end of somebody's doorbell, and the end of their life. */
export class BellRope {
  readonly #path: string;
  readonly #owner: number;
  readonly #bell: number;
  #life: Socket | undefined;
  #ownerGone: (() => void) | undefined;
  #closed = false;

  private constructor(path: string, owner: number, bell: number) {
    this.#path = path;
    this.#owner = owner;
    this.#bell = bell;
  }

  /**
   * Opens the write end.
   *
   * @returns undefined when nobody holds the other end any more.
   * @throws ERR_MEMLANE_CORRUPT when the name is not a FIFO of the expected owner; LinuxError.
   */
  static grasp(path: string, owner: number): BellRope | undefined {
    const bell = openExisting(path, fs.O_WRONLY, owner, open, close);
    return bell === undefined ? undefined : new BellRope(path, owner, bell);
  }

  /** Writes one byte; a full FIFO is as good. Never blocks. */
  pull(): void {
    systemCalls.write(this.#bell, ding, 1);
  }

  /**
   * Calls `listener`, and no earlier one any more, once from the event loop when the owner of the bell is gone.
   *
   * @returns false when they are gone already.
   */
  watchOwner(listener: () => void): boolean {
    this.#ownerGone = listener;
    if (this.#life !== undefined) return true;
    const life = openExisting(this.#path + LIFE, fs.O_RDONLY, this.#owner, openForHandle, systemCalls.close);
    if (life === undefined) return false;
    this.#life = listenTo(life, () => {}).once('end', () => this.#ownerGone?.());
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ownerGone = undefined;
    this.#life?.destroy();
    close(this.#bell);
  }
}

const ding = Uint8Array.of(1);

/** Creates a FIFO, opens it, and only then gives it its name: one with a name and no reader is always a dead one's. */
function hold(path: string, owner: number, opener: (path: string, flags: number) => number): number {
  const unfinished = path + UNFINISHED;
  rmSync(unfinished, { force: true });
  makeFifo(unfinished);
  try {
    if (owner !== process.getuid?.()) chownSync(unfinished, owner, -1);
    // Also open for writing, so that the last peer to leave does not make it report its end.
    const fd = opener(unfinished, fs.O_RDWR | fs.O_NONBLOCK | fs.O_NOFOLLOW);
    renameSync(unfinished, path);
    removeAtExit(path);
    return fd;
  } catch (error) {
    rmSync(unfinished, { force: true });
    if ((error as NodeJS.ErrnoException).syscall !== 'chown') throw error;
    throw new MemlaneError('ERR_MEMLANE_OWNER', `Besides its owner, user ${owner}, only root can be woken here`, {
      path,
      cause: error,
    });
  }
}

/** Opens somebody's FIFO; undefined when it is not there, or nobody reads what would be written. */
function openExisting(
  path: string,
  access: number,
  owner: number,
  opener: (path: string, flags: number) => number,
  closer: (fd: number) => void,
): number | undefined {
  let fd: number;
  try {
    fd = opener(path, access | fs.O_NONBLOCK | fs.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as LinuxError;
    if (code === 'ENXIO' || code === 'ENOENT') return undefined;
    throw error;
  }
  const { mode, uid } = status(fd);
  if ((mode & fs.S_IFMT) === fs.S_IFIFO && (uid === owner || uid === 0)) return fd;
  closer(fd);
  throw new MemlaneError('ERR_MEMLANE_CORRUPT', 'The bell is not a FIFO of the owner', { path, field: 'bell' });
}

/** What is read from a FIFO says nothing, so all of them are read into the same few bytes. */
const scratch = new Uint8Array(64);

/** Hands a descriptor to the event loop, unreferenced: from here on it is the socket's to close. */
function listenTo(fd: number, listener: () => void): Socket {
  const options: SocketConstructorOpts & ConnectOpts = {
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer: scratch,
      callback: () => {
        listener();
        return true;
      },
    },
  };
  const socket = new Socket(options);
  socket.on('error', () => {}); // a FIFO has none; but none may end the process
  return socket.unref();
}
