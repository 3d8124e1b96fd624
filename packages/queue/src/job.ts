import type { Delivery, NackOptions } from '@memlane/ring';

/**
 * One message, received: this receiver's alone until it is acknowledged or given back. Given back at the end of a `using`
 * scope, unless it was acknowledged before.
 *
 * @example
 * using job = await orders.receive();
 * if (job !== null) {
 *   await handle(job.value);
 *   job.ack();
 * }
 */
export class Job<Value> implements Disposable {
  /** The message. The receiver's own: nothing in it is the queue's memory. */
  readonly value: Value;
  readonly #delivery: Delivery;
  readonly #acknowledged: () => void;

  /** Jobs come from a {@link Queue}. */
  constructor(value: Value, delivery: Delivery, acknowledged: () => void) {
    this.value = value;
    this.#delivery = delivery;
    this.#acknowledged = acknowledged;
  }

  /** How many times it has been received, this time included. */
  get deliveries(): number {
    return this.#delivery.deliveries;
  }

  /** Whether it has been acknowledged or given back. */
  get settled(): boolean {
    return this.#delivery.settled;
  }

  /** Says that the message is done with: nobody gets it again. @throws ERR_MEMLANE_CLOSED when it is settled already */
  ack(): void {
    this.#delivery.ack();
    this.#acknowledged();
  }

  /** Gives the message back, for any receiver to take; as a dead letter when it has been received too often. @throws as {@link ack} */
  nack(options: NackOptions = {}): void {
    this.#delivery.nack(options);
  }

  [Symbol.dispose](): void {
    this.#delivery[Symbol.dispose]();
  }
}
