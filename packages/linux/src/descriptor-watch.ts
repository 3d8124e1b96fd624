import './platform.ts';
import { constants } from 'node:fs';
import koffi from 'koffi';
import { throwArgument } from './errors.ts';
import { status } from './files.ts';

/** A descriptor watched by the event loop of this thread. */
export interface DescriptorWatch {
  /** Keeps the process alive while the watch is open (the state it starts in is unreferenced). */
  ref(): void;
  /** Lets the process end although the watch is open. */
  unref(): void;
  /** Stops watching. Call it before the descriptor is closed; idempotent. */
  close(): void;
}

/**
 * Every open watch of this thread, by descriptor. The map is what keeps the native handles referenced (a handle that is
 * garbage-collected goes silent), and what refuses a second watch on one descriptor, which would abort the process.
 */
const open = new Map<number, DescriptorWatch>();

/**
 * Calls `listener` from the event loop whenever `fd` is readable (level-triggered: drain it, or it calls again at once).
 *
 * @throws ERR_MEMLANE_ARGUMENT when this thread watches `fd` already, or nothing can be waited for there; LinuxError EBADF.
 * @example
 * const watch = watchReadable(fd, () => drain(fd));
 */
export function watchReadable(fd: number, listener: () => void): DescriptorWatch {
  return watch(fd, { readable: true }, listener);
}

/**
 * Calls `listener` once from the event loop when the other side of a pipe, FIFO or socket is gone: for the write end of
 * a FIFO, when its last reader has closed it or died.
 *
 * @throws ERR_MEMLANE_ARGUMENT when this thread watches `fd` already, or nothing can be waited for there; LinuxError EBADF.
 * @example
 * const watch = watchHangup(writeEnd, () => { watch.close(); closeSync(writeEnd); });
 */
export function watchHangup(fd: number, listener: () => void): DescriptorWatch {
  return watch(fd, { disconnect: true }, listener);
}

function watch(
  fd: number,
  events: { readable?: boolean; disconnect?: boolean },
  listener: () => void,
): DescriptorWatch {
  if (open.has(fd)) throwArgument('fd', fd, 'a descriptor that this thread does not watch yet');
  // koffi aborts the process when the kernel refuses to watch.
  const type = status(fd).mode & constants.S_IFMT;
  if (type === constants.S_IFREG || type === constants.S_IFDIR)
    throwArgument('fd', fd, 'a descriptor that can be waited for, of a FIFO or a socket for example');
  // For a FIFO whose readers are gone libuv reports an error status and no event, so the arguments say nothing.
  // Through an immediate, which runs in the same turn of the event loop: koffi calls back by napi_call_function, and from
  // such a call no promise goes on before Node itself calls something (always since Node 26.4, nodejs/node#62969).
  const handle = koffi.node.poll(fd, events, () => setImmediate(call));
  handle.unref();
  const call = (): void => {
    if (open.get(fd) === watching) listener();
  };
  const watching: DescriptorWatch = {
    ref: () => {
      if (open.get(fd) === watching) handle.ref();
    },
    unref: () => {
      if (open.get(fd) === watching) handle.unref();
    },
    close: () => {
      if (open.get(fd) !== watching) return;
      open.delete(fd);
      handle.close();
    },
  };
  open.set(fd, watching);
  return watching;
}
