import { type Counter, type Counters, openOrCreateCounters } from 'memlane';

/**
 * So many requests of a client a second, over all processes: one counter for each client and second. Never admits more; of two
 * that come at the same moment for the last place, it may refuse both.
 */
export class RateLimiter implements Disposable {
  readonly #counters: Counters;
  readonly #limit: number;
  /** Of this second: the counters that this process has looked up. */
  readonly #known = new Map<string, Counter>();
  #second = 0;

  constructor(name: string, limit: number) {
    this.#counters = openOrCreateCounters(name, { counters: 10_000, participants: 64 });
    this.#limit = limit;
  }

  /** Whether one more request of that client is within the limit. */
  admit(client: string): boolean {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) this.#turnTo(second);
    const counter = this.#counterOf(client);
    counter.increment();
    return !(counter.value > this.#limit); // NaN when somebody's clock is ahead of this one's: then it is over
  }

  #counterOf(client: string): Counter {
    const known = this.#known.get(client);
    if (known !== undefined) return known;
    const counter = this.#counters.counter(`${this.#second} ${client}`);
    this.#known.set(client, counter);
    return counter;
  }

  /** Forgets the seconds before the last one. All workers do: a counter that is gone is gone. */
  #turnTo(second: number): void {
    this.#second = second;
    this.#known.clear();
    for (const { label } of this.#counters.snapshot())
      if (Number.parseInt(label, 10) < second - 1) this.#counters.free(label);
  }

  [Symbol.dispose](): void {
    this.#counters.close();
  }
}
