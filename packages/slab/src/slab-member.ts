import { Endpoint, lossOfStation, OrderedAttempts, type Participant, StatisticsIndex } from '@memlane/core';
import { throwArgument } from '@memlane/linux';
import { ChunkAllocator } from './chunk-allocator.ts';
import { ChunkRecords } from './chunk-records.ts';
import type { MappedSlab } from './slab-file.ts';

/** How often it is looked who is dead, at the most, by who finds no room. */
const SWEEP_MS = 1;

/** One thread's place in a slab: it holds buffers, and can wait for room. */
export class SlabMember extends Endpoint {
  readonly slot: number;
  readonly records: ChunkRecords;
  readonly allocator: ChunkAllocator;
  readonly #mapped: MappedSlab;
  readonly #participant: Participant;
  readonly #attempts = new OrderedAttempts();
  #sweptMs = Number.NEGATIVE_INFINITY;

  constructor(mapped: MappedSlab, participant: Participant, onClose: () => void) {
    const { region, table, memory } = mapped;
    super({ region, table, participant }, { first: 0, count: table.slotCount }, {}, onClose);
    const { slot } = participant;
    this.#mapped = mapped;
    this.#participant = participant;
    this.slot = slot;
    this.records = new ChunkRecords({ ...memory.scale, ...memory.geometry }, slot);
    this.allocator = new ChunkAllocator(memory, this.records, slot);
    this.allocator.markInUse(slot);
  }

  /** Takes a chunk, also of what the dead have held; returns its number, or -1. @throws LinuxError ENOSPC */
  take(length: number): number {
    let chunk = this.#tryTake(length);
    if (chunk < 0 && performance.now() - this.#sweptMs >= SWEEP_MS) {
      this.#sweptMs = performance.now();
      // Not waiting for those who attach: they wake whoever sleeps here.
      if (this.sweep(false) > 0) chunk = this.#tryTake(length);
    }
    const { statistics } = this;
    if (chunk < 0) {
      statistics[StatisticsIndex.refusals] += 1;
      return chunk;
    }
    statistics[StatisticsIndex.messages] += 1;
    statistics[StatisticsIndex.bytes] += length;
    return chunk;
  }

  #tryTake(length: number): number {
    const { allocator } = this;
    try {
      return allocator.take(length);
    } finally {
      if (allocator.hasGivenBack) this.#wakeForRoom();
    }
  }

  #wakeForRoom(): void {
    this.allocator.hasGivenBack = false;
    this.wakePeers();
  }

  /** Gives the space of free chunks back to the file system; returns how many pages. */
  trim(): number {
    const pages = this.allocator.trim();
    if (pages > 0) this.#wakeForRoom();
    return pages;
  }

  /** As {@link take}, waiting for room; those who wait are served one after the other. */
  async takeInTurn(length: number, signal: AbortSignal | undefined): Promise<number> {
    let chunk = -1;
    const attempt = (): boolean => {
      this.expectOpen(); // closed since: its descriptors may be other files' by now
      if (chunk < 0) chunk = this.take(length);
      return chunk >= 0;
    };
    try {
      await this.#attempts.make(attempt, (until) => this.waiter.wait(attempt, until), signal);
    } catch (error) {
      if (chunk >= 0) this.drop(chunk);
      throw error;
    }
    return chunk;
  }

  /** As {@link take}, blocking the thread for so long at the most. */
  waitForSync(length: number, timeoutMs: number): number {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0))
      throwArgument('timeoutMs', timeoutMs, 'a number of milliseconds, 0 or more');
    let chunk = -1;
    this.waiter.waitSync(() => {
      if (chunk < 0) chunk = this.take(length);
      return chunk >= 0;
    }, timeoutMs);
    return chunk;
  }

  /** Gives the hold of this participant up. */
  drop(chunk: number): void {
    const { words, record } = this.#mapped.memory.at(chunk);
    if (this.records.release(words, record)) this.freed(chunk);
  }

  /** Tells those who look for a free chunk, or wait for room. */
  freed(chunk: number): void {
    this.allocator.freed(chunk);
    this.wakePeers();
  }

  /**
   * Ends the holds of those who are dead; returns how many chunks are free by that. A system call for each slot in use.
   *
   * @param waits whether for somebody who attaches just then; otherwise nothing is done, but by others.
   */
  sweep(waits = true): number {
    const { table } = this.#mapped;
    let freed = 0;
    for (let slot = 0; slot < table.slotCount; slot++) {
      if (slot === this.slot || !this.allocator.isInUse(slot) || table.isAlive(slot)) continue;
      const recover = (): void => {
        freed += this.allocator.recover(slot);
      };
      if (waits) table.vacate(slot, recover);
      else table.tryVacate(slot, recover);
    }
    if (freed > 0) this.wakePeers();
    return freed;
  }

  /** Leaves, with everything that it holds given up. Idempotent. */
  override close(): void {
    if (this.closed) return;
    try {
      this.allocator.recover(this.slot);
    } catch {
      // The file is not what it was: nobody gets anything out of it any more.
    }
    super.close(); // wakes everybody
  }

  /** The sleep may have no end: who has died a moment ago is to be found now. */
  protected override lastLook(): boolean {
    this.#sweptMs = Number.NEGATIVE_INFINITY;
    this.allocator.recountSoon();
    return false;
  }

  protected override findLoss(): unknown {
    const { region, table } = this.#mapped;
    return lossOfStation({ region, table, participant: this.#participant });
  }
}
