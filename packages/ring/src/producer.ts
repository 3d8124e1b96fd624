import type { Endpoint, WaitOptions } from '@memlane/core';
import { OrderedAttempts, StatisticsIndex } from '@memlane/core';
import { checkInteger, checkOptions, checkSignal, throwArgument } from '@memlane/linux';
import { CursorGate, CursorsGate, OpenGate } from './gate.ts';
import { type EndpointOptions, LaneEndpoint } from './lane-endpoint.ts';
import type { RecordView } from './lane-memory.ts';
import { FULL, LaneWriter, type MakeGate } from './lane-writer.ts';
import { lengthOf } from './message-length.ts';
import { type Place, recovers } from './recovery.ts';
import type { Retention } from './retention.ts';
import type { MappedRing } from './ring-file.ts';

// Constants of this module: see lane-writer.ts.
const { messages: MESSAGES, bytes: BYTES, batches: BATCHES } = StatisticsIndex;

/** What a written message may be told. */
export interface WriteOptions extends WaitOptions {
  /** A 32-bit number of the user's that travels with the message. Default 0. */
  readonly type?: number;
}

/**
 * The writing end of a ring. One a ring at a time, used by one thread; any number of successors.
 *
 * A message is visible, whole and in order, from commit() on, and survives the death of its producer from then on.
 *
 * @example
 * const offset = producer.tryClaim(16, ORDER);
 * if (offset !== FULL) {
 *   producer.view.f64[offset >> 3] = price;
 *   producer.view.f64[(offset >> 3) + 1] = quantity;
 *   producer.commit();
 * }
 */
export class Producer extends LaneEndpoint {
  #view: RecordView;
  #maxMessageBytes: number;
  readonly #ring: MappedRing;
  readonly #slot: number;
  readonly #lane: LaneWriter;
  #ended = false;
  readonly #writes = new OrderedAttempts();
  readonly #publish = (): boolean => this.#lane.publish();

  constructor(place: Place, options: EndpointOptions, onClose: (endpoint: Endpoint) => void) {
    const { ring, participant } = place;
    const { producers, consumers } = ring.lanes.facts;
    super(place, { first: producers, count: consumers }, options, onClose, recovers(ring, options));
    const lane = this.closingOnFailure(() => ring.lanes.at(participant.slot));
    this.#lane = this.closingOnFailure(() => new LaneWriter(lane, gatesOf(ring), this.draft));
    this.#view = this.draft ?? lane.view;
    this.#maxMessageBytes = this.#lane.maxLength;
    this.#ring = ring;
    this.#slot = participant.slot;
  }

  /** The lane's memory; claims are offsets into it. Write only what has been claimed. Another one after {@link resize}. */
  get view(): RecordView {
    return this.#view;
  }

  /** Longest message, in bytes. */
  get maxMessageBytes(): number {
    return this.#maxMessageBytes;
  }

