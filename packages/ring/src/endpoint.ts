import {
  type Participant,
  Peer,
  type SlotTable,
  StatisticsIndex,
  WAIT_STRATEGIES,
  Waiter,
  type WaitStrategy,
} from '@memlane/core';
import { MemlaneError, throwArgument } from '@memlane/linux';

/** How an endpoint behaves. */
export interface EndpointOptions {
  /** How it waits. Default `adaptive`. */
  readonly wait?: WaitStrategy;
}

/** What a wait in the event loop may be told. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/** What producer and consumer have in common: a slot, a peer, a way of waiting, an end. */
export abstract class Endpoint implements Disposable {
  readonly #participant: Participant;
  readonly #onClose: (endpoint: Endpoint) => void;
  protected readonly peer: Peer;
  protected readonly waiter: Waiter;
  /** The statistics line of the slot, which only this endpoint writes. */
  protected readonly statistics: Float64Array;
  #closed = false;

  constructor(
    table: SlotTable,
    participant: Participant,
    peerSlot: number,
    { wait = 'adaptive' }: EndpointOptions,
    onClose: (endpoint: Endpoint) => void,
  ) {
    this.#participant = participant;
    this.#onClose = onClose;
    this.peer = new Peer(table, peerSlot);
    this.waiter = new Waiter(participant, [this.peer], wait);
    this.statistics = participant.statistics;
  }

  /** Whether the other side is attached and alive now. One system call; blocks for nothing. */
  isPeerAlive(): boolean {
    this.expectOpen();
    return this.peer.isAlive();
  }

  /** A wait in the event loop keeps the process alive (the default). */
  ref(): this {
    this.waiter.keepAlive = true;
    return this;
  }

  /** A wait in the event loop lets the process end. */
  unref(): this {
    this.waiter.keepAlive = false;
    return this;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Leaves the ring: the slot is free for a successor, which goes on where this endpoint was. A wait under way fails with
   * ERR_MEMLANE_CLOSED. Claims that were not committed and records that were not advanced over do not count. Idempotent.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.waiter.cancel(new MemlaneError('ERR_MEMLANE_CLOSED', 'The endpoint was closed while it waited'));
    this.peer.close();
    this.#participant.leave();
    this.#onClose(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @throws ERR_MEMLANE_CLOSED */
  protected expectOpen(): void {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The endpoint is closed');
  }

  /** Wakes the peer if it sleeps. Called after every store that it may wait for. */
  protected wakePeer(): void {
    if (this.peer.wakeIfParked()) this.statistics[StatisticsIndex.rings] += 1;
  }
}

/**
 * Of operations that are awaited but find what they need at once, one in so many lets the event loop turn: otherwise a
 * loop over a busy ring would never let a timer, a signal or another socket have its turn.
 */
export const OPERATIONS_A_TURN = 512;

/** Lets the event loop turn once. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** @throws ERR_MEMLANE_ARGUMENT unless the options make sense. */
export function checkEndpointOptions(options: EndpointOptions): void {
  const { wait } = options;
  if (wait !== undefined && !WAIT_STRATEGIES.includes(wait))
    throwArgument('wait', wait, `one of ${WAIT_STRATEGIES.join(', ')}`);
}
