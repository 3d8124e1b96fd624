import { memory } from '@memlane/core';
import { MemlaneError } from '@memlane/linux';
import { CURSOR } from './lane-descriptor.ts';
import type { Position } from './position.ts';
import type { Milestone, TailReader } from './tail.ts';

const { fence, load } = memory;
const STATE = CURSOR.fields.state.offset >> 2;

/** What a consumer has missed. */
export interface Loss {
  /** Messages; of a named cursor that was not kept for long enough only the bytes are known. */
  readonly records: number | undefined;
  /** Bytes in the ring, headers included; modulo 2^32. */
  readonly bytes: number;
}

/** What a reader looks at whose records may be overwritten before it has read them. */
export interface Standing {
  /** Whether the writer waits for what was read and not given back. */
  readonly isAwaited: boolean;
  /**
   * Where to go on when what stands at `position` may have been overwritten; undefined when it has not been. Call after
   * it was copied.
   *
   * @throws ERR_MEMLANE_EVICTED to a consumer that the producer has passed over.
   */
  overtaken(position: Position): Milestone | undefined;
  onLoss(loss: Loss): void;
}

/** Of a lane that overwrites what has not been read. */
export class LossyStanding implements Standing {
  readonly isAwaited = false;
  readonly #tail: TailReader;
  readonly #from: 'oldest' | 'now';
  readonly onLoss: (loss: Loss) => void;

  constructor(tail: TailReader, from: 'oldest' | 'now', onLoss: (loss: Loss) => void) {
    this.#tail = tail;
    this.#from = from;
    this.onLoss = onLoss;
  }

  overtaken(position: Position): Milestone | undefined {
    if (!this.#tail.isPassed(position)) return undefined;
    return this.#from === 'oldest' ? this.#tail.oldest() : this.#tail.newest();
  }
}

/** Of a lane whose producer passes over whoever is too far behind. */
export class EvictableStanding implements Standing {
  readonly isAwaited = true;
  readonly #words: Int32Array;
  readonly #cursor: number;
  readonly #state: number;

  /** @param state of the cursor, from when it was taken. */
  constructor(words: Int32Array, cursor: number, state: number) {
    this.#words = words;
    this.#cursor = cursor;
    this.#state = state;
  }

  overtaken(): undefined {
    fence();
    // pairs with: compareAndSet in CursorsGate.#passOver. without it: what is being overwritten could be taken for a record.
    if (load(this.#words, this.#cursor + STATE) === this.#state) return;
    throw new MemlaneError('ERR_MEMLANE_EVICTED', 'The consumer was further behind than the ring allows');
  }

  onLoss(): void {}
}