  /**
   * Commits, and goes on in memory of another capacity, larger or smaller: what was written is read first, and what is
   * written from here on is not held up by it. {@link view} and {@link maxMessageBytes} are others from here on; offsets and
   * views of before are not to be used any more. Does not block.
   *
   * @param capacityBytes a power of two between the ring's `capacityBytes` and `maxCapacityBytes`.
   * @throws ERR_MEMLANE_ARGUMENT; ERR_MEMLANE_BUSY while what was written before the last resize is not all read; LinuxError
   *   ENOSPC, ENOMEM, EMFILE; ERR_MEMLANE_TRUNCATED and the like; with nothing changed.
   */
  resize(capacityBytes: number): void {
    this.expectOpen();
    const { lanes } = this.#ring;
    const { capacityBytes: least, maxLevel } = lanes.facts;
    checkInteger('capacityBytes', capacityBytes, least, least * 2 ** maxLevel);
    if (!Number.isInteger(Math.log2(capacityBytes))) throwArgument('capacityBytes', capacityBytes, 'a power of two');
    this.commit();
    this.#lane.expectWritable();
    if (capacityBytes === this.#lane.capacityBytes) return;
    this.#lane.retireOlder();
    const { memory, announce } = lanes.prepareSegment(this.#slot, capacityBytes, this.#lane.extent);
    this.#lane.moveOn(memory, announce);
    this.#view = memory.view;
    this.#maxMessageBytes = this.#lane.maxLength;
    this.waiter.lookAgain(); // a write may wait for room, which nobody else makes
    this.wakePeers();
  }

  /**
   * Claims a record of `length` bytes and returns the offset of its payload in {@link view}, or {@link FULL} (-1).
   *
   * The payload is 8-byte aligned and contiguous; it holds whatever was there before. Several claims may be made before
   * one commit(): that is a batch. Does not block, does not allocate.
   *
   * @throws ERR_MEMLANE_MESSAGE_TOO_LONG, ERR_MEMLANE_ARGUMENT, ERR_MEMLANE_CLOSED, ERR_MEMLANE_ENDED;
   *   ERR_MEMLANE_CORRUPT when the consumer has written a position that cannot be.
   */
  tryClaim(length: number, type = 0): number {
    // Not with a closure here: what it captures would be allocated at each call, taken or not.
    const offset = this.recovery === undefined ? this.#lane.claim(length, type) : this.#claimMending(length, type);
    if (offset < 0) this.#refused();
    return offset;
  }

  /**
   * Makes the last claim, of `before` bytes, shorter: for what is not known how long it will be before it is written.
   *
   * @throws ERR_MEMLANE_ARGUMENT unless it is.
   */
  shrink(before: number, length: number): void {
    this.expectOpen();
    checkInteger('length', length, 0, before);
    this.#lane.shrink(before, length);
  }

  /** Where the last claim ends: for {@link Ring.isOver}. */
  get place(): { readonly lane: number; readonly position: number } {
    return { lane: this.#slot, position: this.#lane.claimed };
  }

  /**
   * Makes every claim since the last commit visible, and wakes the consumer if it sleeps. Does not block.
   *
   * @throws LinuxError EMFILE or ENFILE when no descriptor is left to ring with; the messages are published all the same.
   */
  commit(): void {
    const lane = this.#lane;
    const records = lane.claimedRecords;
    const bytes = lane.claimedBytes;
    if (!(this.recovery === undefined ? lane.publish() : this.#mending(this.#publish))) {
      this.expectOpen();
      return;
    }
    const statistics = this.statistics;
    statistics[MESSAGES] += records;
    statistics[BYTES] += bytes;
    statistics[BATCHES] += 1;
    this.wakePeers();
  }

  /**
   * Forgets every claim since the last commit. What was written into the first of them is still there when it is claimed
   * anew: that is how a claim becomes shorter.
   */
  abort(): void {
    this.expectOpen();
    this.#lane.abort();
  }

  /**
   * Writes one message if there is room; returns whether it did. Claims made before are committed with it.
   *
   * @throws as {@link tryClaim}.
   */
  tryWrite(message: Uint8Array | string, type = 0): boolean {
    const length = lengthOf(message);
    const offset = this.tryClaim(length, type);
    if (offset === FULL) return false;
    // With the length: without it Node 20 and 22 write nothing into a Buffer of 2 GiB, which is what 1 GiB has twice.
    if (typeof message === 'string') this.view.buffer.write(message, offset, length, 'utf8');
    else this.#copy(message, offset, length);
    this.commit();
    return true;
  }

  /**
   * Writes one message, waiting for room as long as it takes. Writes that were begun one after the other arrive in that
   * order, awaited or not.
   *
   * @throws (rejects) the signal's reason, with nothing written; otherwise as {@link tryWrite}.
   */
  async write(message: Uint8Array | string, options: WriteOptions = {}): Promise<void> {
    const { type = 0, signal } = checkOptions('options', options);
    checkSignal(signal);
    signal?.throwIfAborted();
    const length = lengthOf(message);
    await this.#writes.make(
      () => this.tryWrite(message, type),
      (until) => this.waiter.wait(() => this.#hasRoomFor(length), until),
      signal,
    );
  }

  /**
   * Blocks this thread until a message of `length` bytes would find room; returns whether it would.
   *
   * Commit first: what has only been claimed is room that the consumer cannot give back.
   *
   * @throws ERR_MEMLANE_WAIT_STRATEGY, ERR_MEMLANE_CLOSED.
   */
  waitSync(timeoutMs: number = Number.POSITIVE_INFINITY, length = 0): boolean {
    this.expectOpen();
    checkInteger('length', length, 0, this.maxMessageBytes);
    return this.waiter.waitSync(() => this.#hasRoomFor(length), timeoutMs);
  }

  /** Resolves when a message of `length` bytes would find room. @throws (rejects) as {@link waitSync}; the signal's reason. */
  async wait(options: WaitOptions & { readonly length?: number } = {}): Promise<void> {
    this.expectOpen();
    const { signal, length = 0 } = checkOptions('options', options);
    checkInteger('length', length, 0, this.maxMessageBytes);
    await this.waiter.wait(() => this.#hasRoomFor(length), signal);
  }

  /**
   * Resolves when the consumer has advanced over everything that was committed. For a producer that recovers: before it
   * closes, because what is lost after that is nobody's to bring back.
   *
   * @throws (rejects) as {@link wait}.
   */
  async flush(options: WaitOptions = {}): Promise<void> {
    this.expectOpen();
    const { signal } = checkOptions('options', options);
    await this.waiter.wait(() => this.#isDrained(), signal);
  }

  /** As {@link flush}, blocking this thread; returns whether everything was consumed in time. */
  flushSync(timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
    this.expectOpen();
    return this.waiter.waitSync(() => this.#isDrained(), timeoutMs);
  }

  /**
   * Says that no more will come: commits, and ends the consumer's iteration once it has read everything. A new producer
   * may attach later and begins anew. Idempotent.
   */
  end(): void {
    this.expectOpen();
    if (this.#ended) return;
    this.#ended = true;
    this.commit();
    this.#lane.close('ERR_MEMLANE_ENDED');
    this.#lane.ended = true;
    this.wakePeers();
  }

  override close(): void {
    this.#lane.close('ERR_MEMLANE_CLOSED');
    super.close();
  }

  /** Nobody rings for those who died since it was last looked who is alive. */
  protected override lastLook(): boolean {
    this.#lane.lookAtLives();
    return false;
  }

  protected override mend(): boolean {
    if (this.recovery === undefined) return false;
    const place = this.recovery.replace(this.#lane.extent);
    this.#lane.moveTo(place.ring.lanes.at(0));
    if (this.#ended) this.#lane.ended = true;
    this.moveTo(place);
    return true;
  }

  /** Runs an operation; where the file was lost under it, goes on in a fresh one and runs it again. */
  #mending<Result>(operation: () => Result): Result {
    for (let attempt = 1; ; attempt++) {
      try {
        return operation();
      } catch (error) {
        if (error !== this.#lane.health.failure || attempt === MOST_ATTEMPTS) throw error;
        this.mend();
      }
    }
  }

  /** Also what is empty, for set() to find out whether it is: of a detached array Node 20 may believe the old length. */
  #copy(message: Uint8Array, offset: number, length: number): void {
    try {
      this.view.u8.set(message, offset);
    } catch {
      this.#lane.unclaim(length);
      throwArgument('message', message, 'of a buffer that is neither detached nor too short for it by now');
    }
  }

  #claimMending(length: number, type: number): number {
    return this.#mending(() => this.#lane.claim(length, type));
  }

  #hasRoomFor(length: number): boolean {
    if (this.recovery === undefined) return this.#lane.hasRoomFor(length); // looked at without end: no closure
    this.inspect();
    return this.#mending(() => this.#lane.hasRoomFor(length));
  }

  #isDrained(): boolean {
    this.inspect();
    return this.#mending(() => this.#lane.isDrained());
  }

  #refused(): void {
    const statistics = this.statistics;
    statistics[StatisticsIndex.refusals] += 1;
    if (this.#lane.highWaterBytes > statistics[StatisticsIndex.highWaterBytes])
      statistics[StatisticsIndex.highWaterBytes] = this.#lane.highWaterBytes;
  }
}

/** What keeps the producers of a ring from overwriting what is still needed. */
function gatesOf({ lanes, table }: MappedRing): MakeGate {
  const { producers, consumers, overwrite, maxLagBytes } = lanes.facts;
  const { names } = lanes;
  if (names === undefined) return (lane, health, consumed) => new CursorGate(lane, health, consumed);
  if (overwrite) return (lane, health) => new OpenGate(lane, health);
  const retentionOf = (consumer: number): Retention => names.retentionOf(consumer);
  const known = { table, firstSlot: producers, count: consumers, maxLagBytes, retentionOf };
  return (lane, health) => new CursorsGate(lane, health, known);
}

/** Fresh files that may be lost one after the other within one operation. */
const MOST_ATTEMPTS = 16;
