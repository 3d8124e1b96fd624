import { type Consumer, FULL, type Loss, type Producer, type RecordView } from 'memlane';
import { fault, fill, lengthOf, type Traffic } from './traffic.ts';

/*
 * A stream in which each message says its number by its type, and has a length and contents that follow from it. So a
 * reader that comes at any time knows by the first message where it is, and by each what the next one has to be.
 */

/** Writes numbered messages. */
export class Numbering {
  readonly producer: Producer;
  readonly #traffic: Traffic;
  /** Number of the next message. */
  next = 0;

  constructor(producer: Producer, traffic: Traffic, next = 0) {
    this.producer = producer;
    this.#traffic = traffic;
    this.next = next;
  }

  /** Writes up to `count` messages; returns how many found room. */
  write(count: number): number {
    let written = 0;
    while (written < count && this.claim()) {
      this.producer.commit();
      written += 1;
    }
    return written;
  }

  /** Claims and fills the next message, without committing it. */
  claim(): boolean {
    const { producer, next } = this;
    const length = lengthOf(this.#traffic, next);
    const offset = producer.tryClaim(length, next);
    if (offset === FULL) return false;
    fill(producer.view.u8, offset, length, this.#traffic, next);
    this.next += 1;
    return true;
  }

  /** Length of the message that is next. */
  get length(): number {
    return lengthOf(this.#traffic, this.next);
  }
}

/** Checks that numbered messages come whole, each once, in order, with no gap that was not announced. */
export class Reckoning {
  readonly #traffic: Traffic;
  /** Number of the message that is due; undefined until the first one says. */
  due: number | undefined;
  read = 0;
  lost = 0;
  losses = 0;

  constructor(traffic: Traffic, due?: number) {
    this.#traffic = traffic;
    this.due = due;
  }

  /** For {@link ConsumerOptions.onLoss}. */
  readonly onLoss = ({ records }: Loss): void => {
    this.losses += 1;
    // Of a name that was away too long only the bytes are known: the next message says where it goes on.
    if (records === undefined) this.due = undefined;
    else {
      this.lost += records;
      if (this.due !== undefined) this.due += records;
    }
  };

  /** For {@link Consumer.poll}. */
  readonly handle = (view: RecordView, offset: number, length: number, type: number): void => {
    const number = this.due ?? type;
    const wrong = fault(view.u8, offset, length, type, this.#traffic, number);
    if (wrong !== undefined) throw new Error(wrong);
    this.due = number + 1;
    this.read += 1;
  };

  /** Checks everything that is there. */
  readAll(consumer: Consumer): void {
    while (consumer.poll(this.handle) > 0);
  }
}
