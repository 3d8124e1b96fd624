import type { Case } from './case.ts';
import type { Measurement } from './sample.ts';

/** A third of a run comes on top of it as warm-up, for the optimizing compiler. */
const warmupShare = 1 / 3;
const fewestMessages = 60;
const firstGuessMessages = 20_000;
const firstGuessBytes = 32 << 20;
/** A tail needs numbers, and a sleeping round trip makes few a second. */
const roundTripFactor = 2;

export interface MessageCounts {
  readonly warmup: number;
  readonly measured: number;
}

/** How many messages of a case take about as long as a sample should, learnt from the samples so far. */
export class RunLengths {
  readonly #sampleSeconds: number;
  readonly #perSecond = new Map<Case, number>();

  constructor(sampleSeconds: number) {
    this.#sampleSeconds = sampleSeconds;
  }

  /** @param share of a full sample, less for a first try */
  counts(subject: Case, share = 1): MessageCounts {
    const perSecond = this.#perSecond.get(subject);
    const seconds = this.#sampleSeconds * share * (subject.kind === 'roundTrip' ? roundTripFactor : 1);
    const wanted =
      perSecond === undefined ? Math.min(firstGuessMessages, firstGuessBytes / subject.sizeBytes) : perSecond * seconds;
    const fewest = (subject.fewestEach ?? 0) * (subject.shape?.producers ?? 1);
    const measured = Math.max(fewestMessages, fewest, Math.round(wanted));
    return { warmup: Math.ceil(measured * warmupShare), measured };
  }

  learn(subject: Case, { messages, elapsedNs, roundTripNs }: Measurement): void {
    this.#perSecond.set(subject, roundTripNs ? 1e9 / roundTripNs.p50 : (messages / (elapsedNs ?? Number.NaN)) * 1e9);
  }
}
