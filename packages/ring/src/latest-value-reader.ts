import {
  Endpoint,
  lossOfStation,
  nextTurn,
  OPERATIONS_A_TURN,
  type Station,
  type WaitingOptions,
  type WaitOptions,
} from '@memlane/core';
import { checkInteger, checkOptions, checkSignal, MemlaneError, throwArgument } from '@memlane/linux';
import { type CellMemory, CellReader } from './latest-value-cell.ts';
import { WRITER_SLOT } from './latest-value-descriptor.ts';

/** A value that was copied out, and may be kept. */
export interface VersionedValue {
  readonly data: Buffer;
  /** How often the value had been written, as a signed 32-bit number that wraps: compare by difference, `(b - a) | 0`. */
  readonly version: number;
}

/** What a wait for a change may be told. */
export interface ChangeOptions extends WaitOptions {
  /** Wait for another version than this one. Default: than what this reader read last. */
  readonly since?: number;
}

/** The place of a reader that waits: to be rung, it must be somewhere. */
class WaitingPlace extends Endpoint {
  readonly #station: Station;

  constructor(station: Station, options: WaitingOptions, onClose: (endpoint: Endpoint) => void) {
    super(station, { first: WRITER_SLOT, count: 1 }, options, onClose);
    this.#station = station;
  }

  waitSync(condition: () => boolean, timeoutMs: number): boolean {
    return this.waiter.waitSync(condition, timeoutMs);
  }

  wait(condition: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    return this.waiter.wait(condition, signal);
  }

  protected override findLoss(): unknown {
    return lossOfStation(this.#station);
  }
}

/** What a reader needs of the file that it reads. */
export interface ReaderSurroundings {
  readonly cell: CellMemory;
  isWriterAlive(): boolean;
  /** Takes a reader's place. @throws ERR_MEMLANE_BUSY, ERR_MEMLANE_READ_ONLY */
  enter(): Station;
  forget(reader: LatestReader): void;
}

/**
 * A reading end of a latest value, used by one thread. Any number of them; the writer knows of those only that wait, and
 * waits for none.
 *
 * Reading takes no place in the file. The first wait that does not find what it waits for takes one of the `readers` places,
 * and keeps it until close().
 *
 * @example
 * for await (const { data, version } of reader) show(version, data);
 */
export class LatestReader implements AsyncIterable<VersionedValue>, Disposable {
  readonly #cell: CellReader;
  readonly #surroundings: ReaderSurroundings;
  readonly #options: WaitingOptions;
  #place: WaitingPlace | undefined;
  #keepAlive = true;
  #closed = false;

  constructor(surroundings: ReaderSurroundings, options: WaitingOptions) {
    this.#surroundings = surroundings;
    this.#options = options;
    this.#cell = new CellReader(surroundings.cell);
  }

  /** Version of what was read last; where the versions began when nothing was. */
  get version(): number {
    return this.#cell.version;
  }

  /**
   * Copies the newest complete value; null when nothing was written yet. Does not block.
   *
   * Looks again when the writer has overtaken it by all but one of the buffers, while it copied.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_TRUNCATED and the like when the file was cut; ERR_MEMLANE_CORRUPT when the
   *   writer has written what cannot be, or has overtaken one read ten thousand times.
   */
  read(): VersionedValue | null {
    this.#expectOpen();
    const data = this.#cell.read();
    return data === undefined ? null : { data, version: this.#cell.version };
  }

  /**
   * Copies the newest complete value to the beginning of `target` and returns its length; -1 when nothing was written yet.
   * Does not block, and does not allocate as long as the values keep their length.
   *
   * @throws as {@link read}; ERR_MEMLANE_ARGUMENT when the value is longer than `target`.
   */
  readInto(target: Uint8Array): number {
    if (this.#closed) this.#expectOpen();
    if (!(target instanceof Uint8Array)) throwArgument('target', target, 'a Uint8Array');
    return this.#cell.readInto(target);
  }

  /** Whether there is another version than `since`; by default, than what was read last. One load. @throws as {@link read} */
  changed(since?: number): boolean {
    if (this.#closed) this.#expectOpen();
    return this.#cell.hasChanged(since);
  }

  /**
   * Blocks this thread until there is another version; returns false when the time is over.
   *
   * @throws ERR_MEMLANE_BUSY when all places for readers that wait are taken; ERR_MEMLANE_READ_ONLY for an observer;
   *   ERR_MEMLANE_WAIT_STRATEGY, ERR_MEMLANE_CLOSED.
   */
  waitSync(timeoutMs: number = Number.POSITIVE_INFINITY, since?: number): boolean {
    this.#expectOpen();
    checkSince(since);
    return this.#enter().waitSync(() => this.#cell.hasChanged(since), timeoutMs);
  }

  /** Resolves when there is another version. @throws (rejects) as {@link waitSync}; the signal's reason. */
  async wait(options: ChangeOptions = {}): Promise<void> {
    this.#expectOpen();
    const { since, signal } = checkOptions('options', options);
    checkSince(since);
    checkSignal(signal);
    signal?.throwIfAborted();
    if (this.#cell.hasChanged(since)) return;
    await this.#enter().wait(() => this.#cell.hasChanged(since), signal);
  }

  /**
   * Yields copies of the value, the newest first and then each time that it has changed. Conflates: of versions written
   * while the loop body ran, the newest alone comes. Ends with close() in the loop body, or by the signal of
   * {@link values}; never by itself, because a writer that is gone may have a successor.
   */
  [Symbol.asyncIterator](): AsyncIterator<VersionedValue, undefined> {
    return this.values();
  }

  /** As iterating over the reader, with a signal that ends it by its reason. @throws ERR_MEMLANE_ARGUMENT */
  values(options: WaitOptions = {}): AsyncGenerator<VersionedValue, undefined> {
    const { signal } = checkOptions('options', options);
    checkSignal(signal);
    return this.#values(signal);
  }

  async *#values(signal: AbortSignal | undefined): AsyncGenerator<VersionedValue, undefined> {
    for (let count = 1; ; count++) {
      await this.wait({ signal });
      const value = this.read();
      if (value !== null) yield value;
      if (this.#closed) return;
      if (count % OPERATIONS_A_TURN === 0) await nextTurn();
    }
  }

  /** Whether a writer is attached, and alive, now. One system call; blocks for nothing. */
  isWriterAlive(): boolean {
    this.#expectOpen();
    return this.#surroundings.isWriterAlive();
  }

  /** A wait in the event loop keeps the process alive (the default). */
  ref(): this {
    this.#keepAlive = true;
    this.#place?.ref();
    return this;
  }

  /** A wait in the event loop lets the process end. */
  unref(): this {
    this.#keepAlive = false;
    this.#place?.unref();
    return this;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Gives its place back, if it has one. A wait under way fails with ERR_MEMLANE_CLOSED. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#place?.close();
    this.#surroundings.forget(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #expectOpen(): void {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The reader is closed');
  }

  #enter(): WaitingPlace {
    if (this.#place === undefined) {
      const station = this.#surroundings.enter();
      try {
        this.#place = new WaitingPlace(station, this.#options, () => {});
      } catch (error) {
        station.participant.leave();
        throw error;
      }
      if (!this.#keepAlive) this.#place.unref();
    }
    return this.#place;
  }
}

function checkSince(since: number | undefined): void {
  if (since !== undefined) checkInteger('since', since, -(2 ** 31), 2 ** 31 - 1);
}
