import { StatisticsIndex } from '@memlane/core';
import { checkOptions, checkSignal, checkType, throwArgument } from '@memlane/linux';
import { type Endpoint, nextTurn, OPERATIONS_A_TURN, type WaitOptions } from './endpoint.ts';
import { Action, type Handler, LaneReader, type RecordView } from './lane.ts';
import { type EndpointOptions, LaneEndpoint } from './lane-endpoint.ts';
import { lossOf, type Place, PRODUCER_SLOT } from './recovery.ts';

// Constants of this module: see lane.ts.
const { messages: MESSAGES, bytes: BYTES, batches: BATCHES, highWaterBytes: HIGH_WATER_BYTES } = StatisticsIndex;

/** A message that was copied out of the ring, and may be kept. */
export interface Message {
  readonly data: Buffer;
  /** The number that its producer gave it. */
  readonly type: number;
}

/**
 * The reading end of a ring. One a ring at a time, used by one thread; any number of successors.
 *
 * Its place is kept in the file: a successor, after a close or a death, begins at the last place that was advanced to.
 * So messages may come twice after a death, but none is left out.
 *
 * @example
 * for await (const { data, type } of consumer) handle(type, data);
 */
export class Consumer extends LaneEndpoint implements AsyncIterable<Message> {
  readonly #lane: LaneReader;
  readonly #view: RecordView;
  readonly #releaseBytes: number;
  readonly #giveBack = (): void => this.#advance();
  readonly #release = (): boolean => this.#lane.release();
  readonly #isDrained = (): boolean => this.#lane.isDrained();
  readonly #look = (): boolean => !this.#lost && (this.#lane.hasRecord() || this.#lane.isDrained());
  readonly #hasWork = (): boolean => {
    this.inspect();
    return this.#mending(this.#look, false);
  };
  #streamId: Buffer;
  /** The file is lost, and the producer has not made a fresh one yet: what is there to be seen is not to be read. */
  #lost = false;
  /** Where the last file was condemned, and how many times in a row. */
  #condemnedAt = 0;
  #condemnations = 0;

  constructor(place: Place, options: EndpointOptions, onClose: (endpoint: Endpoint) => void) {
    super(place, { first: PRODUCER_SLOT, count: 1 }, options, onClose, place.ring.lane.checksums === true);
    const { lane, streamId } = place.ring;
    this.#lane = this.closingOnFailure(() => new LaneReader({ ...lane, draft: this.draft }));
    this.#view = this.draft ?? lane.view;
    this.#streamId = streamId;
    this.#releaseBytes = lane.capacityBytes >> 2;
  }

  /**
   * Hands the records that are there, at the most `limit`, to `handler(view, offset, length, type)`, in place and without
   * copies; then advances over them. Returns how many were handled; 0 when there is nothing.
   *
   * The handler may stop it by returning an {@link Action}. When the handler throws, the records before that one count as
   * handled and that one comes again. Does not block, does not allocate.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_ARGUMENT; ERR_MEMLANE_CONCURRENT when the handler itself reads from this
   *   consumer; ERR_MEMLANE_CORRUPT when the producer has written what cannot be.
   */
  poll(handler: Handler, limit: number = Number.POSITIVE_INFINITY): number {
    if (this.closed) this.expectOpen();
    if (typeof handler !== 'function' || (limit !== Number.POSITIVE_INFINITY && !isCount(limit)))
      refuse(handler, limit);
    const count =
      this.recovery === undefined ? this.#lane.poll(handler, limit, this.#giveBack) : this.#pollMending(handler, limit);
    this.#advance();
    return count;
  }

  /** Reads one message into memory of its own and advances over it; null when there is none. Does not block. */
  tryRead(): Message | null {
    this.expectOpen();
    const message = this.#read();
    if (message !== null) this.#advance();
    return message;
  }

  /**
   * Blocks this thread until there is a message, or the stream has ended; returns false when the time is over.
   *
   * @throws ERR_MEMLANE_WAIT_STRATEGY, ERR_MEMLANE_CLOSED.
   */
  waitSync(timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
    this.expectOpen();
    return this.waiter.waitSync(this.#hasWork, timeoutMs);
  }

  /** Resolves when there is a message, or the stream has ended. @throws (rejects) as {@link waitSync}; the signal's reason. */
  async wait(options: WaitOptions = {}): Promise<void> {
    this.expectOpen();
    const { signal } = checkOptions('options', options);
    await this.waiter.wait(this.#hasWork, signal);
  }

  /** Whether the producer has ended the stream and everything in it has been read. */
  get isEnded(): boolean {
    this.expectOpen();
    return this.#mending(this.#isDrained, false);
  }

  /**
   * Yields copies of the messages, waiting for each, until the producer ends the stream. A message counts as read when
   * the next one is asked for: one whose handling was cut short comes again to the successor.
   */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return this.messages();
  }

  /** As iterating over the consumer, with a signal that ends it by its reason. @throws ERR_MEMLANE_ARGUMENT */
  messages(options: WaitOptions = {}): AsyncGenerator<Message, undefined> {
    const { signal } = checkOptions('options', options);
    checkSignal(signal);
    return this.#messages(signal);
  }

  async *#messages(signal: AbortSignal | undefined): AsyncGenerator<Message, undefined> {
    for (let count = 1; ; count++) {
      this.expectOpen();
      const message = this.#read();
      if (message === null) {
        this.#advance();
        if (this.isEnded) return;
        await this.wait({ signal });
        continue;
      }
      // #copyNext has passed the record, but nothing is given back before the loop body has run.
      yield message;
      if (count % OPERATIONS_A_TURN === 0) await nextTurn();
      if (this.closed) return;
      if (this.#lane.atBatchEnd || this.#lane.unreleasedBytes > this.#releaseBytes) this.#advance();
    }
  }

  override close(): void {
    this.#lane.close();
    super.close();
  }

  protected override mend(): boolean {
    const place = this.recovery?.follow();
    if (place === undefined) return false;
    const { lane, streamId, region } = place.ring;
    try {
      if (streamId.equals(this.#streamId)) this.#lane.moveTo(lane);
      else this.#lane.restartIn(lane);
    } catch (error) {
      const lostToo = lossOf(place) !== undefined;
      place.participant.leave();
      region.close();
      if (lostToo) return false;
      throw error;
    }
    this.#streamId = streamId;
    this.#lost = false;
    this.moveTo(place);
    this.#advance();
    return true;
  }

  /**
   * Runs an operation; where the file was lost under it, goes on in the fresh one and runs it again. While the producer has
   * not made one, the result is `nothing`; when it is dead, the error.
   */
  #mending<Result>(operation: () => Result, nothing: Result): Result {
    if (this.recovery === undefined) return operation();
    for (;;) {
      try {
        return operation();
      } catch (error) {
        if (error !== this.#lane.health.failure) throw error;
        if (this.mend()) continue;
        // In this order: a producer that moves gives the name to the fresh file and then leaves the old one.
        if (!this.audience.isAnybodyAlive() && !this.recovery.isReplaced) throw error;
        if (this.#isHopeless()) throw error;
        this.#lost = true;
        this.recovery.condemn();
        this.wakePeers();
        return nothing;
      }
    }
  }

  /** Whether one fresh file after the other is wrong at the same place: then it is not the files. */
  #isHopeless(): boolean {
    const { position } = this.#lane;
    this.#condemnations = position === this.#condemnedAt ? this.#condemnations + 1 : 1;
    this.#condemnedAt = position;
    if (this.#condemnations < MOST_CONDEMNATIONS) return false;
    this.#condemnations = 0;
    return true;
  }

  #pollMending(handler: Handler, limit: number): number {
    let count = 0;
    const counting: Handler = (view, offset, length, type) => {
      const action = handler(view, offset, length, type);
      if (action !== Action.ABORT && !this.closed) count += 1;
      return action;
    };
    do {
      this.#mending(() => this.#lane.poll(counting, limit - count, this.#giveBack), 0);
      // Nothing there, or nothing to be seen of it.
    } while (count === 0 && this.inspect());
    return count;
  }

  #read(): Message | null {
    for (;;) {
      const message = this.#mending(this.#copyNext, null);
      if (message !== null || !this.inspect()) return message;
    }
  }

  readonly #copyNext = (): Message | null => {
    const lane = this.#lane;
    const offset = lane.peek();
    if (offset < 0) return null;
    const length = lane.peekedLength;
    const data = Buffer.allocUnsafe(length);
    data.set(this.#view.u8.subarray(offset, offset + length));
    const type = lane.typeAt(offset);
    lane.pass();
    return { data, type };
  };

  /** Gives the space of what was handled back, and wakes the producer if it waits for that. */
  #advance(): void {
    const lane = this.#lane;
    const records = lane.handledRecords;
    const bytes = lane.handledBytes;
    if (!(this.recovery === undefined ? lane.release() : this.#mending(this.#release, false))) return;
    lane.handledRecords = 0;
    lane.handledBytes = 0;
    const statistics = this.statistics;
    statistics[MESSAGES] += records;
    statistics[BYTES] += bytes;
    statistics[BATCHES] += 1;
    if (lane.highWaterBytes > statistics[HIGH_WATER_BYTES]) statistics[HIGH_WATER_BYTES] = lane.highWaterBytes;
    this.wakePeers();
  }
}

/** Fresh files that are wrong at the same place before that is an error. */
const MOST_CONDEMNATIONS = 16;

function isCount(limit: number): boolean {
  return Number.isSafeInteger(limit) && limit >= 0;
}

/** Says which argument of a poll is wrong. */
function refuse(handler: unknown, limit: unknown): never {
  checkType('handler', handler, 'function');
  throwArgument('limit', limit, 'an integer of 0 or more, or Infinity');
}
