// What every receiver of the race does: check each message, count, and take the time.
import { report, reportProgress } from '../role.ts';

/** What a receiver reports. */
export interface Reception {
  readonly received: number;
  /** Messages that were not the one expected. */
  readonly faults: number;
  readonly perSecond: number;
}

export class Arrivals {
  readonly #warmupMs: number;
  #received = 0;
  #faults = 0;
  #firstAt = 0;
  /** When the warm-up was over, and how many had come by then. */
  #warmAt = 0;
  #warmMessages = 0;
  #lastAt = 0;

  constructor(warmupMs: number) {
    this.#warmupMs = warmupMs;
  }

  /** Checks the next message. @param number what {@link numberOf} found in it */
  check(number: number): void {
    if (number !== this.#received) this.#faults += 1;
    this.#received += 1;
  }

  /** Takes the time. Called after every batch, as the means of transport hands them over. */
  clock(): void {
    const now = performance.now();
    if (this.#firstAt === 0) this.#firstAt = now;
    if (this.#warmAt === 0 && now - this.#firstAt >= this.#warmupMs) {
      this.#warmAt = now;
      this.#warmMessages = this.#received;
    }
    this.#lastAt = now;
    reportProgress(this.#received, now);
  }

  end(): void {
    const perSecond = (1000 * (this.#received - this.#warmMessages)) / (this.#lastAt - this.#warmAt);
    const result: Reception = { received: this.#received, faults: this.#faults, perSecond };
    report({ result });
  }
}
