import { Endpoint, lossOfStation, type Station, StatisticsIndex } from '@memlane/core';
import { throwArgument } from '@memlane/linux';
import type { RecordView } from './lane-memory.ts';
import { CellWriter } from './latest-value-cell.ts';
import { WRITER_SLOT } from './latest-value-descriptor.ts';
import type { MappedLatestValue } from './latest-value-file.ts';

// Constants of this module: see lane-writer.ts.
const { messages: MESSAGES, bytes: BYTES, batches: BATCHES } = StatisticsIndex;

/**
 * The writing end of a latest value. One at a time, used by one thread; any number of successors. Never waits for a reader.
 *
 * A value is visible, whole, from commit() on. A writer that is killed in the middle of one leaves the one before it.
 *
 * @example
 * const offset = writer.begin(16);
 * writer.view.f64[offset >> 3] = bid;
 * writer.view.f64[(offset >> 3) + 1] = ask;
 * writer.commit();
 */
export class LatestWriter extends Endpoint {
  /** The buffers; what begin() returns is an offset into it. Write only what has been begun. */
  readonly view: RecordView;
  /** Longest value, in bytes. */
  readonly valueBytes: number;
  readonly #cell: CellWriter;
  readonly #station: Station;

  constructor(mapped: MappedLatestValue, station: Station, onClose: (endpoint: Endpoint) => void) {
    super(station, { first: WRITER_SLOT + 1, count: mapped.readers }, {}, onClose);
    this.#station = station;
    this.#cell = new CellWriter(mapped.cell);
    this.view = mapped.cell.view;
    this.valueBytes = mapped.cell.valueBytes;
  }

  /** The newest version, as a signed 32-bit number that wraps. */
  get version(): number {
    return this.#cell.version;
  }

  /**
   * Begins a value of `length` bytes and returns its offset in {@link view}.
   *
   * It is 8-byte aligned and contiguous; it holds an older version, of which nothing can be relied on. Begun once more
   * before the commit, it is the same place with another length. Never fails for want of room; does not block, does not
   * allocate.
   *
   * @throws ERR_MEMLANE_ARGUMENT past {@link valueBytes}; ERR_MEMLANE_CLOSED.
   */
  begin(length: number): number {
    if (this.#cell.closed) this.expectOpen();
    return this.#cell.begin(length);
  }

  /**
   * Makes what has been begun the newest version, and wakes the readers that sleep: one load for 32 of them when nobody
   * does. Nothing when nothing has been begun. Does not block.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_TRUNCATED and the like when the file was cut; LinuxError EMFILE or ENFILE when
   *   no descriptor is left to ring with: the value is published all the same.
   */
  commit(): void {
    const cell = this.#cell;
    if (!cell.publish()) {
      this.expectOpen();
      return;
    }
    const statistics = this.statistics;
    statistics[MESSAGES] += 1;
    statistics[BYTES] += cell.length;
    statistics[BATCHES] += 1;
    this.wakePeers();
  }

  /** Forgets what has been begun; the newest version stays. */
  abort(): void {
    this.expectOpen();
    this.#cell.abort();
  }

  /** Writes a value. What has been begun before is forgotten. @throws as {@link begin} and {@link commit} */
  write(value: Uint8Array | string): void {
    if (typeof value === 'string') {
      const length = Buffer.byteLength(value);
      this.view.buffer.write(value, this.begin(length), length, 'utf8');
    } else this.#copy(value);
    this.commit();
  }

  override close(): void {
    this.#cell.close();
    super.close();
  }

  protected override findLoss(): unknown {
    return lossOfStation(this.#station);
  }

  /** Also what is empty, for set() to find out whether it is: of a detached array Node 20 may believe the old length. */
  #copy(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) throwArgument('value', value, 'a Uint8Array, a Buffer or a string');
    const offset = this.begin(value.length);
    try {
      this.view.u8.set(value, offset);
    } catch {
      this.#cell.abort();
      throwArgument('value', value, 'of a buffer that is neither detached nor too short for it by now');
    }
  }
}
