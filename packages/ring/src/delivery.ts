import { checkOptions, MemlaneError, throwArgument } from '@memlane/linux';
import type { RecordView } from './lane-memory.ts';

/** Longest time for which a message may be given back. */
const MAX_DELAY_MS: number = 2 ** 40;

/** How a message is given back. */
export interface NackOptions {
  /** It is not to be taken again before so many milliseconds have passed. Default 0. */
  readonly delayMs?: number;
}

/** What a delivery needs of its consumer. */
export interface Settlement {
  acknowledge(index: number, length: number): void;
  giveBack(index: number, delayMs: number): void;
}

/** Where a message is, and what it says of itself. */
export interface DeliveredMessage {
  readonly view: RecordView;
  readonly offset: number;
  readonly length: number;
  readonly type: number;
  readonly deliveries: number;
}

/**
 * One message of a work queue, in place: its consumer's alone until it is acknowledged or given back. Given back at the end
 * of a `using` scope, unless it was acknowledged before.
 *
 * @example
 * using delivery = consumer.tryTake();
 * if (delivery !== null) {
 *   await handle(delivery.data);
 *   delivery.ack();
 * }
 */
export class Delivery implements Disposable {
  /** The memory of the messages: this one is at {@link offset}, {@link length} bytes long. */
  readonly view: RecordView;
  readonly offset: number;
  readonly length: number;
  /** The number that its producer gave it. */
  readonly type: number;
  /** How many times it has been taken, this time included. */
  readonly deliveries: number;
  readonly #index: number;
  readonly #settlement: Settlement;
  #settled = false;

  /** Deliveries come from a {@link WorkConsumer}. */
  constructor(message: DeliveredMessage, index: number, settlement: Settlement) {
    this.view = message.view;
    this.offset = message.offset;
    this.length = message.length;
    this.type = message.type;
    this.deliveries = message.deliveries;
    this.#index = index;
    this.#settlement = settlement;
  }

  /** The payload, in place: after the delivery has been settled, this memory may be another message's. */
  get data(): Buffer {
    this.#expectOpen();
    return this.view.buffer.subarray(this.offset, this.offset + this.length);
  }

  /** Whether it has been acknowledged or given back. */
  get settled(): boolean {
    return this.#settled;
  }

  /**
   * Says that the message is done with: nobody gets it again.
   *
   * @throws ERR_MEMLANE_CLOSED when it is settled already, or its consumer is closed; ERR_MEMLANE_TRUNCATED and the like when
   *   what was read may not have been the message, because the file was cut.
   */
  ack(): void {
    this.#expectOpen();
    this.#settlement.acknowledge(this.#index, this.length);
    this.#settled = true;
  }

  /**
   * Gives the message back, for any consumer to take; as a dead letter when it has been delivered too often.
   *
   * @throws ERR_MEMLANE_CLOSED, as {@link ack}; ERR_MEMLANE_ARGUMENT.
   */
  nack(options: NackOptions = {}): void {
    this.#expectOpen();
    const { delayMs = 0 } = checkOptions('options', options);
    if (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs <= MAX_DELAY_MS))
      throwArgument('delayMs', delayMs, `a number of milliseconds from 0 to ${MAX_DELAY_MS}`);
    this.#settlement.giveBack(this.#index, Math.ceil(delayMs));
    this.#settled = true;
  }

  [Symbol.dispose](): void {
    if (this.#settled) return;
    try {
      this.nack();
    } catch (error) {
      // What the consumer had when it was closed has been given back by that.
      if ((error as MemlaneError).code !== 'ERR_MEMLANE_CLOSED') throw error;
    }
  }

  #expectOpen(): void {
    if (this.#settled)
      throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The delivery has been acknowledged or given back already');
  }
}
