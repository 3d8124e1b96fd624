import { futexWake } from '@memlane/linux';
import { BellRope } from './doorbell.ts';
import { load } from './memory.ts';
import { BellPush, sleepsInThread } from './parking.ts';
import type { SlotTable } from './participants.ts';
import { SLOT } from './slot-descriptor.ts';

const GENERATION = SLOT.fields.generation.offset >> 2;

/** Another slot, as somebody sees it who waits for its owner or wakes it. */
export class Peer {
  readonly #table: SlotTable;
  readonly #slot: number;
  readonly #base: number;
  readonly #push: BellPush;
  #rope: BellRope | undefined;
  #ropeGeneration = -1;
  #isWatched = false;
  /** Whether the file said that the slot has an owner, when its bell was last wanted. */
  #isTaken = false;

  constructor(table: SlotTable, slot: number) {
    this.#table = table;
    this.#slot = slot;
    this.#base = table.baseOf(slot);
    this.#push = new BellPush(table.words, this.#base);
  }

  isAlive(): boolean {
    return this.#table.isAlive(this.#slot);
  }

  /** Rings the peer if it sleeps and has not been rung for that; returns whether it was. Call after every publish. */
  wakeIfParked(): boolean {
    const episode = this.#push.unrungEpisode();
    if (episode === 0) return false;
    this.#wake(episode);
    return true;
  }

  /** Rings the bell of an event loop that listens without being parked. Call after what it is to notice has been stored. */
  nudge(): void {
    this.#grasp()?.pull();
  }

  /**
   * Calls `listener` from the event loop when the peer's owner is gone.
   *
   * @returns false when nobody is there to be watched: then everything that the last owner stored is visible already. Whether
   *   its lock is free is another question: {@link isInTransit}.
   */
  watchDeath(listener: () => void): boolean {
    this.#isWatched =
      this.#grasp()?.watchOwner(() => {
        this.#release();
        listener();
      }) ?? false;
    return this.#isWatched;
  }

  /**
   * Whether the listener of the last {@link watchDeath} is still to be called, should the event loop turn: then nobody who is
   * about to sleep there needs to ask who is alive. No system call.
   */
  get isWatched(): boolean {
    return this.#isWatched;
  }

  /**
   * After {@link watchDeath} found nobody: whether the lock of the slot is held all the same, by somebody who has no bell yet, or
   * none any more. The kernel closes the descriptors of a process that dies one by one, and may drop its lock after everything
   * else; nothing tells when that is done. A system call where the file says that the slot has an owner.
   */
  get isInTransit(): boolean {
    return this.#isTaken && this.isAlive();
  }

  close(): void {
    this.#release();
  }

  #wake(episode: number): void {
    const inThread = sleepsInThread(episode);
    // First, for it may fail (EMFILE): an episode that counted as rung by then would never be rung.
    const rope = inThread ? undefined : this.#grasp();
    this.#push.ring(episode);
    if (inThread) futexWake(this.#table.bellAddress(this.#slot));
    else rope?.pull();
  }

  /** The peer's bell, opened anew when the slot has changed hands. */
  #grasp(): BellRope | undefined {
    // Nobody to be watched or rung; and no attempt to open a bell for each of many empty places.
    this.#isTaken = this.#rope !== undefined || this.#table.isTaken(this.#slot);
    if (!this.#isTaken) return undefined;
    const generation = load(this.#table.words, this.#base + GENERATION);
    if (generation !== this.#ropeGeneration) this.#release();
    this.#rope ??= BellRope.grasp(this.#table.bellPath(this.#slot, generation), this.#table.owner);
    this.#ropeGeneration = generation;
    return this.#rope;
  }

  #release(): void {
    this.#rope?.close();
    this.#rope = undefined;
    this.#isWatched = false;
  }
}
