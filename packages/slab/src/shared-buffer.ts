import { checkOptions, MemlaneError } from '@memlane/linux';
import type { Waybill } from './chunk-records.ts';
import type { SharedReference } from './reference.ts';

/** What a buffer needs of its slab. */
export interface BufferHost {
  /** @throws ERR_MEMLANE_CLOSED */
  expectOpen(): void;
  share(buffer: SharedBuffer, slot: number | undefined, waybill: Waybill | undefined): SharedReference;
  release(buffer: SharedBuffer): void;
}

/** Where the memory of a buffer is. */
export interface BufferPlace {
  readonly buffer: SharedArrayBuffer;
  readonly offset: number;
}

/** How a buffer is shared. */
export interface ShareOptions {
  /**
   * {@link Slab.slot} of who will take the reference: then it arrives also when the sender has left or died by that time, and is
   * given up when the taker dies. Default: it is the sender's, and stale when that has left before it was taken.
   */
  readonly to?: number;
}

/**
 * A piece of shared memory, held by this thread: nobody gets it as another buffer before all who hold it have released it,
 * or are dead. What is stored in it is there for all of them, at once and without a copy; whoever writes while others read
 * has to agree with them on it.
 *
 * @example
 * using frame = slab.tryAcquire(1920 * 1080 * 4);
 * if (frame !== null) {
 *   render(frame.data);
 *   worker.postMessage(frame.share());
 * }
 */
export class SharedBuffer implements Disposable {
  /** Bytes. */
  readonly length: number;
  /** Names its memory in {@link Slab.holders}. */
  readonly chunk: number;
  /** How many buffers were in that memory before, and this one. */
  readonly generation: number;
  readonly #host: BufferHost;
  readonly #place: BufferPlace;
  #data: Buffer | undefined;
  #released = false;

  /** Buffers come from {@link Slab.tryAcquire}, {@link Slab.acquire} and {@link Slab.take}. */
  constructor(host: BufferHost, place: BufferPlace, chunk: number, generation: number, length: number) {
    this.#host = host;
    this.#place = place;
    this.chunk = chunk;
    this.generation = generation;
    this.length = length;
  }

  /**
   * The memory. Not to be used after {@link release}: it may be another buffer's by then.
   *
   * @throws ERR_MEMLANE_CLOSED after the release.
   */
  get data(): Buffer {
    this.#expectOpen();
    const { buffer, offset } = this.#place;
    this.#data ??= Buffer.from(buffer, offset, this.length);
    return this.#data;
  }

  /** Whether this thread has given it up by this object. */
  get released(): boolean {
    return this.#released;
  }

  /**
   * Makes a reference for one other thread or process, which holds the buffer when it has taken it. While it is under way the
   * reference holds the buffer, too: this one may be released at once.
   *
   * @throws ERR_MEMLANE_BUSY when as many references as the slab allows are under way; ERR_MEMLANE_ARGUMENT;
   *   ERR_MEMLANE_CLOSED.
   */
  share(options: ShareOptions = {}): SharedReference {
    this.#expectOpen();
    const { to } = checkOptions('options', options);
    return this.#host.share(this, to, undefined);
  }

  /**
   * Makes a reference that a message of a ring or queue carries, which may be read several times, by several. It holds the buffer
   * until {@link Slab.settle}. Call before the message is published.
   *
   * @throws as {@link share}.
   */
  consign(waybill: Waybill): SharedReference {
    this.#expectOpen();
    return this.#host.share(this, undefined, waybill);
  }

  /** Gives it up. Its memory is free when nobody else holds it. Idempotent. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#host.release(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #expectOpen(): void {
    if (this.#released) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The buffer has been released');
    this.#host.expectOpen();
  }
}
