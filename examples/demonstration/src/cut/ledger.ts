// Counts what arrives against what is due: messages are numbered from 0 without a gap.

/** What became of the messages. */
export interface Balance {
  /** All that came, wrong and repeated ones included. */
  readonly received: number;
  /** Numbers that were passed over. */
  readonly lost: number;
  /** Messages whose number had been there before. */
  readonly repeated: number;
  /** Messages of which not every byte was right. */
  readonly wrong: number;
  /** The number that would come next. */
  readonly due: number;
}

export class Ledger implements Balance {
  received = 0;
  lost = 0;
  repeated = 0;
  wrong = 0;
  due = 0;

  /** Enters the next message. @param number what {@link numberOf} found in it */
  enter(number: number): void {
    this.received += 1;
    if (number === this.due) {
      this.due += 1;
    } else if (Number.isNaN(number)) {
      this.wrong += 1;
      this.due += 1; // it stands where the one that was due should be
    } else if (number < this.due) {
      this.repeated += 1;
    } else {
      this.lost += number - this.due;
      this.due = number + 1;
    }
  }
}
