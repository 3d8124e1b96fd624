import type { Endpoint, WaitingOptions, WaitOptions } from '@memlane/core';
import { OrderedAttempts, StatisticsIndex } from '@memlane/core';
import { checkInteger, checkOptions, checkSignal, throwArgument } from '@memlane/linux';
import type { RecordView } from './lane-memory.ts';
import { FULL } from './lane-writer.ts';
import { lengthOf } from './message-length.ts';
import { WorkEndpoint, type WorkPlace } from './work-endpoint.ts';
import { WorkVigil } from './work-vigil.ts';
import { type Inspector, withdraw } from './work-withdrawal.ts';
import { WorkWriter } from './work-writer.ts';

// Constants of this module: see lane-writer.ts.
const { messages: MESSAGES, bytes: BYTES, batches: BATCHES, refusals: REFUSALS } = StatisticsIndex;

/** What a message that is written into a work queue may be told. */
export interface WorkWriteOptions extends WaitOptions {
  /** A 32-bit number of the user's that travels with the message. Default 0. */
  readonly type?: number;
}

/**
 * A writing end of a work queue, used by one thread. Each message goes to one consumer.
 *
 * A message is visible from commit() on, and survives the death of its producer from then on; what a producer had claimed
 * when it died is room again.
 *
 * @example
 * const offset = producer.tryClaim(8, TASK);
 * if (offset !== FULL) {
 *   producer.view.f64[offset >> 3] = number;
 *   producer.commit();
 * }
 */
export class WorkProducer extends WorkEndpoint {
  /** The memory of the messages; claims are offsets into it. Write only what has been claimed. */
  readonly view: RecordView;
  /** Longest message, in bytes. */
  readonly maxMessageBytes: number;
  readonly #writer: WorkWriter;
  readonly #place: WorkPlace;
  readonly #vigils = new Set<WorkVigil>();
  #ended = false;
  readonly #writes = new OrderedAttempts();
  readonly #hasRoom = (): boolean => this.#writer.hasRoom() || (this.sweep() && this.#writer.hasRoom());
  readonly #isDone = (): boolean => !this.cells.hasUndone(NONE) || (this.sweep() && !this.cells.hasUndone(NONE));

  /** Producers come from {@link WorkQueue.producer}. */
  constructor(place: WorkPlace, options: WaitingOptions, onClose: (endpoint: Endpoint) => void) {
    super(place, options, onClose);
    const { view, messageBytes } = this.cells.memory;
    this.view = view;
    this.maxMessageBytes = messageBytes;
    this.#writer = new WorkWriter(this.cells, this.me);
    this.#place = place;
  }

  /**
   * Claims a message of `length` bytes and returns the offset of its payload in {@link view}, or {@link FULL} (-1).
   *
   * The payload is 16-byte aligned; it holds whatever was there before. Several claims may be made before one commit().
   * Does not block, does not allocate.
   *
   * @throws ERR_MEMLANE_MESSAGE_TOO_LONG, ERR_MEMLANE_ARGUMENT, ERR_MEMLANE_CLOSED, ERR_MEMLANE_ENDED.
   */
  tryClaim(length: number, type = 0): number {
    let offset = this.#writer.claim(length, type);
    if (offset < 0 && this.sweep()) offset = this.#writer.claim(length, type);
    if (offset < 0) this.statistics[REFUSALS] += 1;
    return offset;
  }

  /**
   * Makes the last claim shorter, and gives it another type: for what is not known before it is written.
   *
   * @throws ERR_MEMLANE_ARGUMENT when there is none, or it would be longer; ERR_MEMLANE_CLOSED.
   */
  shrink(length: number, type = 0): void {
    this.expectOpen();
    this.#writer.shrink(length, type);
  }

  /**
   * Makes every claim since the last commit visible, one after the other, and wakes as many consumers as there are messages.
   * Does not block.
   *
   * @throws ERR_MEMLANE_TRUNCATED and the like when the file was cut: nothing is visible then; LinuxError EMFILE or ENFILE
   *   when no descriptor is left to ring with: the messages are visible all the same.
   */
  commit(): void {
    const bytes = this.#writer.claimedBytes;
    const count = this.#writer.publish();
    if (count === 0) {
      this.expectOpen();
      return;
    }
    const { statistics } = this;
    statistics[MESSAGES] += count;
    statistics[BYTES] += bytes;
    statistics[BATCHES] += 1;
    this.wake(this.consumers, count);
  }

  /** Forgets every claim since the last commit. Their room is given back when the queue has come by once more. */
  abort(): void {
    this.expectOpen();
    const count = this.#writer.abort();
    if (count > 0) this.wake(this.producers, count);
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
    if (typeof message === 'string') this.view.buffer.write(message, offset, length, 'utf8');
    else this.#copy(message, offset);
    this.commit();
    return true;
  }

