import { ok } from 'node:assert';
import type { Consumer } from 'memlane';
import { fault, type Traffic } from '../ring/traffic.ts';
import type { Random } from '../support/random.ts';

/** Reads in turn in every way, and looks whether each message is the one that is due. */
export class Reader {
  readonly consumer: Consumer;
  readonly #traffic: Traffic;
  readonly #random: Random;
  #tolerance: number;
  n = 0;

  /**
   * @param tolerance how many messages may be wrong.
   */
  constructor(consumer: Consumer, traffic: Traffic, random: Random, tolerance: number) {
    this.#random = random;
    this.consumer = consumer;
    this.#traffic = traffic;
    this.#tolerance = tolerance;
  }

  get traffic(): Traffic {
    return this.#traffic;
  }

  read(): number {
    if (this.#random.chance(0.3)) return this.#poll();
    const message = this.consumer.tryRead();
    if (message === null) return 0;
    this.take(message.data, message.type);
    return 1;
  }

  take(data: Uint8Array, type: number): void {
    const wrong = fault(data, 0, data.length, type, this.#traffic, this.n);
    ok(wrong === undefined || --this.#tolerance >= 0, wrong);
    this.n += 1;
  }

  /** What a handler sees counts when the poll returns: only then is it known that no page was gone. */
  #poll(): number {
    const seen: { data: Uint8Array; type: number }[] = [];
    const count = this.consumer.poll(
      ({ u8 }, offset, length, type) => {
        seen.push({ data: u8.slice(offset, offset + length), type });
      },
      this.#random.between(1, 20),
    );
    for (const { data, type } of seen) this.take(data, type);
    return count;
  }
}
