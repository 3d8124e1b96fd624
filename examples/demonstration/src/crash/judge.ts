// Hears of every message that any consumer has handled, in the order in which they were handled, and knows what is due.
import { setImmediate } from 'node:timers/promises';
import type { Consumer, RecordView } from 'memlane';

/** A report: the number of the message and the generation of its producer. Its record's type is that of its consumer. */
export const REPORT_BYTES = 16;

/** What was seen when a killed process was followed by the next. */
export interface Succession {
  /** The number that was due when the first message of the new one came. */
  readonly due: number;
  readonly first: number;
}

/** Reports that are heard before the event loop gets a turn. */
const HEARING = 4096;

export class Judge {
  /** One more than the highest number so far. */
  due = 0;
  /** Numbers that were passed over. */
  lost = 0;
  /** Messages of which not every byte was right, or that were out of order although nobody had died. */
  faults = 0;
  readonly successions: Succession[] = [];
  readonly #reports: Consumer;
  #last = -1;
  #consumer = 1;
  #producer = 1;

  constructor(reports: Consumer) {
    this.#reports = reports;
  }

  /** How many messages came again. */
  get twice(): number {
    return this.#repetitions.reduce((sum, count) => sum + count, 0);
  }

  /** How many came again after one death, at the most. */
  get mostTwice(): number {
    return Math.max(0, ...this.#repetitions);
  }

  get #repetitions(): number[] {
    return this.successions.map(({ due, first }) => Math.max(0, due - first));
  }

  /** Hears until something has come true. @throws (rejects) the signal's reason; an Error when the reports end before */
  async hearUntil(condition: () => boolean, signal: AbortSignal, onProgress: (due: number) => void): Promise<void> {
    while (!condition()) {
      if (this.#reports.poll(this.#hear, HEARING) > 0) {
        onProgress(this.due);
        await setImmediate(); // a wait that finds something at once would not let signals and timers through
      } else if (this.#reports.isEnded) {
        throw new Error(`The reports ended when message ${this.due} was due`);
      } else {
        await this.#reports.wait({ signal });
      }
    }
  }

  get hasHeardAll(): boolean {
    return this.#reports.isEnded;
  }

  readonly #hear = ({ f64 }: RecordView, offset: number, _length: number, consumer: number): void => {
    const number = f64[offset >> 3];
    const producer = f64[(offset >> 3) + 1];
    if (consumer !== this.#consumer || producer !== this.#producer) {
      this.#consumer = consumer;
      this.#producer = producer;
      this.successions.push({ due: this.due, first: number });
    } else if (number !== this.#last + 1) {
      this.faults += 1; // also when it is NaN, which stands for damaged bytes
    }
    this.#last = number;
    if (number > this.due) this.lost += number - this.due;
    if (number >= this.due) this.due = number + 1;
  };
}
