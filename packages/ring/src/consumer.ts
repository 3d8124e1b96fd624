import {
  type Endpoint,
  nextTurn,
  OPERATIONS_A_TURN,
  Peer,
  type SlotTable,
  StatisticsIndex,
  type WaitOptions,
} from '@memlane/core';
import { checkOptions, checkSignal, checkType, throwArgument } from '@memlane/linux';
import type { ConsumerOptions } from './consumer-options.ts';
import { type Joined, leaveLane } from './join.ts';
import { LaneEndpoint } from './lane-endpoint.ts';
import { LaneGroup } from './lane-group.ts';
import { cursorBase, LaneHealth, type LaneMemory } from './lane-memory.ts';
import { Action, type Draft, type Handler, LaneReader } from './lane-reader.ts';
import type { Lanes } from './lanes.ts';
import { lossOf, type Place } from './recovery.ts';
import { keptBytes } from './retention.ts';
import { hasManyProducers } from './ring-descriptor.ts';
import { EvictableStanding, type Loss, LossyStanding, type Standing } from './standing.ts';
import { TailReader } from './tail.ts';

// Constants of this module: see lane-writer.ts.
const { messages: MESSAGES, bytes: BYTES, batches: BATCHES, highWaterBytes: HIGH_WATER_BYTES } = StatisticsIndex;

/** A message that was copied out of the ring, and may be kept. */
export interface Message {
  readonly data: Buffer;
  /** The number that its producer gave it. */
  readonly type: number;
}

/** A consumer's place, in a ring whose consumers all read everything. */
export interface ConsumerPlace extends Place {
  /** By lane. */
  readonly joined?: readonly Joined[] | undefined;
}

/**
 * The reading end of a ring, used by one thread.
 *
 * With `spsc` and `mpsc` there is one at a time, and its place is kept in the file: a successor, after a close or a death,
 * begins at the last place that was advanced to. So messages may come twice after a death, but none is left out. With
 * `broadcast` and `bus` there are many, and a place is kept for those that have a name.
 *
 * @example
 * for await (const { data, type } of consumer) handle(type, data);
 */
export class Consumer extends LaneEndpoint implements AsyncIterable<Message> {
  readonly #lane: LaneReader | LaneGroup;
  readonly #lanes: Lanes;
  readonly #table: SlotTable;
  readonly #consumer: number;
  readonly #joined: readonly Joined[] | undefined;
  /** The draft, which all lanes share. */
  readonly #shared: Draft | undefined;
  readonly #options: ConsumerOptions;
  readonly #releaseBytes: number;
  /** Messages that this consumer has lost; see {@link ConsumerOptions.onLoss}. */
  lostMessages = 0;
  #tidiedMs = 0;
  /** Consumers for whom lanes were kept when this one went to sleep, by place. */
  readonly #holders = new Map<number, Peer>();
  /** Does not look for messages: to sleep anew it would look for lanes again, and so never end. */
  readonly #giveBack = (): void => this.#advance();
  readonly #release = (): boolean => this.#lane.release();
  readonly #isDrained = (): boolean => this.#lane.isDrained();
  readonly #lookAgain = (): void => this.waiter.lookAgain();
  readonly #look = (): boolean => !this.#lost && (this.#lane.hasRecord() || this.#lane.isDrained());
  readonly #hasWork = (): boolean => {
    this.inspect();
    if (this.#mending(this.#look, false)) return true;
    if (this.#lane instanceof LaneGroup) this.#tidy(this.#lane);
    return false;
  };
  #streamId: Buffer;
  /** The file is lost, and the producer has not made a fresh one yet: what is there to be seen is not to be read. */
  #lost = false;

  constructor(place: ConsumerPlace, options: ConsumerOptions, onClose: (endpoint: Endpoint) => void) {
    const { lanes, streamId, table } = place.ring;
    const { producers, checksums, overwrite, maxLagBytes, capacityBytes } = lanes.facts;
    super(place, { first: 0, count: producers }, options, onClose, checksums || overwrite || maxLagBytes > 0);
    this.#lanes = lanes;
    this.#table = table;
    this.#consumer = place.participant.slot - producers;
    this.#joined = place.joined;
    this.#shared = this.draft && { view: this.draft, reader: undefined };
    this.#options = options;
    this.#lane = this.closingOnFailure(() =>
      hasManyProducers(lanes.facts.topology)
        ? new LaneGroup({
            lanes,
            open: (lane) => this.#open(lane),
            isAlive: (lane) => table.isTaken(lane) && table.isAlive(lane),
            wakeProducer: (lane) => this.wakePeer(lane),
          })
        : this.#open(0),
    );
    this.#streamId = streamId;
    this.#releaseBytes = capacityBytes >> 2;
    for (const { missed } of this.#joined ?? []) if (missed !== undefined) this.#lose(missed);
  }

  /** Makes the reader of a lane. */
  #open(lane: number): LaneReader {
    const joined = this.#joined?.[lane];
    const memory = this.#lanes.holding(lane, joined?.start.position ?? this.#lanes.consumedOf(lane));
    return new LaneReader(memory, {
      cursor: this.#consumer,
      start: joined?.start,
      draft: this.#shared,
      standing: joined && this.#standing(memory, joined.state),
      next: this.#lanes.facts.maxLevel === 0 ? undefined : (begin) => this.#lanes.beginningAt(lane, begin),
      gaveBack: () => this.wakePeer(lane),
    });
  }

