import { type Participant, type SlotTable, StatisticsIndex } from '@memlane/core';
import { Endpoint, type EndpointOptions, nextTurn, OPERATIONS_A_TURN, type WaitOptions } from './endpoint.ts';
import { type Handler, type LaneMemory, LaneReader, type RecordView } from './lane.ts';

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
export class Consumer extends Endpoint implements AsyncIterable<Message> {
  readonly #lane: LaneReader;
  readonly #view: RecordView;
  readonly #releaseBytes: number;
  readonly #giveBack = (): void => this.#advance();
  readonly #hasWork = (): boolean => this.#lane.hasRecord() || this.#lane.isDrained();

  constructor(
    table: SlotTable,
    participant: Participant,
    peerSlot: number,
    lane: LaneMemory,
    options: EndpointOptions,
    onClose: (endpoint: Endpoint) => void,
  ) {
    super(table, participant, peerSlot, options, onClose);
    this.#lane = new LaneReader(lane);
    this.#view = lane.view;
    this.#releaseBytes = lane.capacityBytes >> 2;
  }

  /**
   * Hands the records that are there, at the most `limit`, to `handler(view, offset, length, type)`, in place and without
   * copies; then advances over them. Returns how many were handled; 0 when there is nothing.
   *
   * The handler may stop it by returning an {@link Action}. When the handler throws, the records before that one count as
   * handled and that one comes again. Does not block, does not allocate.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_CONCURRENT when the handler itself reads from this consumer;
   *   ERR_MEMLANE_CORRUPT when the producer has written what cannot be.
   */
  poll(handler: Handler, limit: number = Number.POSITIVE_INFINITY): number {
    if (this.closed) this.expectOpen();
    const count = this.#lane.poll(handler, limit, this.#giveBack);
    this.#advance();
    return count;
  }

  /** Reads one message into memory of its own and advances over it; null when there is none. Does not block. */
  tryRead(): Message | null {
    this.expectOpen();
    const message = this.#copyNext();
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
  async wait({ signal }: WaitOptions = {}): Promise<void> {
    this.expectOpen();
    await this.waiter.wait(this.#hasWork, signal);
  }

  /** Whether the producer has ended the stream and everything in it has been read. */
  get isEnded(): boolean {
    this.expectOpen();
    return this.#lane.isDrained();
  }

  /**
   * Yields copies of the messages, waiting for each, until the producer ends the stream. A message counts as read when
   * the next one is asked for: one whose handling was cut short comes again to the successor.
   */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return this.messages();
  }

  /** As iterating over the consumer, with a signal that ends it by its reason. */
  async *messages({ signal }: WaitOptions = {}): AsyncGenerator<Message, undefined> {
    for (let count = 1; ; count++) {
      this.expectOpen();
      const message = this.#copyNext();
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

  #copyNext(): Message | null {
    const lane = this.#lane;
    const offset = lane.peek();
    if (offset < 0) return null;
    const length = lane.peekedLength;
    const data = Buffer.allocUnsafe(length);
    data.set(this.#view.u8.subarray(offset, offset + length));
    const type = lane.typeAt(offset);
    lane.pass();
    return { data, type };
  }

  /** Gives the space of what was handled back, and wakes the producer if it waits for that. */
  #advance(): void {
    const lane = this.#lane;
    const records = lane.handledRecords;
    const bytes = lane.handledBytes;
    if (!lane.release()) return;
    lane.handledRecords = 0;
    lane.handledBytes = 0;
    const statistics = this.statistics;
    statistics[MESSAGES] += records;
    statistics[BYTES] += bytes;
    statistics[BATCHES] += 1;
    if (lane.highWaterBytes > statistics[HIGH_WATER_BYTES]) statistics[HIGH_WATER_BYTES] = lane.highWaterBytes;
    this.wakePeer();
  }
}
