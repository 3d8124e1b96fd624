// What every pinging program of the race does: send, take the time until the answer, and sum up in percentiles.
import { build } from 'hdr-histogram-js';
import { report, reportProgress } from '../role.ts';

/** What a pinging program reports. */
export interface Journey {
  readonly trips: number;
  /** Answers that were not the one expected. */
  readonly faults: number;
  readonly p50us: number;
  readonly p99us: number;
  readonly p999us: number;
}

const LONGEST_NS = 60e9;

export class RoundTrips {
  readonly #warmAt: number;
  readonly #endAt: number;
  readonly #histogram = build({
    bitBucketSize: 32,
    highestTrackableValue: LONGEST_NS,
    numberOfSignificantValueDigits: 3,
  });
  #trips = 0;
  #faults = 0;
  #sentAt = 0;

  constructor(warmupMs: number, measureMs: number) {
    this.#warmAt = performance.now() + warmupMs;
    this.#endAt = this.#warmAt + measureMs;
  }

  /** Number of the next message to be sent; undefined when the time is over. Starts the clock. */
  next(): number | undefined {
    this.#sentAt = performance.now();
    return this.#sentAt < this.#endAt ? this.#trips : undefined;
  }

  /** Checks the answer and stops the clock. @param number what {@link numberOf} found in it */
  answered(number: number): void {
    const now = performance.now();
    if (this.#sentAt >= this.#warmAt)
      this.#histogram.recordValue(Math.min(Math.round((now - this.#sentAt) * 1e6), LONGEST_NS));
    if (number !== this.#trips) this.#faults += 1;
    this.#trips += 1;
    reportProgress(this.#trips, now);
  }

  end(): void {
    const us = (percentile: number): number => this.#histogram.getValueAtPercentile(percentile) / 1000;
    const result: Journey = {
      trips: this.#trips,
      faults: this.#faults,
      p50us: us(50),
      p99us: us(99),
      p999us: us(99.9),
    };
    report({ result });
  }
}
