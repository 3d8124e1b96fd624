import type { RequestHead } from './service-protocol.ts';

/** A request that is being handled. */
export class RunningRequest {
  readonly head: RequestHead;
  readonly deliveries: number;
  readonly #controller = new AbortController();
  /** Items of a stream that were let go, and that the client has read. */
  #gone = 0;
  #granted = 0;
  #wake: (() => void) | undefined;

  constructor(head: RequestHead, deliveries: number) {
    this.head = head;
    this.deliveries = deliveries;
  }

  /** Aborts when nobody waits for the reply any more. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
    this.#wake?.();
  }

  /** The client has read so many items. */
  grant(items: number): void {
    if (items > this.#granted) this.#granted = items;
    this.#wake?.();
  }

  /** Resolves when another item may go. @throws (rejects) the reason of the abort */
  async mayGoOn(): Promise<void> {
    this.signal.throwIfAborted();
    while (this.#gone - this.#granted >= this.head.window) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
      this.signal.throwIfAborted();
    }
    this.#gone += 1;
  }
}
