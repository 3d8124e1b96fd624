import { writeFileSync } from 'node:fs';
import { END_MARK, type GroupRole } from './group-role.ts';
import { nowNs, report } from './role.ts';

/** How far one consumer came: what it prints, and src/group-sample.ts reads. */
export interface IntakeReport {
  readonly received: number;
  /** Messages between two readings of the clock, and these readings. */
  readonly every: number;
  readonly atNs: readonly number[];
  readonly startedNs: number;
  /** When the last message was in. */
  readonly endedNs: number;
  readonly faults: number;
  /** Whether it gave up when the time was over. */
  readonly stalled: boolean;
}

const checkpointsAWarmup = 16;

/**
 * What one consumer takes in (native/group.h does the same): how much by when, and whether each message is the one that
 * it has to be. Of an ordered stream the next one of each producer; of a work queue a later one than the last of the same
 * producer, and none that another consumer has, which a bit for each message shows when all are laid over each other.
 */
export class Intake {
  received = 0;
  readonly #role: GroupRole;
  readonly #shared: boolean;
  readonly #ordered: boolean;
  readonly #total: number;
  readonly #lastProducer: number;
  readonly #expected: Float64Array;
  readonly #seen: Uint8Array;
  readonly #every: number;
  readonly #atNs: number[] = [];
  #nextCheckpoint: number;
  #faults = 0;
  #startedNs = 0;
  #endedNs = 0;

  /** @param ordered false where what one takes in comes in no order, only once */
  constructor(role: GroupRole, { ordered = true }: { readonly ordered?: boolean } = {}) {
    const { producers, consumers, warmup, count } = role;
    this.#role = role;
    this.#ordered = ordered;
    this.#shared = role.variant.startsWith('workQueue');
    this.#total = count * producers;
    this.#lastProducer = producers - 1;
    this.#expected = Float64Array.from({ length: producers }, (_, producer) => producer);
    this.#seen = new Uint8Array(this.#shared ? Math.floor(this.#total / 8) + 1 : 0);
    const share = (warmup * producers) / (this.#shared ? consumers : 1);
    this.#every = Math.max(1, Math.floor(share / checkpointsAWarmup));
    this.#nextCheckpoint = this.#every;
  }

  start(): void {
    this.#startedNs = nowNs();
  }

  /** Whether everything that was ever sent is in: which a consumer of a work queue never knows. */
  get isComplete(): boolean {
    return !this.#shared && this.received === this.#total;
  }

  /** @returns false for an end mark. @param intact whether its payload is what goes with this stamp */
  take(stamp: number, intact: boolean): boolean {
    if (stamp === END_MARK && this.#shared) return false;
    if (!intact || !(stamp >= 0 && stamp < this.#total)) this.#faults++;
    else {
      const producer = stamp & this.#lastProducer;
      if (this.#shared) {
        if (this.#ordered && stamp < this.#expected[producer]) this.#faults++;
        this.#seen[stamp >>> 3] |= 1 << (stamp & 7);
      } else if (stamp !== this.#expected[producer]) this.#faults++;
      this.#expected[producer] = stamp + this.#lastProducer + 1;
    }
    if (++this.received === this.#nextCheckpoint) {
      this.#atNs.push(nowNs());
      this.#nextCheckpoint += this.#every;
    }
    return true;
  }

  /** Notes the time: the last message may have been the last. */
  mark(): void {
    this.#endedNs = nowNs();
  }

  report(): void {
    const { path, index } = this.#role;
    if (this.#shared) writeFileSync(`${path}.seen${index}`, this.#seen);
    const intake: IntakeReport = {
      received: this.received,
      every: this.#every,
      atNs: this.#atNs,
      startedNs: this.#startedNs,
      endedNs: this.#endedNs,
      faults: this.#faults,
      stalled: false,
    };
    report(intake);
  }
}
