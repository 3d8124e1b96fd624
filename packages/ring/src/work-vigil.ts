import { Audience, type SlotRow, type SlotTable } from '@memlane/core';

/** As for waits: see work-endpoint.ts and waiting.ts. */
const SLICE_MS = 100;
const UNSETTLED_MS = 10;

/**
 * A watch over those who may have somebody's messages, for as long as that one waits for what comes of them. It sleeps in no
 * slot: who parks as a producer is rung for room, once for each message that is done with.
 */
export class WorkVigil implements Disposable {
  readonly #audience: Audience;
  readonly #look: (failure?: unknown) => boolean;
  readonly #sweep: () => boolean;
  #timer: NodeJS.Timeout | undefined;
  #isKept = false;
  #closed = false;

  /**
   * @param row those who are watched.
   * @param sweep gives back what the dead have held; returns whether it looked.
   * @param look called after that, with what has failed in it, if anything; returns whether to go on. Must not throw.
   */
  constructor(table: SlotTable, row: SlotRow, sweep: () => boolean, look: (failure?: unknown) => boolean) {
    this.#audience = new Audience(table, row);
    this.#sweep = sweep;
    this.#look = look;
  }

  /** Begins, or goes on. Costs nothing while it is kept. */
  keep(): void {
    if (this.#isKept || this.#closed) return;
    this.#isKept = true;
    this.#timer = setTimeout(this.#tend, 0).unref();
  }

  close(): void {
    this.#closed = true;
    this.#isKept = false;
    clearTimeout(this.#timer);
    this.#audience.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** At each death, and now and then: somebody may have come, taken a message and died since the last look. */
  readonly #tend = (): void => {
    if (!this.#isKept) return;
    clearTimeout(this.#timer);
    let isUnsettled = false;
    try {
      for (const peer of this.#audience.peers) if (!peer.watchDeath(this.#tend) && peer.isInTransit) isUnsettled = true;
      // After that: who is not watched by now is gone, with everything it stored.
      if (!this.#sweep()) isUnsettled = true;
      this.#isKept = this.#look();
    } catch (error) {
      this.#isKept = this.#look(error);
    }
    if (this.#isKept && !this.#closed)
      this.#timer = setTimeout(this.#tend, isUnsettled ? UNSETTLED_MS : SLICE_MS).unref();
  };
}