  /**
   * Writes one message, waiting for room as long as it takes. Writes that were begun one after the other arrive in that
   * order, awaited or not.
   *
   * @throws (rejects) the signal's reason, with nothing written; otherwise as {@link tryWrite}.
   */
  async write(message: Uint8Array | string, options: WorkWriteOptions = {}): Promise<void> {
    const { type = 0, signal } = checkOptions('options', options);
    checkSignal(signal);
    signal?.throwIfAborted();
    await this.#writes.make(
      () => this.tryWrite(message, type),
      (until) => this.waitFor(this.#hasRoom, until),
      signal,
    );
  }

  /**
   * Blocks this thread until a message would find room; returns whether it would. Another producer may be faster.
   *
   * @throws ERR_MEMLANE_WAIT_STRATEGY, ERR_MEMLANE_CLOSED.
   */
  waitSync(timeoutMs: number = Number.POSITIVE_INFINITY, length = 0): boolean {
    this.expectOpen();
    checkInteger('length', length, 0, this.maxMessageBytes);
    return this.waitForSync(this.#hasRoom, timeoutMs);
  }

  /** Resolves when a message would find room. @throws (rejects) as {@link waitSync}; the signal's reason. */
  async wait(options: WaitOptions & { readonly length?: number } = {}): Promise<void> {
    this.expectOpen();
    const { signal, length = 0 } = checkOptions('options', options);
    checkInteger('length', length, 0, this.maxMessageBytes);
    await this.waitFor(this.#hasRoom, signal);
  }

  /**
   * Resolves when everything in the queue is done with, whoever wrote it: acknowledged, or a dead letter.
   *
   * @throws (rejects) as {@link wait}.
   */
  async flush(options: WaitOptions = {}): Promise<void> {
    this.expectOpen();
    const { signal } = checkOptions('options', options);
    await this.waitFor(this.#isDone, signal);
  }

  /** As {@link flush}, blocking this thread; returns whether everything was done with in time. */
  flushSync(timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
    this.expectOpen();
    return this.waitForSync(this.#isDone, timeoutMs);
  }

  /**
   * Says that no more will come from this producer: commits. The consumers' iterations end when each producer that is attached
   * has said so, and everything is done with. Idempotent.
   */
  end(): void {
    this.expectOpen();
    if (this.#ended) return;
    this.#ended = true;
    this.commit();
    this.#writer.close('ERR_MEMLANE_ENDED');
    this.cells.setEnded(this.slot, true);
    this.wake(this.consumers, this.consumers.peers.length);
  }

  /**
   * Takes messages back that no consumer has: those that wait, and dead letters, whoever wrote them. Goes through all cells;
   * does not block. Returns how many it was.
   *
   * @param wanted which. What it is shown may change under it; so what is taken, it was shown once more.
   * @param taken called with each, in place; the message is gone when it returns, or throws.
   * @throws ERR_MEMLANE_CLOSED; what these throw; ERR_MEMLANE_TRUNCATED and the like when the file was cut.
   */
  withdraw(wanted: Inspector<boolean>, taken: Inspector<void>): number {
    this.expectOpen();
    const counts = withdraw(this.cells, this.me, wanted, taken);
    if (counts.taken > 0) this.wake(this.producers, counts.taken);
    if (counts.returned > 0) this.wake(this.consumers, counts.returned);
    return counts.taken;
  }

  /**
   * Makes a watch over the consumers, for whoever waits for what comes of its messages: while it is kept, what dead consumers have
   * held is given back, and then `look` is called, at each death and now and then (100 ms). Keeps no process alive.
   *
   * @param look returns whether to go on; when not, until it is kept anew. Told what has failed, if anything. Must not throw.
   */
  vigil(look: (failure?: unknown) => boolean): WorkVigil {
    this.expectOpen();
    const { table } = this.#place.work;
    const row = { first: this.producers.peers.length, count: this.consumers.peers.length };
    const vigil = new WorkVigil(table, row, () => this.sweep(), look);
    this.#vigils.add(vigil);
    return vigil;
  }

  /** Whether any consumer is attached, and alive, now. */
  override isPeerAlive(): boolean {
    this.expectOpen();
    return this.consumers.isAnybodyAlive();
  }

  override close(): void {
    if (this.closed) return;
    this.#writer.close('ERR_MEMLANE_CLOSED');
    for (const vigil of this.#vigils) vigil.close();
    try {
      this.#writer.abort();
    } catch {
      // The file is not what it was: nothing in it is room for anybody.
    }
    super.close(); // wakes everybody
  }

  protected override get dueMs(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** Also what is empty, for set() to find out whether it is: of a detached array Node 20 may believe the old length. */
  #copy(message: Uint8Array, offset: number): void {
    try {
      this.view.u8.set(message, offset);
    } catch {
      this.#writer.unclaim();
      throwArgument('message', message, 'of a buffer that is neither detached nor too short for it by now');
    }
  }
}

/** Names no owner. */
const NONE = -1;
