import type { RecordView } from './lane-memory.ts';
import type { Handler, LaneReader } from './lane-reader.ts';
import type { Lanes } from './lanes.ts';

/** What a group needs of the ring that its lanes are in. */
export interface LaneSource {
  readonly lanes: Lanes;
  /** Makes the reader of a lane, once. */
  open(lane: number): LaneReader;
  /** Whether the lane's producer is alive. A system call. */
  isAlive(lane: number): boolean;
  /** Called when space of the lane was given back. */
  wakeProducer(lane: number): void;
}

/*
 * Reads the lanes of many producers as if they were one. Each has its turn: a poll begins at the lane after that at which
 * the last one began, and takes of each what was there when it came to it, so nobody is left out however fast another
 * is (the polling of Aeron's subscriptions). The order of one producer is kept; between producers there is none.
 *
 * Only lanes that have, or had, a producer are looked at: a word that each of them raises when it comes says when to look
 * for new ones.
 */

/** A lane with a producer, and its reader. */
interface Member {
  readonly lane: number;
  readonly reader: LaneReader;
}

/** The readers of many lanes, through one cursor of each. */
export class LaneGroup {
  readonly #source: LaneSource;
  /** All that were ever made, by lane. */
  readonly #readers: (LaneReader | undefined)[] = [];
  /** Those that are looked at. */
  #members: Member[] = [];
  #changes: number | undefined;
  /** Where the next poll begins. */
  #turn = 0;
  /** Whose record was found last. */
  #current: LaneReader | undefined;
  #closed = false;
  releasedRecords = 0;
  releasedBytes = 0;
  highWaterBytes = 0;

  constructor(source: LaneSource) {
    this.#source = source;
  }

  /** As {@link LaneReader.poll}. */
  poll(handler: Handler, limit: number, giveBack: () => void): number {
    this.#gather();
    const members = this.#members;
    const first = this.#turn;
    this.#turn = first + 1 < members.length ? first + 1 : 0;
    let count = 0;
    for (let step = 0; step < members.length && count < limit; step++) {
      const at = first + step;
      const { reader } = members[at < members.length ? at : at - members.length];
      count += reader.poll(handler, limit - count, giveBack);
      if (reader.stopped) break;
    }
    return count;
  }

  /** As {@link LaneReader.peek}; of the next lane that has a record. */
  peek(): number {
    this.#gather();
    const members = this.#members;
    for (let step = 0; step < members.length; step++) {
      const { reader } = members[this.#turn];
      this.#turn = this.#turn + 1 < members.length ? this.#turn + 1 : 0;
      const offset = reader.peek();
      if (offset < 0) continue;
      this.#current = reader;
      return offset;
    }
    return -1;
  }

  get peekedLength(): number {
    return this.#current?.peekedLength ?? 0;
  }

  /** What the record that was found is in. */
  get view(): RecordView {
    return (this.#current as LaneReader).view;
  }

  typeAt(offset: number): number {
    return (this.#current as LaneReader).typeAt(offset);
  }

  pass(): void {
    this.#current?.pass();
  }

  /** As {@link LaneReader.release}, for all lanes; wakes the producers that wait for it. */
  release(): boolean {
    const members = this.#members;
    this.releasedRecords = 0;
    this.releasedBytes = 0;
    let released = false;
    for (let at = 0; at < members.length; at++) {
      const { lane, reader } = members[at];
      if (!reader.release()) continue;
      released = true;
      this.releasedRecords += reader.releasedRecords;
      this.releasedBytes += reader.releasedBytes;
      if (reader.highWaterBytes > this.highWaterBytes) this.highWaterBytes = reader.highWaterBytes;
      this.#source.wakeProducer(lane);
    }
    return released;
  }

  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader?.close();
  }

  get unreleasedBytes(): number {
    return this.#members.reduce((sum, { reader }) => sum + reader.unreleasedBytes, 0);
  }

  get atBatchEnd(): boolean {
    return this.#current?.atBatchEnd ?? true;
  }

  hasRecord(): boolean {
    this.#gather();
    const members = this.#members;
    for (let at = 0; at < members.length; at++) if (members[at].reader.hasRecord()) return true;
    return false;
  }

  /**
   * Whether at least one producer has said that no more will come, none is attached that has not, and everything has been
   * handled. One that closed or died without saying so does not hold up the end: there may be no successor.
   */
  isDrained(): boolean {
    const { lanes, isAlive } = this.#source;
    const { producers } = lanes.facts;
    // First, and without a system call: usually nobody has.
    let lane = 0;
    while (lane < producers && !lanes.isEnded(lane)) lane += 1;
    if (lane === producers) return false;
    let isEnded = false;
    for (lane = 0; lane < producers; lane++)
      if (lanes.isEnded(lane)) isEnded = true;
      else if (isAlive(lane)) return false;
    return isEnded && !this.hasRecord();
  }

  /** Stops looking at the lanes that have nothing more to give, as `isDone` finds. */
  leaveOut(isDone: (lane: number) => boolean): void {
    // Also at those whose producers have died before they could tell that they had come.
    this.#changes = undefined;
    this.#gather();
    const left = this.#members.filter(
      ({ lane, reader }) => reader.hasRecord() || reader.unreleasedBytes > 0 || !isDone(lane),
    );
    if (left.length === this.#members.length) return;
    this.#members = left;
    this.#turn = left.length === 0 ? 0 : this.#turn % left.length;
    this.#changes = undefined; // a producer may have come to one of them by now
  }

  /** Looks for lanes that have got a producer. */
  #gather(): void {
    const { lanes } = this.#source;
    const { changes } = lanes;
    if (changes === this.#changes || this.#closed) return;
    this.#changes = changes;
    const members: Member[] = [];
    for (let lane = 0; lane < lanes.facts.producers; lane++) {
      if (!lanes.isReserved(lane)) continue;
      this.#readers[lane] ??= this.#source.open(lane);
      members.push({ lane, reader: this.#readers[lane] as LaneReader });
    }
    this.#members = members;
    this.#turn = members.length === 0 ? 0 : this.#turn % members.length;
  }
}
