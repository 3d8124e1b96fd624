import { checkSignal, futexWait, type LinuxError, MemlaneError, systemCalls, throwArgument } from '@memlane/linux';
import { pause } from './memory.ts';
import { type Participant, StatisticsIndex } from './participants.ts';
import type { Peer } from './peer.ts';
import { ParkKind } from './slot-descriptor.ts';

/**
 * How to wait for a peer. `spin` and `yield` burn the processor, the latter lets others run; `park` blocks the thread in
 * the kernel; `event` sleeps in the event loop; `adaptive` looks for a short, capped time and then parks, in the thread
 * for waitSync() and in the event loop for await.
 */
export type WaitStrategy = 'spin' | 'yield' | 'park' | 'event' | 'adaptive';

export const WAIT_STRATEGIES: readonly WaitStrategy[] = ['spin', 'yield', 'park', 'event', 'adaptive'];

/** About what a sleep and a wake-up cost on a machine with idle states: looking longer cannot pay. */
const ADAPTIVE_SPIN_MS = 0.05;
const ADAPTIVE_POLL_MS = 0.1;
/** A spinning `await` lets the event loop turn this often. */
const SPIN_SLICE_MS = 1;
/** The longest that a blocked thread does not look at signals, termination, or the death of its peers. */
const PARK_SLICE_MS = 100;
/** How soon an event loop looks again at something that is under way and will not be rung for when it is over. */
const UNSETTLED_MS = 10;
/** Looks between two readings of the clock. */
const LOOKS = 64;

type Condition = () => boolean;

/** Waits on behalf of one participant until a condition that its peers bring about is met. */
export class Waiter {
  #participant: Participant;
  #peers: readonly Peer[];
  readonly #strategy: WaitStrategy;
  readonly #lastLook: () => boolean;
  #keepAlive = true;
  /** Ends the wait in the event loop that is under way: looks again, or fails. */
  #settle: ((failure?: unknown) => void) | undefined;
  #waiting = false;

  /**
   * @param lastLook called before each sleep in the event loop, when whoever changes something rings already; returns whether
   *   to look again soon, as nobody will ring for what is left. The sleep fails with what it throws.
   */
  constructor(
    participant: Participant,
    peers: readonly Peer[],
    strategy: WaitStrategy,
    lastLook: () => boolean = () => false,
  ) {
    this.#participant = participant;
    this.#peers = peers;
    this.#strategy = strategy;
    this.#lastLook = lastLook;
  }

  /** Goes on waiting, if it does, as another participant of another file. */
  moveTo(participant: Participant, peers: readonly Peer[]): void {
    this.#participant = participant;
    this.#peers = peers;
    // Last: a condition that is looked at may move once more. What is under way knows the place at which it sleeps.
    this.lookAgain();
  }

  /** Fails the wait in the event loop that is under way, if any; later ones are not concerned. */
  fail(failure: unknown): void {
    this.#settle?.(failure);
  }

  /** Has a wait in the event loop look at its condition now. */
  lookAgain(): void {
    this.#settle?.();
  }

  /** Whether a wait in the event loop keeps the process alive. */
  set keepAlive(value: boolean) {
    this.#keepAlive = value;
    this.lookAgain();
  }

