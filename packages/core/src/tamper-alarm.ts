import { type FSWatcher, watch } from 'node:fs';

/** Where the user has no inotify instance left. */
const FALLBACK_MS = 1000;

/**
 * Tells, from the event loop, that somebody has changed a file by other means than through a mapping of it: cut it, grown
 * it, written to it, punched a hole, renamed, replaced or deleted it. Stores through mappings raise none (inotify does not
 * see them), so a healthy exchange is silent. News, not protection: it comes up to a millisecond late.
 *
 * Does not keep the process alive. Where the user has no inotify instance left, it goes off every second instead.
 */
export class TamperAlarm {
  readonly #watcher: FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param fd open, of the file itself: its name may mean another one at any time. */
  constructor(fd: number, listener: () => void) {
    try {
      this.#watcher = watch(`/proc/self/fd/${fd}`, { persistent: false }, listener);
      this.#watcher.on('error', () => {});
    } catch {
      // EMFILE, ENOSPC (fs.inotify.max_user_*), or no /proc.
      this.#timer = setInterval(listener, FALLBACK_MS).unref();
    }
  }

  close(): void {
    this.#watcher?.close();
    clearInterval(this.#timer);
  }
}
