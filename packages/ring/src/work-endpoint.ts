import {
  Audience,
  corrupt,
  Endpoint,
  isReady,
  type Participant,
  StatisticsIndex,
  type WaitingOptions,
} from '@memlane/core';
import { throwArgument } from '@memlane/linux';
import type { WorkCells } from './work-cells.ts';
import type { MappedWork } from './work-file.ts';
import { ownerOf, SWEEP_MS } from './work-state.ts';

/**
 * The longest that a wait in the event loop does not look by itself; that of a blocked thread is the same. For what nobody
 * rings for: a peer that was rung for the only message, and is stopped.
 */
const SLICE_MS = 100;

/** Where an endpoint of a work queue stands. */
export interface WorkPlace {
  readonly work: MappedWork;
  readonly cells: WorkCells;
  readonly participant: Participant;
}

/** What producers and consumers of a work queue have in common: they clear up after the dead, and wait with a clock. */
export abstract class WorkEndpoint extends Endpoint {
  protected readonly cells: WorkCells;
  /** The bits that name this endpoint in the state of a cell. */
  protected readonly me: number;
  protected readonly producers: Audience;
  protected readonly consumers: Audience;
  readonly #place: WorkPlace;
  #sweptMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = 0;

  constructor(place: WorkPlace, options: WaitingOptions, onClose: (endpoint: Endpoint) => void) {
    const { work, cells, participant } = place;
    const { region, table } = work;
    // All are watched: whoever dies may have held what this one waits for.
    super({ region, table, participant }, { first: 0, count: table.slotCount }, options, onClose);
    this.#place = place;
    this.cells = cells;
    this.me = ownerOf(participant.slot, cells.generationOf(participant.slot));
    const { producers } = cells.memory;
    this.producers = new Audience(table, { first: 0, count: producers });
    this.consumers = new Audience(table, { first: producers, count: work.consumers });
  }

  /** Slot of this endpoint, as the statistics count them. */
  get slot(): number {
    return this.#place.participant.slot;
  }

  override close(): void {
    if (this.closed) return;
    super.close();
    this.#disarm();
    this.producers.close();
    this.consumers.close();
  }

  /** When something may be found for which nobody rings, in milliseconds since 1970. */
  protected abstract get dueMs(): number;

  /** Gives back what the dead have held, unless that was done just now; returns whether it looked. */
  protected sweep(): boolean {
    const nowMs = Date.now();
    // Either way: the clock may have been set back.
    if (Math.abs(nowMs - this.#sweptMs) < SWEEP_MS) return false;
    this.#sweptMs = nowMs;
    const { cells } = this;
    cells.sweep();
    if (cells.freed > 0) this.wake(this.producers, cells.freed);
    if (cells.returned > 0) this.wake(this.consumers, cells.returned);
    return true;
  }

  /** Wakes at the most `most` of those who sleep. */
  protected wake(audience: Audience, most: number): void {
    const woken = audience.wakeSome(most);
    if (woken > 0) this.statistics[StatisticsIndex.rings] += woken;
  }

  /** Waits in the event loop; looks again when something is due, and now and then. */
  protected async waitFor(condition: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.waiter.wait(() => {
        const met = condition();
        if (!met) this.#arm();
        return met;
      }, signal);
    } finally {
      this.#disarm();
    }
  }

  /** Blocks the thread, likewise; returns whether the condition was met in time. */
  protected waitForSync(condition: () => boolean, timeoutMs: number): boolean {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0))
      throwArgument('timeoutMs', timeoutMs, 'a number of milliseconds, 0 or more');
    const deadline = performance.now() + timeoutMs;
    for (let left = timeoutMs; ; left = deadline - performance.now()) {
      const dueInMs = this.dueMs === Number.POSITIVE_INFINITY ? this.dueMs : Math.max(0, this.dueMs - Date.now());
      if (this.waiter.waitSync(condition, Math.max(0, Math.min(left, dueInMs)))) return true;
      if (performance.now() >= deadline) return false;
    }
  }

  protected override findLoss(): unknown {
    const { work, participant } = this.#place;
    const { region, table } = work;
    try {
      region.verify();
    } catch (error) {
      return error;
    }
    if (!isReady(table.words)) return corrupt('ready', 0, region.path);
    if (!participant.isRecorded) return corrupt('generation', 0, region.path);
    return undefined;
  }

  /** Has the wait look again at the end of its slice, or when something is due before. */
  #arm(): void {
    const nowMs = Date.now();
    const atMs = Math.min(nowMs + SLICE_MS, this.dueMs);
    if (this.#timer !== undefined && atMs >= this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = atMs;
    // Unreferenced: what keeps the process alive, or does not, is the bell.
    this.#timer = setTimeout(this.#lookAgain, Math.max(1, atMs - nowMs)).unref();
  }

  readonly #lookAgain = (): void => {
    this.#timer = undefined;
    this.waiter.lookAgain();
  };

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