  /**
   * Blocks the thread until the condition is met or the time is over; returns whether it is met.
   *
   * @throws ERR_MEMLANE_WAIT_STRATEGY for `event`; ERR_MEMLANE_CONCURRENT while a wait in the event loop is under way;
   *   ERR_MEMLANE_ARGUMENT.
   */
  waitSync(condition: Condition, timeoutMs: number): boolean {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0))
      throwArgument('timeoutMs', timeoutMs, 'a number of milliseconds, 0 or more');
    if (condition()) return true;
    // It would end with the word of the other wait marked as awake, which nobody would ever ring again.
    if (this.#waiting) throw new MemlaneError('ERR_MEMLANE_CONCURRENT', 'A wait of this endpoint is under way');
    const deadline = performance.now() + timeoutMs;
    switch (this.#strategy) {
      case 'spin':
        return spin(condition, deadline);
      case 'yield':
        return yieldUntil(condition, deadline);
      case 'park':
        return this.#park(condition, deadline);
      case 'adaptive':
        return (
          spin(condition, Math.min(deadline, performance.now() + ADAPTIVE_SPIN_MS), systemCalls.schedYield) ||
          this.#park(condition, deadline)
        );
      default:
        throw new MemlaneError('ERR_MEMLANE_WAIT_STRATEGY', "waitSync() cannot wait with strategy 'event'");
    }
  }

  /**
   * Resolves when the condition is met.
   *
   * @throws ERR_MEMLANE_WAIT_STRATEGY for `park`; ERR_MEMLANE_CONCURRENT while another wait is under way; the signal's
   *   reason; ERR_MEMLANE_CLOSED when the endpoint is closed meanwhile; ERR_MEMLANE_ARGUMENT.
   */
  async wait(condition: Condition, signal?: AbortSignal): Promise<void> {
    checkSignal(signal);
    signal?.throwIfAborted();
    if (condition()) return;
    if (this.#strategy === 'park')
      throw new MemlaneError('ERR_MEMLANE_WAIT_STRATEGY', "await cannot wait with strategy 'park'");
    if (this.#waiting) throw new MemlaneError('ERR_MEMLANE_CONCURRENT', 'A wait of this endpoint is under way');
    this.#waiting = true;
    try {
      if (await this.#poll(condition, signal)) return;
      while (!(await this.#parkInEventLoop(condition, signal)));
    } finally {
      this.#waiting = false;
    }
  }

  /** Fails the wait that is under way, if any. */
  cancel(failure: unknown): void {
    this.#cancelled = failure;
    this.#settle?.(failure);
  }

  #cancelled: unknown;

  /** The part of a wait that looks without sleeping: nothing for `event`, without end for `spin` and `yield`. */
  async #poll(condition: Condition, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#strategy === 'event') return false;
    const deadline = this.#strategy === 'adaptive' ? performance.now() + ADAPTIVE_POLL_MS : Number.POSITIVE_INFINITY;
    do {
      if (this.#strategy === 'spin') {
        if (spin(condition, performance.now() + SPIN_SLICE_MS)) return true;
      } else systemCalls.schedYield();
      await nextTurn(this.#keepAlive);
      signal?.throwIfAborted();
      if (this.#cancelled !== undefined) throw this.#cancelled;
      if (condition()) return true;
    } while (performance.now() < deadline);
    return false;
  }

  #park(condition: Condition, deadline: number): boolean {
    for (;;) {
      const left = deadline - performance.now();
      if (left <= 0) return condition();
      const participant = this.#participant;
      const { spot, statistics, bellAddress } = participant;
      statistics[StatisticsIndex.parks] += 1;
      const bell = spot.enter(ParkKind.thread);
      // The second look, after the parked word is visible; and at the end of each slice, which is how a thread learns of
      // a peer that died between its publish and its ring.
      try {
        const met = condition();
        // A condition may have moved to another file: nobody rings here any more.
        if (!met && participant === this.#participant) sleepOn(bellAddress, bell, Math.min(left, PARK_SLICE_MS));
      } finally {
        spot.leave(); // also when the condition meets what a lying peer has written
      }
      if (condition()) return true;
    }
  }

  /** Sleeps once; resolves to whether the condition is met afterwards. */
  #parkInEventLoop(condition: Condition, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      // An abort or a close may have come since the last look, before anybody listened for it.
      signal?.throwIfAborted();
      if (this.#cancelled !== undefined) throw this.#cancelled;
      const { doorbell, spot, statistics } = this.#participant;
      let soon: NodeJS.Timeout | undefined;
      const settle = (failure?: unknown): void => {
        if (this.#settle !== settle) return;
        this.#settle = undefined;
        clearTimeout(soon);
        signal?.removeEventListener('abort', aborted);
        doorbell.ignore();
        spot.leave();
        try {
          if (failure !== undefined) throw failure;
          resolve(condition());
        } catch (error) {
          // Not thrown: called by the event loop, it would end the process for what a lying peer has written.
          reject(error);
        }
      };
      const aborted = (): void => settle(signal?.reason);
      const lookAgain = (): void => settle();

      this.#settle = settle;
      statistics[StatisticsIndex.parks] += 1;
      spot.enter(ParkKind.eventLoop);
      signal?.addEventListener('abort', aborted);
      try {
        doorbell.listen(lookAgain, this.#keepAlive);
        // Who dies leaves its lock last, who comes has it first, and nothing tells of what happens in between.
        let isUnsettled = false;
        for (const peer of this.#peers) if (!peer.watchDeath(lookAgain) && peer.isInTransit) isUnsettled = true;
        if (this.#lastLook()) isUnsettled = true;
        if (isUnsettled) soon = setTimeout(lookAgain, UNSETTLED_MS);
        if (!this.#keepAlive) soon?.unref();
        // The second look comes last: after the parked word is visible, and after each peer is either watched or known
        // to be gone with everything it stored.
        if (condition()) settle();
      } catch (error) {
        settle(error);
      }
    });
  }
}

/**
 * Looks without sleeping. With `breathe` it lets others run every few microseconds: the peer may need this very
 * processor to bring the condition about, and would otherwise get it when the time is over (measured: 0.22 ms a round trip
 * instead of 0.02).
 */
function spin(condition: Condition, deadline: number, breathe?: () => void): boolean {
  do {
    for (let look = 0; look < LOOKS; look++) {
      if (condition()) return true;
      pause();
    }
    breathe?.();
  } while (performance.now() < deadline);
  return false;
}

/** Sleeps on a futex word, unless its page is gone: then the next look at the memory meets that, too, and is told. */
function sleepOn(address: number, expected: number, timeoutMs: number): void {
  try {
    futexWait(address, expected, timeoutMs);
  } catch (error) {
    if ((error as LinuxError).code !== 'EFAULT') throw error;
  }
}

function yieldUntil(condition: Condition, deadline: number): boolean {
  do {
    if (condition()) return true;
    systemCalls.schedYield();
  } while (performance.now() < deadline);
  return condition();
}

function nextTurn(keepAlive: boolean): Promise<void> {
  return new Promise((resolve) => {
    if (keepAlive) setImmediate(resolve);
    // Not an unreferenced immediate: while something else keeps the loop alive, it would only run after its next event.
    else setTimeout(resolve, 0).unref();
  });
}
