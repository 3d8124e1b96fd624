import { performance } from 'node:perf_hooks';
import { build, type Histogram } from 'hdr-histogram-js';

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface RoundTripSummary {
  readonly roundTripNs: Percentiles;
  readonly clockNs: number;
}

/**
 * Times round trips from reply to reply with one reading of the clock each, so that nothing is left out; what that
 * reading costs is taken off afterwards, in JavaScript as in C (native/harness.h), because it is not the same there.
 */
export class GapRecorder {
  readonly #gapsNs: Float64Array;
  #lastMs = performance.now();

  constructor(count: number) {
    this.#gapsNs = new Float64Array(count);
  }

  /** Notes the end of round trip `index` and the start of the next; a negative index is warm-up. */
  mark(index: number): void {
    const nowMs = performance.now();
    if (index >= 0) this.#gapsNs[index] = (nowMs - this.#lastMs) * 1e6;
    this.#lastMs = nowMs;
  }

  summary(): RoundTripSummary {
    const clockNs = clockCostNs();
    const histogram = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: 60e9,
      numberOfSignificantValueDigits: 3,
    });
    for (const gapNs of this.#gapsNs) histogram.recordValue(Math.max(0, Math.round(gapNs - clockNs)));
    return { roundTripNs: percentiles(histogram), clockNs };
  }
}

function percentiles(histogram: Histogram): Percentiles {
  const [p50, p99, p999] = [50, 99, 99.9].map((percent) => histogram.getValueAtPercentile(percent));
  return { p50, p99, p999, max: histogram.maxValue };
}

/** The median gap between readings of the clock made back to back. */
function clockCostNs(): number {
  const gapsNs = new Float64Array(100_001);
  let lastMs = performance.now();
  for (let at = 0; at < gapsNs.length; at++) {
    const nowMs = performance.now();
    gapsNs[at] = (nowMs - lastMs) * 1e6;
    lastMs = nowMs;
  }
  return Math.round(gapsNs.sort()[gapsNs.length >> 1]);
}
