import * as memory from './memory.ts';
import * as slot from './slot-descriptor.ts';

/*
 * The parking protocol. Each participant has two words: `parked`, which only its owner writes, and `bell`, which whoever
 * rings it raises.
 *
 *   sleeper                                   writer
 *   bell0 = load(bell)                        publish (store of a position)
 *   store(parked, asleep in episode e) (A)    load(parked)                (B)
 *   look for work again                       if it is asleep in an episode not rung yet: ring
 *   sleep until the bell rings
 *   store(parked, awake, still e)
 *
 * (A) and (B) are a store followed by a load of the other's word on both sides, sequentially consistent: either the
 * sleeper sees what was published or the writer sees the parked word. Nobody but the sleeper changes its word, so a
 * writer that dies anywhere leaves nothing to repair. A writer remembers the episode it rang last, and rings once an
 * episode however much it publishes before the sleeper runs.
 *
 * Where many may sleep, a mask says who: one bit for each slot, set by its owner after (A) and cleared when it wakes. A
 * writer then looks at one word for 32 slots instead of one for each (B'), and at the parked words of those only whose bit is
 * set. The bit of a sleeper that died stays until its slot is taken again, and costs a look at its parked word.
 *
 * The episode stays in the word when the owner wakes, leaves or dies, and the next owner of the slot goes on from there:
 * an episode that some writer has rung must not come again. It has 30 bits. A writer would have to ring one episode, none
 * of the next 2^30 - 1, and then meet the same number: at 50 000 parks a second, six hours without a message from it.
 */

// Constants of this module, which an imported binding is not: a publish looks at the parked word every time.
const { clearBits, getAndAdd, load, setBits, store } = memory;
const { ASLEEP, EPISODE_SHIFT, ParkKind, SLOT } = slot;

const PARKED = SLOT.fields.parked.offset >> 2;
const BELL = SLOT.fields.bell.offset >> 2;

/** Where the mask of sleepers has the bit of one slot. */
export interface SleeperBit {
  /** Index of the word. */
  readonly index: number;
  readonly bit: number;
}

/** The owner's side of the two words. */
export class ParkingSpot {
  readonly #words: Int32Array;
  readonly #parked: number;
  readonly #bell: number;
  readonly #mask: SleeperBit | undefined;

  /**
   * @param base index of the slot's first word.
   * @param mask the slot's bit among those of all, where there is such a mask.
   */
  constructor(words: Int32Array, base: number, mask?: SleeperBit) {
    this.#words = words;
    this.#parked = base + PARKED;
    this.#bell = base + BELL;
    this.#mask = mask;
  }

  /** Says that the owner is about to sleep. Returns the bell's value, for the futex of a thread. */
  enter(kind: number): number {
    // pairs with: getAndAdd in BellPush.ring. without it: a ring between here and the futex would go unnoticed.
    const bell = load(this.#words, this.#bell);
    const episode = (load(this.#words, this.#parked) >>> EPISODE_SHIFT) + 1;
    // pairs with: load in BellPush.unrungEpisode, (A). without it: the last message before the sleep wakes nobody.
    store(this.#words, this.#parked, (episode << EPISODE_SHIFT) | ASLEEP | kind);
    // pairs with: load in Audience.wake, (B'). without it: as above. After the parked word, which is looked at then.
    if (this.#mask !== undefined) setBits(this.#words, this.#mask.index, this.#mask.bit);
    return bell;
  }

  /** Says that the owner is awake. */
  leave(): void {
    if (this.#mask !== undefined) clearBits(this.#words, this.#mask.index, this.#mask.bit);
    store(this.#words, this.#parked, load(this.#words, this.#parked) & ~ASLEEP);
  }
}

/** A writer's side of the two words. */
export class BellPush {
  readonly #words: Int32Array;
  readonly #parked: number;
  readonly #bell: number;
  #rung = 0;

  constructor(words: Int32Array, base: number) {
    this.#words = words;
    this.#parked = base + PARKED;
    this.#bell = base + BELL;
  }

  /**
   * The parked word of a peer that sleeps and has not been rung by this writer for that, or 0. Called after every
   * publish: one load of a line that hardly ever changes.
   */
  unrungEpisode(): number {
    // pairs with: store in ParkingSpot.enter, (B). without it: as there.
    const parked = load(this.#words, this.#parked);
    return (parked & ASLEEP) === 0 || parked === this.#rung ? 0 : parked;
  }

  /** Notes that the episode is being rung, and raises the bell. */
  ring(parked: number): void {
    this.#rung = parked;
    // pairs with: load in ParkingSpot.enter. without it: futex_wait would sleep over a ring that came just before it.
    getAndAdd(this.#words, this.#bell, 1);
  }
}

/** Whether a parked word is a thread's (futex) rather than an event loop's (FIFO). */
export function sleepsInThread(parked: number): boolean {
  return (parked & 1) === ParkKind.thread;
}
