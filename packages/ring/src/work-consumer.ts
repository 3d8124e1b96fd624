import {
  type Endpoint,
  memory,
  nextTurn,
  OPERATIONS_A_TURN,
  SLOT,
  SlotState,
  StatisticsIndex,
  type WaitingOptions,
  type WaitOptions,
} from '@memlane/core';
import { checkOptions, checkSignal, checkType, throwArgument } from '@memlane/linux';
import type { Message } from './consumer.ts';
import { Delivery, type Settlement } from './delivery.ts';
import { Action, type Handler } from './lane-reader.ts';
import { WorkEndpoint, type WorkPlace } from './work-endpoint.ts';
import { WorkReader } from './work-reader.ts';

// Constants of this module: see lane-writer.ts.
const { messages: MESSAGES, bytes: BYTES, batches: BATCHES } = StatisticsIndex;
const { ABORT, BREAK } = Action;
const STATE = SLOT.fields.state.offset >> 2;

/** Messages taken between two looks at the clock, for those who always find some. */
const TAKES_A_LOOK = 64;

/**
 * A reading end of a work queue, used by one thread. Each message goes to one consumer, which has it until it acknowledges
 * it, gives it back, closes or dies: there is no time limit. So a message may come more than once after a death, but none
 * is left out.
 *
 * @example
 * for await (const delivery of consumer) await handle(delivery.type, delivery.data);
 */
