import { Peer, StatisticsIndex, TamperAlarm, WAIT_STRATEGIES, Waiter, type WaitStrategy } from '@memlane/core';
import { checkOneOf, checkOptions, checkType, MemlaneError } from '@memlane/linux';
import type { RecordView } from './lane.ts';
import { lossOf, type Place, Recovery, recovers } from './recovery.ts';
import { createDraft } from './ring-file.ts';

/** How an endpoint behaves. */
export interface EndpointOptions {
  /** How it waits. Default `adaptive`. */
  readonly wait?: WaitStrategy;
  /**
   * Survive the loss of the file: when somebody cuts, punches, overwrites or deletes it, producer and consumer (both with
   * this option) go on in a fresh file of the same name, and no message is lost, repeated or wrong. For rings created
   * with `checksums`. Costs memory for one more capacity, and one copy a message. Default false.
   */
  readonly recover?: boolean;
}

/** What a wait in the event loop may be told. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/** What producer and consumer have in common: a slot, a peer, a way of waiting, an end. */
export abstract class Endpoint implements Disposable {
  readonly #peerSlot: number;
  readonly #onClose: (endpoint: Endpoint) => void;
  #place: Place;
  protected peer: Peer;
  protected readonly waiter: Waiter;
  /** The statistics line of the slot, which only this endpoint writes. */
  protected statistics: Float64Array;
  /** undefined for an endpoint that fails with its file. */
  protected readonly recovery: Recovery | undefined;
  /** Private memory for records: made there by a producer that recovers, checked there by a consumer of checksums. */
  protected readonly draft: RecordView | undefined;
  readonly #draft: Disposable | undefined;
  #movedTimes = 0;
  #inspectedMs = 0;
  #retry: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  #alarm: TamperAlarm | undefined;
  /** What an alarm has found, where nothing can be done about it. */
  #loss: unknown;
  #closed = false;

  constructor(
    place: Place,
    peerSlot: number,
    options: EndpointOptions,
    onClose: (endpoint: Endpoint) => void,
    needsDraft: boolean,
  ) {
    const { wait = 'adaptive' } = options;
    const { ring, participant } = place;
    this.#place = place;
    this.#peerSlot = peerSlot;
    this.#onClose = onClose;
    this.peer = new Peer(ring.table, peerSlot);
    this.waiter = new Waiter(participant, [this.peer], wait, () => this.#listen());
    this.statistics = participant.statistics;
    if (!needsDraft) return;
    const draft = createDraft(ring.lane.capacityBytes);
    this.#draft = draft.region;
    this.draft = draft.view;
    if (recovers(ring, options)) this.recovery = new Recovery(place, draft.view, () => this.#alarmedSoon());
  }

  /** Times that the endpoint went on in a fresh file; see {@link EndpointOptions.recover}. */
  get recoveries(): number {
    return this.#movedTimes;
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
    this.#place.participant.leave();
    clearTimeout(this.#retry);
    clearImmediate(this.#soon);
    this.#alarm?.close();
    this.recovery?.close();
    this.#draft?.[Symbol.dispose]();
    this.#onClose(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Makes a part of the endpoint; what it has by then (alarm, draft, slot) is given back when that fails. */
  protected closingOnFailure<Part>(make: () => Part): Part {
    try {
      return make();
    } catch (error) {
      Endpoint.prototype.close.call(this); // that of a subclass would close the part
      throw error;
    }
  }

  /** @throws ERR_MEMLANE_CLOSED */
  protected expectOpen(): void {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The endpoint is closed');
  }

  /** Moves to a fresh file if there is, or can be, one; returns whether it did. */
  protected abstract mend(): boolean;

  /** Takes a new place, to which the lane has moved already; leaves the old one. */
  protected moveTo(place: Place): void {
    const [{ participant }, peer] = [this.#place, this.peer];
    // First: a wait that is under way looks at its condition during the move, and so perhaps at the file.
    using _old = this.recovery?.settle(place);
    this.#movedTimes += 1;
    this.#place = place;
    this.peer = new Peer(place.ring.table, this.#peerSlot);
    this.statistics = place.participant.statistics;
    place.ring.table.ringAll(place.participant.slot);
    this.waiter.moveTo(place.participant, [this.peer]);
    peer.close();
    participant.leave();
  }

  /** Looks, now and then, whether the file is still there, for what is done again and again; returns whether it moved. */
  protected inspect(): boolean {
    if (this.recovery === undefined) return false;
    const nowMs = performance.now();
    if (nowMs - this.#inspectedMs < INSPECTION_MS) return false;
    this.#inspectedMs = nowMs;
    return !this.recovery.isWhole() && this.mend();
  }

  /** Before the first sleep: a sleeper does not look at the file, so somebody has to tell it. */
  #listen(): void {
    if (this.#loss !== undefined) throw this.#loss;
    const { region } = this.#place.ring;
    if (this.recovery !== undefined || this.#alarm !== undefined || region.faults === undefined) return;
    this.#alarm = new TamperAlarm(region.file.fd, () => this.#alarmedSoon());
  }

  /**
   * Somebody has touched the file. Not at once: what is done about it may set off the next alarm, and libuv hands out alarms
   * until there are no more, before any timer has its turn.
   */
  #alarmedSoon(): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#alarmed();
    });
  }

  #alarmed(retryMs: number = FIRST_RETRY_MS): void {
    if (this.#closed) return;
    if (this.recovery === undefined) {
      this.#loss = lossOf(this.#place);
      if (this.#loss !== undefined) this.waiter.fail(this.#loss);
      return;
    }
    let settled = false;
    try {
      settled = this.recovery.isWhole() || this.mend();
    } catch (error) {
      this.waiter.fail(error); // full disk, a foreign file of that name; without a wait, whatever is done next meets it
    }
    // No fresh file yet, or one that has been lost as well before it was opened: its alarm is not ours.
    clearTimeout(this.#retry);
    if (!settled) this.#retry = setTimeout(() => this.#alarmed(Math.min(2 * retryMs, LAST_RETRY_MS)), retryMs).unref();
    this.waiter.lookAgain();
  }

  /** Wakes the peer if it sleeps. Called after every store that it may wait for. */
  protected wakePeer(): void {
    if (this.peer.wakeIfParked()) this.statistics[StatisticsIndex.rings] += 1;
  }
}

/** How often a condition that is looked at without end looks at the file, too. */
const INSPECTION_MS = 10;
const FIRST_RETRY_MS = 5;
const LAST_RETRY_MS = 100;

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
  const { wait = 'adaptive', recover = false } = checkOptions('options', options);
  checkOneOf('wait', wait, WAIT_STRATEGIES);
  checkType('recover', recover, 'boolean');
}
