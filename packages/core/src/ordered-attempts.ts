import { nextTurn, OPERATIONS_A_TURN } from './endpoint.ts';

/**
 * Awaited attempts of one endpoint, at writing for example: those that were begun one after the other succeed in that order,
 * awaited or not.
 */
export class OrderedAttempts {
  /** Attempts that succeeded at once, since the event loop was last let turn for them. */
  #atOnce = 0;
  /** Those that wait, and the end of the last of them. */
  #queued = 0;
  #lastQueued: Promise<void> = Promise.resolve();

  /**
   * Succeeds as soon as those before have, and it can.
   *
   * @param attempt returns whether it has succeeded.
   * @param chance resolves when it may.
   */
  async make(
    attempt: () => boolean,
    chance: (signal: AbortSignal | undefined) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#queued === 0 && attempt()) {
      this.#atOnce = (this.#atOnce + 1) % OPERATIONS_A_TURN;
      return this.#atOnce === 0 ? nextTurn() : undefined;
    }
    const before = this.#lastQueued;
    let done: (value: Promise<void>) => void = () => {};
    this.#queued += 1;
    this.#lastQueued = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await abortable(before, signal);
      while (!attempt()) await chance(signal);
    } finally {
      this.#queued -= 1;
      done(before); // not at once: an aborted one must not let the next one overtake those before it
    }
  }
}

/** The promise, or the signal's reason when that comes first. */
function abortable(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}