export class WorkConsumer extends WorkEndpoint implements AsyncIterable<Delivery> {
  readonly #place: WorkPlace;
  readonly #reader: WorkReader;
  /** Messages to be taken before the next look at the clock. */
  #takes: number = TAKES_A_LOOK;
  /** Whether the others have been told that the stream is over. */
  #toldEnd = false;
  readonly #hasWork = (): boolean =>
    this.#reader.hasMessage() || this.#isOver() || (this.#search() && this.#reader.hasMessage());
  readonly #settlement: Settlement = {
    acknowledge: (index, length) => {
      this.expectOpen();
      this.#acknowledge(index, length);
      this.statistics[BATCHES] += 1;
    },
    giveBack: (index, delayMs) => {
      this.expectOpen();
      this.#giveBack(index, delayMs, true);
    },
  };

  /** Consumers come from {@link WorkQueue.consumer}. */
  constructor(place: WorkPlace, options: WaitingOptions, onClose: (endpoint: Endpoint) => void) {
    super(place, options, onClose);
    this.#place = place;
    this.#reader = new WorkReader(this.cells, this.me);
  }

  /**
   * Takes the messages that are there, at the most `limit`, one by one: hands each to `handler(view, offset, length, type)`, in
   * place, and acknowledges it when the handler has returned. Returns how many; 0 when there is nothing.
   *
   * The handler may stop it by returning an {@link Action}: BREAK after this message, ABORT before it, which gives it back
   * as if it had not been delivered. When the handler throws, the message is given back. Does not block, does not allocate.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_ARGUMENT; ERR_MEMLANE_CORRUPT when a producer has written what cannot be;
   *   what the handler throws.
   */
  poll(handler: Handler, limit: number = Number.POSITIVE_INFINITY): number {
    this.expectOpen();
    checkPoll(handler, limit);
    let count = 0;
    while (count < limit && !this.closed) {
      const index = this.#take();
      if (index < 0) break;
      const length = this.#expectLength(index);
      const action = this.#handle(handler, index, length);
      if (this.closed) break; // by the handler: everything has been given back
      if (action === ABORT) {
        this.#giveBack(index, 0, false);
        break;
      }
      this.#acknowledge(index, length);
      count += 1;
      if (action === BREAK) break;
    }
    if (count > 0) this.statistics[BATCHES] += 1;
    return count;
  }

  /** Takes one message, which is this consumer's until it is acknowledged or given back; null when there is none. */
  tryTake(): Delivery | null {
    this.expectOpen();
    const index = this.#take();
    if (index < 0) return null;
    const length = this.#expectLength(index);
    const { cells } = this;
    const offset = cells.payloadAt(index);
    const [type, deliveries] = [cells.typeOf(index), cells.deliveriesOf(index)];
    return new Delivery({ view: cells.memory.view, offset, length, type, deliveries }, index, this.#settlement);
  }

  /**
   * Takes one message, waiting for it as long as it takes; resolves to null when the stream has ended.
   *
   * @throws (rejects) as {@link wait}.
   */
  async take(options: WaitOptions = {}): Promise<Delivery | null> {
    for (;;) {
      const delivery = this.tryTake();
      if (delivery !== null) return delivery;
      if (this.isEnded) return null;
      await this.wait(options);
    }
  }

  /** Reads one message into memory of its own and acknowledges it; null when there is none. Does not block. */
  tryRead(): Message | null {
    this.expectOpen();
    const index = this.#take();
    if (index < 0) return null;
    const length = this.#expectLength(index);
    const { cells } = this;
    const offset = cells.payloadAt(index);
    const data = Buffer.allocUnsafe(length);
    data.set(cells.memory.view.u8.subarray(offset, offset + length));
    const type = cells.typeOf(index);
    this.#settlement.acknowledge(index, length);
    return { data, type };
  }

  /**
   * Takes the dead letters that are there, at the most `limit`, and hands each to `handler`, as {@link poll} does; one is freed
   * when the handler has returned, and stays when it throws or returns ABORT. Returns how many were freed.
   *
   * @throws as {@link poll}.
   */
  pollDead(handler: Handler, limit: number = Number.POSITIVE_INFINITY): number {
    this.expectOpen();
    checkPoll(handler, limit);
    let count = 0;
    for (let from = 0; count < limit && !this.closed; from++) {
      const index = this.#reader.takeDead(from);
      if (index < 0) break;
      from = index;
      let action: Action | undefined;
      try {
        action = this.#call(handler, index, this.cells.lengthOf(index));
      } catch (error) {
        if (!this.closed) this.#reader.keepDead(index);
        throw error;
      }
      if (this.closed) break;
      if (action === ABORT) {
        this.#reader.keepDead(index);
        break;
      }
      this.#reader.acknowledge(index);
      this.wake(this.producers, 1);
      count += 1;
      if (action === BREAK) break;
    }
    return count;
  }

  /**
   * Blocks this thread until there is a message, or the stream has ended; returns false when the time is over. Another
   * consumer may be faster.
   *
   * @throws ERR_MEMLANE_WAIT_STRATEGY, ERR_MEMLANE_CLOSED.
   */
  waitSync(timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
    this.expectOpen();
    return this.waitForSync(this.#hasWork, timeoutMs);
  }

  /** Resolves when there is a message, or the stream has ended. @throws (rejects) as {@link waitSync}; the signal's reason. */
  async wait(options: WaitOptions = {}): Promise<void> {
    this.expectOpen();
    const { signal } = checkOptions('options', options);
    await this.waitFor(this.#hasWork, signal);
  }

  /**
   * Whether the stream is over: at least one producer has said end(), each that is attached has, and everything is done with
   * but what this consumer itself has taken. A producer that attaches later begins anew.
   */
  get isEnded(): boolean {
    this.expectOpen();
    return this.#isOver();
  }

  /**
   * Yields messages, waiting for each, until the stream is over. A message is acknowledged when the next one is asked for,
   * unless it was settled before; one whose handling was cut short, by `break` or an error, is given back.
   */
  [Symbol.asyncIterator](): AsyncIterator<Delivery, undefined> {
    return this.messages();
  }

  /** As iterating over the consumer, with a signal that ends it by its reason. @throws ERR_MEMLANE_ARGUMENT */
  messages(options: WaitOptions = {}): AsyncGenerator<Delivery, undefined> {
    const { signal } = checkOptions('options', options);
    checkSignal(signal);
    return this.#messages(signal);
  }

  async *#messages(signal: AbortSignal | undefined): AsyncGenerator<Delivery, undefined> {
    for (let count = 1; ; count++) {
      const delivery = await this.take({ signal });
      if (delivery === null) return;
      try {
        yield delivery;
        if (this.closed) return;
        if (!delivery.settled) delivery.ack();
      } finally {
        delivery[Symbol.dispose]();
      }
      if (count % OPERATIONS_A_TURN === 0) await nextTurn();
      if (this.closed) return;
    }
  }

  /** Whether any producer is attached, and alive, now. */
  override isPeerAlive(): boolean {
    this.expectOpen();
    return this.producers.isAnybodyAlive();
  }

  /** Leaves, as every endpoint; what was taken and not settled is given back. Idempotent. */
  override close(): void {
    if (this.closed) return;
    try {
      this.#reader.giveAllBack();
    } catch {
      // The file is not what it was: nobody gets anything out of it any more.
    }
    super.close(); // wakes everybody
  }

  protected override get dueMs(): number {
    return this.#reader.dueMs;
  }

  /** Takes a message: index of its cell, or -1. Clears up after the dead now and then. */
  #take(): number {
    let index = this.#reader.take();
    if (index < 0) {
      if (!this.#search()) return -1;
      index = this.#reader.take();
      if (index < 0) return -1;
    } else if (--this.#takes <= 0) {
      this.#takes = TAKES_A_LOOK;
      this.sweep();
    }
    if (this.#reader.madeRoom) this.wake(this.producers, 1);
    return index;
  }

  /** Looks through all cells, now and then; returns whether it is worth looking for a message again. */
  #search(): boolean {
    if (!this.sweep()) return false;
    this.#reader.lookEverywhere();
    return true;
  }

  /** Length of a message that was taken; one that makes no sense is given back, to end among the dead letters. */
  #expectLength(index: number): number {
    try {
      return this.cells.lengthOf(index);
    } catch (error) {
      this.#giveBack(index, 0, true);
      throw error;
    }
  }

  /** Calls the handler of a poll; what it throws gives the message back. */
  #handle(handler: Handler, index: number, length: number): Action | undefined {
    try {
      return this.#call(handler, index, length);
    } catch (error) {
      if (!this.closed) this.#giveBack(index, 0, true);
      throw error;
    }
  }

  #call(handler: Handler, index: number, length: number): Action | undefined {
    const { cells } = this;
    return handler(cells.memory.view, cells.payloadAt(index), length, cells.typeOf(index)) as Action | undefined;
  }

  #acknowledge(index: number, length: number): void {
    this.#reader.acknowledge(index);
    const { statistics } = this;
    statistics[MESSAGES] += 1;
    statistics[BYTES] += length;
    this.wake(this.producers, 1);
  }

  #giveBack(index: number, delayMs: number, counted: boolean): void {
    // Somebody has to know when a delayed message is due, too: this consumer may not look again.
    if (this.#reader.giveBack(index, delayMs, counted)) this.wake(this.consumers, 1);
  }

  #isOver(): boolean {
    const { cells } = this;
    if (!cells.hasAnyEnded()) return false;
    // The producers first, then the messages: whoever sees the end sees all that was published before it.
    for (let slot = 0; slot < cells.memory.producers; slot++) if (this.#mayWrite(slot)) return false;
    if (cells.hasUndone(this.me)) return false;
    // Who sleeps was not rung for what this consumer has done last.
    if (!this.#toldEnd) this.wake(this.consumers, this.consumers.peers.length);
    this.#toldEnd = true;
    return true;
  }

  /** Whether the producer in a slot is there and has not said that it will write no more. */
  #mayWrite(slot: number): boolean {
    const { table } = this.#place.work;
    const active = memory.load(table.words, table.baseOf(slot) + STATE) === SlotState.active;
    return active && !this.cells.hasEnded(slot) && table.isAlive(slot);
  }
}

/** @throws ERR_MEMLANE_ARGUMENT for what cannot be polled with. */
function checkPoll(handler: unknown, limit: number): void {
  checkType('handler', handler, 'function');
  if (limit !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(limit) && limit >= 0))
    throwArgument('limit', limit, 'an integer of 0 or more, or Infinity');
}
