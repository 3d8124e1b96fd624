// Where everything happens: a folder for all files, the processes at work, and the end of both.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Actor } from './actor.ts';
import { makeDirectory, removeDirectory } from './directory.ts';

/** Of removing the folder, each with a pause: those who might still put a file there have been killed. */
const MOST_ATTEMPTS = 20;

export class Stage {
  /** Every file of the demonstration lies here: rings, their bells, sockets. */
  readonly directory: string;
  readonly #actors = new Set<Actor>();
  readonly #failure = new AbortController();

  constructor() {
    this.directory = makeDirectory();
    startJanitor(this.directory);
  }

  /** Aborted, with the error as its reason, when a program fails that nobody has killed. */
  get signal(): AbortSignal {
    return this.#failure.signal;
  }

  /** Path of a file with that name. A path, because a bare name would put the ring among those of the user's programs. */
  path(name: string): string {
    return join(this.directory, name);
  }

  /** Starts a program in a process of its own. */
  start<Result>(program: URL, ...args: readonly (string | number)[]): Actor<Result> {
    return this.#enter(new Actor<Result>(program, args));
  }

  /** As {@link start}, where the program may die of what it does: its end, of whatever kind, is no failure. */
  startDoomed<Result>(program: URL, ...args: readonly (string | number)[]): Actor<Result> {
    return this.#enter(new Actor<Result>(program, args, true));
  }

  /** The value of a promise, unless a program fails first. */
  async while<Value>(promise: Promise<Value>): Promise<Value> {
    const { signal } = this;
    signal.throwIfAborted();
    let abandon = (): void => {};
    const failed = new Promise<never>((_, reject) => {
      abandon = () => reject(signal.reason);
      signal.addEventListener('abort', abandon);
    });
    try {
      return await Promise.race([promise, failed]);
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }

  /** Kills a process as `kill -9` does, and waits until it is gone. */
  async kill(actor: Actor): Promise<void> {
    this.#actors.delete(actor); // its end is no failure
    actor.kill();
    await actor.gone;
  }

  #enter<Result>(actor: Actor<Result>): Actor<Result> {
    this.#actors.add(actor);
    actor.result.catch((error) => {
      if (this.#actors.has(actor) && !actor.isDoomed) this.#failure.abort(error);
    });
    void actor.gone.then(() => this.#actors.delete(actor));
    return actor;
  }

  /** Ends everything. Synchronous: also the last thing to be done on a signal. */
  end(): void {
    for (const actor of this.#actors) actor.kill();
    this.#actors.clear();
    for (let attempt = 0; !removeDirectory(this.directory) && attempt < MOST_ATTEMPTS; ) attempt++;
  }
}

/** Starts the process that tidies up if this one is killed. Detached: what Ctrl-C ends is only the foreground. */
function startJanitor(directory: string): void {
  const program = fileURLToPath(new URL('./programs/janitor.js', import.meta.url));
  const janitor = spawn(process.execPath, [program, directory], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  janitor.stdin.on('error', () => {});
  janitor.unref();
  (janitor.stdin as unknown as { unref(): void }).unref();
}
