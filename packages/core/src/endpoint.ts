import { checkOneOf, checkOptions, MemlaneError } from '@memlane/linux';
import { Audience } from './audience.ts';
import { type Participant, type SlotRow, type SlotTable, StatisticsIndex } from './participants.ts';
import type { Region } from './region.ts';
import { TamperAlarm } from './tamper-alarm.ts';
import { WAIT_STRATEGIES, Waiter, type WaitStrategy } from './waiting.ts';

/** How an endpoint waits. */
export interface WaitingOptions {
  /** Default `adaptive`. */
  readonly wait?: WaitStrategy;
}

/** What a wait in the event loop may be told. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
}

/** Where an endpoint stands: its slot, and the file that has it. */
export interface Station {
  readonly region: Region;
  readonly table: SlotTable;
  readonly participant: Participant;
}

/** What all endpoints have in common: a slot, peers, a way of waiting, an end. */
export abstract class Endpoint implements Disposable {
  readonly #row: SlotRow;
  readonly #onClose: (endpoint: Endpoint) => void;
  #station: Station;
  /** Those on the other side. */
  protected audience: Audience;
  protected readonly waiter: Waiter;
  /** The statistics line of the slot, which only this endpoint writes. */
  protected statistics: Float64Array;
  #soon: NodeJS.Immediate | undefined;
  #alarm: TamperAlarm | undefined;
  /** What an alarm has found, where nothing can be done about it. */
  #loss: unknown;
  #closed = false;

  /** @param row slots of the other side. */
  constructor(
    station: Station,
    row: SlotRow,
    { wait = 'adaptive' }: WaitingOptions,
    onClose: (endpoint: Endpoint) => void,
  ) {
    const { table, participant } = station;
    this.#station = station;
    this.#row = row;
    this.#onClose = onClose;
    this.audience = new Audience(table, row);
    this.waiter = new Waiter(participant, this.audience.peers, wait, () => this.#lastLook());
    this.statistics = participant.statistics;
  }

  /** Whether anybody is attached to the other side, and alive, now. One system call a place there; blocks for nothing. */
  isPeerAlive(): boolean {
    this.expectOpen();
    return this.audience.isAnybodyAlive();
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
   * Leaves: the slot is free for a successor, which goes on where this endpoint was. A wait under way fails with
   * ERR_MEMLANE_CLOSED. Claims that were not committed and records that were not advanced over do not count. Idempotent.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.waiter.cancel(new MemlaneError('ERR_MEMLANE_CLOSED', 'The endpoint was closed while it waited'));
    this.audience.close();
    this.#station.participant.leave();
    clearImmediate(this.#soon);
    this.#alarm?.close();
    this.#onClose(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @throws ERR_MEMLANE_CLOSED */
  protected expectOpen(): void {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The endpoint is closed');
  }

  /** Goes on in another file; the slot of the old one is left. */
  protected moveStation(station: Station): void {
    const [{ participant }, audience] = [this.#station, this.audience];
    this.#station = station;
    this.audience = new Audience(station.table, this.#row);
    this.statistics = station.participant.statistics;
    station.table.ringAll(station.participant.slot);
    this.waiter.moveTo(station.participant, this.audience.peers);
    audience.close();
    participant.leave();
  }

  /** What is wrong with the file, if anything. */
  protected abstract findLoss(): unknown;

  /** Whether somebody else listens for those who touch the file. */
  protected get hasOwnAlarm(): boolean {
    return false;
  }

  /** What is to be done before each sleep in the event loop, which may have no end; as for {@link Waiter}. */
  protected lastLook(): boolean {
    return false;
  }

  /** Before the first sleep: a sleeper does not look at the file, so somebody has to tell it. */
  #lastLook(): boolean {
    if (this.#loss !== undefined) throw this.#loss;
    const { region } = this.#station;
    if (!this.hasOwnAlarm && this.#alarm === undefined && region.faults !== undefined)
      this.#alarm = new TamperAlarm(region.file.fd, this.alarmedSoon);
    return this.lastLook();
  }

  /**
   * Somebody has touched the file. Not at once: what is done about it may set off the next alarm, and libuv hands out alarms
   * until there are no more, before any timer has its turn.
   */
  protected readonly alarmedSoon = (): void => {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      if (!this.#closed) this.alarmed();
    });
  };

  protected alarmed(): void {
    this.#loss = this.findLoss();
    if (this.#loss !== undefined) this.waiter.fail(this.#loss);
  }

  /** Wakes one of the peers if it sleeps. */
  protected wakePeer(peer: number): void {
    if (this.audience.peers[peer].wakeIfParked()) this.statistics[StatisticsIndex.rings] += 1;
  }

  /** Wakes the peers that sleep. Called after every store that they may wait for. */
  protected wakePeers(): void {
    const woken = this.audience.wakeAll();
    if (woken > 0) this.statistics[StatisticsIndex.rings] += woken;
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
export function checkWaitingOptions(options: WaitingOptions): void {
  const { wait = 'adaptive' } = checkOptions('options', options);
  checkOneOf('wait', wait, WAIT_STRATEGIES);
}
