import * as memory from './memory.ts';
import { ACKNOWLEDGEMENT, RESIZE } from './resize-descriptor.ts';

/*
 * Cutting a file that others have mapped, without taking anything from under them: whoever wants it says so, everybody
 * else lets go of what is to be cut and says that, and only then the file is cut.
 *
 *   coordinator (holds the coordinator's lock)        participant (is in a slot)
 *   store target                                      load generation (G)
 *   store generation, odd                  (A)          odd: load target, load generation again;
 *   for each slot that is alive:                             let go of everything beyond the target
 *     load its acknowledgement             (B)               store acknowledgement = generation   (C)
 *   all there: cut the file. Not all there                   ring the coordinator
 *     in time: leave it as it is                        even: take up the length that the file has
 *   store generation, even                 (D)        look again: the generation may have gone on meanwhile
 *
 * Who joins takes its slot first and loads the generation then: either the coordinator finds it alive, or it finds (A).
 * Who dies: a participant is not alive any more, whatever it had acknowledged. A coordinator that dies between (A) and (D)
 * leaves an odd generation and no lock: the next one to take the lock stores the even one, whether the file has been cut
 * or not, and everybody takes up the length that it has. There is nothing else to finish or to roll back.
 *
 * A participant that is stopped acknowledges nothing, so that the file is not cut; one that goes on late finds another
 * generation when it looks again, and takes up the length that the file has by then.
 */

const { load, store } = memory;

const GENERATION = RESIZE.fields.generation.offset >> 2;
const COORDINATOR = RESIZE.fields.coordinator.offset >> 2;
const TARGET = RESIZE.fields.targetLength.offset >> 3;

/** What a participant finds: a resize that is under way, or the end of all so far. */
export interface ResizeState {
  readonly generation: number;
  /** Bytes beyond which nothing may be used; undefined when none is under way. */
  readonly target: number | undefined;
}

/** The words of the protocol. */
export class ResizeWords {
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #base: number;
  readonly #acknowledgements: number;

  /** @param offset of RESIZE in the head that both views begin with, and of the first ACKNOWLEDGEMENT. */
  constructor(words: Int32Array, numbers: Float64Array, offset: number, acknowledgementsOffset: number) {
    this.#words = words;
    this.#numbers = numbers;
    this.#base = offset >> 2;
    this.#acknowledgements = acknowledgementsOffset >> 2;
  }

  /** Begins a resize. The caller holds the coordinator's lock. Returns its generation. */
  begin(target: number, coordinator: number): number {
    const generation = (load(this.#words, this.#base + GENERATION) | 1) + (this.isUnderWay ? 2 : 0);
    this.#numbers[(this.#base >> 1) + TARGET] = target;
    store(this.#words, this.#base + COORDINATOR, coordinator);
    // pairs with: load in state, (A). without it: a participant could take an old target for the one of this generation.
    store(this.#words, this.#base + GENERATION, generation);
    return generation;
  }

  /** Ends the resize that is under way, one's own or that of a coordinator who died. The caller holds its lock. */
  end(): void {
    // pairs with: load in state, (D). without it: a participant could take up the length that the file had before.
    if (this.isUnderWay) store(this.#words, this.#base + GENERATION, load(this.#words, this.#base + GENERATION) + 1);
  }

  get isUnderWay(): boolean {
    return (load(this.#words, this.#base + GENERATION) & 1) !== 0;
  }

  get generation(): number {
    return load(this.#words, this.#base + GENERATION);
  }

  /** Slot of whoever began the last resize. */
  get coordinator(): number {
    return load(this.#words, this.#base + COORDINATOR);
  }

  /** The state at one instant: the target belongs to the generation. */
  state(): ResizeState {
    for (;;) {
      // pairs with: stores in begin and end. without it: as there.
      const generation = load(this.#words, this.#base + GENERATION);
      if ((generation & 1) === 0) return { generation, target: undefined };
      const target = this.#numbers[(this.#base >> 1) + TARGET];
      if (load(this.#words, this.#base + GENERATION) === generation) return { generation, target };
    }
  }

  /** Says that the owner of the slot uses nothing beyond the target of the generation any more. */
  acknowledge(slot: number, generation: number): void {
    // pairs with: load in hasAcknowledged, (C). without it: the file could be cut before the pages have been let go.
    store(this.#words, this.#acknowledgementOf(slot), generation);
  }

  hasAcknowledged(slot: number, generation: number): boolean {
    // pairs with: store in acknowledge, (B). without it: as there.
    return load(this.#words, this.#acknowledgementOf(slot)) === generation;
  }

  #acknowledgementOf(slot: number): number {
    return this.#acknowledgements + slot * (ACKNOWLEDGEMENT.bytes >> 2);
  }
}
