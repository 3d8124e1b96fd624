import { nextTurn, OPERATIONS_A_TURN } from '@memlane/core';
import { throwArgument } from '@memlane/linux';

/** Awaited writes of one producer: those that were begun one after the other arrive in that order, awaited or not. */
export class OrderedWrites {
  /** Writes that found room at once, since the event loop was last let turn for them. */
  #atOnce = 0;
  /** Writes that wait for room, and the end of the last of them. */
  #queued = 0;
  #lastQueued: Promise<void> = Promise.resolve();

  /**
   * Writes as soon as those before have, and there is room.
   *
   * @param tryWrite whether there was room.
   * @param room resolves when there may be.
   */
  async write(
    tryWrite: () => boolean,
    room: (signal: AbortSignal | undefined) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#queued === 0 && tryWrite()) {
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
      while (!tryWrite()) await room(signal);
    } finally {
      this.#queued -= 1;
      done(before); // not at once: an aborted write must not let the next one overtake those before it
    }
  }
}

/** Bytes that a message takes. @throws ERR_MEMLANE_ARGUMENT when it is none. */
export function lengthOf(message: Uint8Array | string): number {
  if (typeof message === 'string') return Buffer.byteLength(message);
  if (!(message instanceof Uint8Array)) throwArgument('message', message, 'a Uint8Array, a Buffer or a string');
  return message.length;
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
