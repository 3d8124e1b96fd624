import { throwArgument } from '@memlane/linux';
import { type CountersMemory, currentValue, OwnCell } from './counters-cells.ts';
import type { Allocation } from './counters-records.ts';

/** What a counter needs of the file that it is in. */
export interface Place {
  readonly file: CountersMemory;
  readonly slot: number;
  /** @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_TRUNCATED and the like when an access has met a page that was gone. */
  readonly expectOpen: () => void;
}

/** What counters and gauges have in common. */
abstract class Handle {
  readonly label: string;
  readonly #place: Place;
  readonly #allocation: Allocation;
  protected readonly cell: OwnCell;

  constructor(label: string, place: Place, allocation: Allocation) {
    this.label = label;
    this.#place = place;
    this.#allocation = allocation;
    this.cell = new OwnCell(place.file, allocation.index, allocation.status, place.slot);
  }

  /**
   * The value now; NaN when it has been freed. One look at the cell of each participant: does not block, does not allocate.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_TRUNCATED and the like when the file was cut.
   */
  get value(): number {
    const { file } = this.#place;
    const value = currentValue(file, this.#allocation.index, this.#allocation.status);
    return value ?? this.gone(Number.NaN);
  }

  /** Whether the label's place has been given back: by its owner's end, or by free(). */
  get isFreed(): boolean {
    return (
      Number.isNaN(this.value) &&
      currentValue(this.#place.file, this.#allocation.index, this.#allocation.status) === undefined
    );
  }

  /** What is said of something that is not there any more, unless the whole file is not. */
  protected gone<Result>(result: Result): Result {
    this.#place.expectOpen();
    return result;
  }
}

/**
 * A number that only grows, added to by any process or thread, and kept when they die. Used by one thread; others ask for one
 * of their own by the same label.
 *
 * @example
 * const requests = counters.counter('requests');
 * requests.increment();
 */
export class Counter extends Handle {
  /**
   * Adds 1; returns false, with nothing added, when the counter has been freed. Wait-free; does not allocate.
   *
   * @throws ERR_MEMLANE_CLOSED.
   */
  increment(): boolean {
    return this.cell.add(1) || this.gone(false);
  }

  /**
   * Adds `count`, a finite number of 0 or more. Exact as long as what one participant's place has added stays below 2^53.
   * Does not look whether the file has been cut: {@link value} does.
   *
   * @returns false, with nothing added, when the counter has been freed.
   * @throws ERR_MEMLANE_ARGUMENT, ERR_MEMLANE_CLOSED.
   */
  add(count: number): boolean {
    // What is no number is not greater than any.
    if (typeof count !== 'number' || !(count >= 0 && count < Number.POSITIVE_INFINITY))
      throwArgument('count', count, 'a finite number of 0 or more');
    return this.cell.add(count) || this.gone(false);
  }
}

/**
 * A number that is set by any process or thread; the last one wins. 0 until it is set; keeps its value when they die.
 *
 * @example
 * counters.gauge('connections').set(server.connections);
 */
export class Gauge extends Handle {
  /**
   * Sets the value; returns false when the gauge has been freed. Wait-free; does not allocate.
   *
   * @throws ERR_MEMLANE_ARGUMENT, ERR_MEMLANE_CLOSED.
   */
  set(value: number): boolean {
    if (typeof value !== 'number') throwArgument('value', value, 'a number');
    return this.cell.set(value) || this.gone(false);
  }
}