  #standing(memory: LaneMemory, state: number): Standing | undefined {
    const { overwrite, maxLagBytes } = this.#lanes.facts;
    if (overwrite) {
      const tail = new TailReader(memory, new LaneHealth(memory.faults), true);
      return new LossyStanding(tail, this.#options.from ?? 'oldest', this.#lose);
    }
    if (maxLagBytes === 0) return undefined;
    return new EvictableStanding(memory.words, cursorBase(memory.base, this.#consumer), state);
  }

  readonly #lose = (loss: Loss): void => {
    this.lostMessages += loss.records ?? 0;
    this.#options.onLoss?.(loss);
  };

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
   * Hands the next record to `handler(view, offset, length, type)`, in place, without advancing over it: that {@link advance} does,
   * or the next call that does. Returns false when there is nothing. A handler that throws leaves the record to come again.
   *
   * @throws as {@link poll}.
   */
  tryPass(handler: Handler): boolean {
    this.expectOpen();
    checkType('handler', handler, 'function');
    for (;;) {
      const found = this.#mending(() => this.#passNext(handler), false);
      if (found || !this.inspect()) return found;
    }
  }

  /** Gives the space of what was passed back to the producers: it does not come again. */
  advance(): void {
    this.expectOpen();
    this.#advance();
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

  /**
   * Resolves when there is a message, or the stream has ended; or when `until` says so, which is asked whenever anything happens: a
   * producer comes, rings, or is gone.
   *
   * @throws (rejects) as {@link waitSync}; the signal's reason; what `until` throws.
   */
  async wait(options: WaitOptions & { readonly until?: () => boolean } = {}): Promise<void> {
    this.expectOpen();
    const { signal, until } = checkOptions('options', options);
    if (until === undefined) return this.waiter.wait(this.#hasWork, signal);
    checkType('until', until, 'function');
    await this.waiter.wait(() => this.#hasWork() || until(), signal);
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
    if (this.closed) return;
    this.#lane.close();
    this.#leave();
    for (const holder of this.#holders.values()) holder.close();
    super.close();
  }

  /** Says to the producers that they need not wait for this consumer any more, unless its place is kept. */
  #leave(): void {
    // As it was said here: the file may say anything by now, and to close must not fail.
    const { name, retain = 'everything' } = this.#options;
    const isKept = name !== undefined && !this.#lanes.facts.overwrite && keptBytes(retain) > 0;
    if (this.#joined === undefined || isKept) return;
    for (const [lane, { state }] of this.#joined.entries())
      leaveLane(this.#lanes.words, cursorBase(this.#lanes.baseOf(lane), this.#consumer), state);
  }

  /** Gives the space of lanes back, now and then, whose producers are gone and whose messages have all been read. */
  #tidy(group: LaneGroup): void {
    const nowMs = performance.now();
    if (nowMs - this.#tidiedMs < TIDY_MS) return;
    this.#tidiedMs = nowMs;
    group.leaveOut((lane) => this.#lanes.abandonDrained(lane, this.#table) === 'done');
  }

  /**
   * Who looked a moment ago has not seen who has gone since, and may never look again. Whoever reads a lane to its end gives it
   * back, and whoever closes rings; but of those who die while a lane is kept for them, nobody else may be there to notice.
   *
   * Not of the producers that are watched by now, which are all that live: should one go, or be gone already, that ends the
   * sleep, and the next one begins with this look again. To ask the kernel for each would cost a system call a producer and
   * sleep, for as long as nothing happens (129 with 128 producers).
   */
  protected override lastLook(): boolean {
    if (!(this.#lane instanceof LaneGroup)) return false;
    let isUnsettled = false;
    const watch = (consumer: number): void => {
      if (!this.#holderAt(consumer).watchDeath(this.#lookAgain)) isUnsettled = true;
    };
    const { peers } = this.audience;
    this.#lane.leaveOut((lane) => {
      if (peers[lane].isWatched) return false;
      const outcome = this.#lanes.abandonDrained(lane, this.#table, watch);
      if (outcome === 'contended') isUnsettled = true;
      return outcome === 'done';
    });
    return isUnsettled;
  }

  #holderAt(consumer: number): Peer {
    const known = this.#holders.get(consumer);
    if (known !== undefined) return known;
    const peer = new Peer(this.#table, this.#lanes.facts.producers + consumer);
    this.#holders.set(consumer, peer);
    return peer;
  }

  /** A group has woken whom it gave space back to. */
  protected override wakePeers(): void {
    if (this.#lane instanceof LaneReader) super.wakePeers();
  }

  protected override mend(): boolean {
    const place = this.recovery?.follow();
    if (place === undefined || this.#lane instanceof LaneGroup) return false;
    const { streamId, region } = place.ring;
    const lane = place.ring.lanes.at(0);
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
        if (this.#lane instanceof LaneGroup || error !== this.#lane.health.failure) throw error;
        if (this.mend()) continue;
        // In this order: a producer that moves gives the name to the fresh file and then leaves the old one.
        if (!this.audience.isAnybodyAlive() && !this.recovery.isReplaced) throw error;
        this.#lost = true;
        this.recovery.condemn();
        this.wakePeers();
        return nothing;
      }
    }
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

  #passNext(handler: Handler): boolean {
    const lane = this.#lane;
    const offset = lane.peek();
    if (offset < 0) return false;
    handler(lane.view, offset, lane.peekedLength, lane.typeAt(offset));
    if (!this.closed) lane.pass();
    return true;
  }

  readonly #copyNext = (): Message | null => {
    const lane = this.#lane;
    const offset = lane.peek();
    if (offset < 0) return null;
    const length = lane.peekedLength;
    const data = Buffer.allocUnsafe(length);
    data.set(lane.view.u8.subarray(offset, offset + length));
    const type = lane.typeAt(offset);
    lane.pass();
    return { data, type };
  };

  /** Gives the space of what was handled back, and wakes the producer if it waits for that. */
  #advance(): void {
    const lane = this.#lane;
    if (!(this.recovery === undefined ? lane.release() : this.#mending(this.#release, false))) return;
    const statistics = this.statistics;
    statistics[MESSAGES] += lane.releasedRecords;
    statistics[BYTES] += lane.releasedBytes;
    statistics[BATCHES] += 1;
    if (lane.highWaterBytes > statistics[HIGH_WATER_BYTES]) statistics[HIGH_WATER_BYTES] = lane.highWaterBytes;
    this.wakePeers();
  }
}

/** How often a consumer that finds nothing looks for lanes that nobody will write to any more. */
const TIDY_MS = 50;

function isCount(limit: number): boolean {
  return Number.isSafeInteger(limit) && limit >= 0;
}

/** Says which argument of a poll is wrong. */
function refuse(handler: unknown, limit: unknown): never {
  checkType('handler', handler, 'function');
  throwArgument('limit', limit, 'an integer of 0 or more, or Infinity');
}
