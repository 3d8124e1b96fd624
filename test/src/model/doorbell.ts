import { newFifo, openWord } from './kernel.ts';
import { place, placesOf } from './places.ts';
import { call, run, type Source } from './run.ts';

/*
 * What the module hook puts in the place of packages/core/src/doorbell.ts: the same two FIFOs a bell, without files. A
 * name is a word that holds the number of its FIFO; FIFOs are closed with their owner, names stay.
 *
 * Taken from fifo(7) and the kernel (fs/pipe.c): opening for writing without a reader fails; opening for reading
 * without a writer succeeds, and its end is not reported before a writer has come and gone.
 */

const LIFE = '.life';
const nameWord = (path: string): number => place(`name ${path.split('/').at(-1)?.split('.').slice(-3).join('.')}`);
const bytesWord = (fifo: number): number => place(`bytes ${fifo}`);

function makeFifo(path: string): number {
  const [fifo, name] = [newFifo(), nameWord(path)];
  const open = openWord(fifo);
  call(
    `make FIFO ${fifo}, ${path}`,
    () => [open, name],
    (store) => {
      store[open] = 1;
      store[name] = fifo;
      return 0;
    },
    true,
  );
  return fifo;
}

/** The FIFO of that name, negative when nobody holds it open; 0 when there is none. */
function openExisting(path: string): number {
  const name = nameWord(path);
  return call(
    `open ${path}`,
    () => [name, ...placesOf('open ')],
    (store) => {
      const fifo = store[name] as number;
      return fifo !== 0 && store[openWord(fifo)] === 0 ? -fifo : fifo;
    },
  );
}

export function removeBell(bell: string): void {
  for (const path of [bell, bell + LIFE]) {
    const name = nameWord(path);
    call(
      `remove ${path}`,
      () => [name],
      (store) => {
        store[name] = 0;
        return 0;
      },
      true,
    );
  }
}

export function sweepBells(): void {}

export class Doorbell {
  readonly #path: string;
  readonly #life: number;
  readonly #bell: number;
  #listener: (() => void) | undefined;

  constructor(path: string, _owner: number) {
    this.#path = path;
    this.#life = makeFifo(path + LIFE);
    this.#bell = makeFifo(path);
    const bytes = bytesWord(this.#bell);
    run().sources.push({
      label: `bell ${path}`,
      touches: bytes,
      fire: (store) => {
        const rung = store[bytes] === 1;
        store[bytes] = 0;
        return rung;
      },
      listener: () => this.#listener?.(),
    });
  }

  listen(listener: () => void, _keepAlive: boolean): void {
    this.#listener = listener;
  }

  /** No time passes here; and who is killed loses bell and lock at once, so nobody has to wait for the second. */
  ringItself(_afterMs: number): void {}

  ignore(): void {
    this.#listener = undefined;
  }

  close(): void {
    this.#listener = undefined;
    removeBell(this.#path);
    for (const fifo of [this.#bell, this.#life]) {
      const open = openWord(fifo);
      call(
        `close FIFO ${fifo}`,
        () => [open],
        (store) => {
          store[open] = 0;
          return 0;
        },
        true,
      );
    }
  }
}

export class BellRope {
  readonly #path: string;
  readonly #bell: number;
  #life: Source | undefined;
  #ownerGone: (() => void) | undefined;

  private constructor(path: string, bell: number) {
    this.#path = path;
    this.#bell = bell;
  }

  static grasp(path: string, _owner: number): BellRope | undefined {
    const bell = openExisting(path);
    return bell <= 0 ? undefined : new BellRope(path, bell);
  }

  pull(): void {
    const [open, bytes] = [openWord(this.#bell), bytesWord(this.#bell)];
    call(
      `write to FIFO ${this.#bell}`,
      () => [open, bytes],
      (store) => {
        store[bytes] = store[open] as number;
        return 0;
      },
      true,
    );
  }

  watchOwner(listener: () => void): boolean {
    this.#ownerGone = listener;
    if (this.#life !== undefined) return true;
    const path = this.#path + LIFE;
    const fifo = openExisting(path);
    if (fifo === 0) return false;
    const open = openWord(Math.abs(fifo));
    this.#life = {
      label: `end of ${path}`,
      touches: open,
      fire: (store) => fifo > 0 && store[open] === 0,
      listener: () => {
        this.#dropLife();
        this.#ownerGone?.();
      },
    };
    run().sources.push(this.#life);
    return true;
  }

  close(): void {
    this.#ownerGone = undefined;
    this.#dropLife();
  }

  #dropLife(): void {
    const { sources } = run();
    if (this.#life !== undefined && sources.includes(this.#life)) sources.splice(sources.indexOf(this.#life), 1);
  }
}
