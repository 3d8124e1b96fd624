import { expectNoFault, type FaultCounter, lied, memory } from '@memlane/core';
import { checkInteger, throwArgument } from '@memlane/linux';
import type { RecordView } from './lane-memory.ts';
import { LATEST_VALUE, VALUE } from './latest-value-descriptor.ts';

/*
 * A seqlock with several buffers (after the sequence locks of Linux, and the multi-buffer variant that Boehm describes in
 * "Can seqlocks get along with programming language memory models?", 2012). The version v is written into buffer v modulo
 * the number of buffers, N, which is a power of two, so that the row goes on over the wrap at 2^32.
 *
 *   writer                                     reader
 *   store(intent, v + 1)           (A)         v = load(version)
 *   fence                                      copy buffer v mod N
 *   write buffer (v + 1) mod N                 fence
 *   store(version, v + 1)                      i = load(intent)             (B)
 *                                              the copy is v, unless i - v >= N
 *
 * The buffer of v is overwritten by v + N at the earliest, and (A) has announced that. A reader fails, and looks again,
 * only when N - 1 versions were completed while it copied one.
 *
 * Who may die where: a writer anywhere. With one buffer and a sequence that is odd while it writes, a dead writer would
 * keep every reader out for ever; here the newest complete version is in a buffer that nobody writes to. The successor
 * begins at the same version again, in the buffer that was left half-written.
 *
 * A reader that is stopped between its load of the version and (B) for exactly 2^32 versions, or up to N - 1 more, believes
 * a copy that may be torn: at 10 million versions a second it would have to sleep 429 s, and wake within 0.4 us of that.
 */

const { fence, load, store } = memory; // constants of this module: see lane-writer.ts

const VERSION = LATEST_VALUE.fields.version.offset >> 2;
const INTENT = LATEST_VALUE.fields.intent.offset >> 2;
const HEADER_BYTES = VALUE.bytes;

/** The memory of one latest value. */
export interface CellMemory {
  /** The head of the mapping as words. */
  readonly words: Int32Array;
  /** Index of the writer's first word. */
  readonly base: number;
  /** The buffers, from the first one on. */
  readonly view: RecordView;
  readonly buffers: number;
  readonly bufferBytes: number;
  readonly valueBytes: number;
  readonly startVersion: number;
  /** Counts the accesses that met a page which is gone; undefined where that cannot be. */
  readonly faults?: FaultCounter | undefined;
}

/** The writing side. One at a time; its successor goes on at the version in the file. */
export class CellWriter {
  readonly #memory: CellMemory;
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #i32: Int32Array;
  readonly #mask: number;
  readonly #bufferBytes: number;
  /** Longest value; -1 once closed, which makes every begin take the path that says so. */
  #maxLength: number;
  /** The newest complete one. */
  #version: number;
  #begun = false;
  /** Bytes of the value that has been begun. */
  length = 0;

  /** @throws ERR_MEMLANE_CORRUPT when no correct writer leaves the words so. */
  constructor(cell: CellMemory) {
    const { words, base, view, buffers, bufferBytes, valueBytes, faults } = cell;
    this.#memory = cell;
    this.#words = words;
    this.#base = base;
    this.#i32 = view.i32;
    this.#mask = buffers - 1;
    this.#bufferBytes = bufferBytes;
    this.#maxLength = valueBytes;
    this.#version = load(words, base + VERSION);
    const intent = load(words, base + INTENT);
    if ((intent - this.#version) >>> 0 > 1) throw lied('intent', intent, faults);
  }

  get version(): number {
    return this.#version;
  }

  /** Says which buffer is going to be overwritten, and returns the offset of a value of `length` bytes in it. */
  begin(length: number): number {
    if (length >>> 0 !== length || length > this.#maxLength) this.#refuse(length);
    const next = (this.#version + 1) | 0;
    if (!this.#begun) {
      this.#begun = true;
      // pairs with: load in CellReader.#isIntact, (A). without it: a reader believes a copy of a buffer that is being
      // overwritten. The fence: a store in Atomics does not hold back what is written after it.
      store(this.#words, this.#base + INTENT, next);
      fence();
    }
    const offset = (next & this.#mask) * this.#bufferBytes;
    this.#i32[offset >> 2] = ~length;
    this.length = length;
    return offset + HEADER_BYTES;
  }

  /** Makes what has been begun the newest version; returns whether anything had been. @throws as expectNoFault */
  publish(): boolean {
    if (!this.#begun) return false;
    expectNoFault(this.#memory.faults);
    this.#begun = false;
    this.#version = (this.#version + 1) | 0;
    // pairs with: load in CellReader.find. without it: a reader could see the version before the value.
    store(this.#words, this.#base + VERSION, this.#version);
    return true;
  }

  /** Forgets what has been begun. The intent stays as it is: it concerns a buffer that holds no version any more. */
  abort(): void {
    this.#begun = false;
  }

  /** From here on nothing can be begun or published. */
  close(): void {
    this.#maxLength = -1;
    this.#begun = false;
  }

  get closed(): boolean {
    return this.#maxLength < 0;
  }

  #refuse(length: number): void {
    if (this.closed) return; // the caller says so
    checkInteger('length', length, 0, this.#maxLength);
  }
}

/** Looks of one read before it is the writer that is wrong: each one failed because N - 1 versions overtook it. */
const MOST_LOOKS = 10_000;

/** The reading side: any number of them, none of which the writer knows. */
export class CellReader {
  readonly #memory: CellMemory;
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #view: RecordView;
  readonly #mask: number;
  readonly #bufferBytes: number;
  readonly #valueBytes: number;
  /** A view of the value in each buffer, kept for as long as the values there have that length. */
  readonly #sources: (Uint8Array | undefined)[];
  #version: number;
  #hasRead = false;

  constructor(cell: CellMemory) {
    this.#memory = cell;
    this.#words = cell.words;
    this.#base = cell.base;
    this.#view = cell.view;
    this.#mask = cell.buffers - 1;
    this.#bufferBytes = cell.bufferBytes;
    this.#valueBytes = cell.valueBytes;
    this.#sources = new Array(cell.buffers).fill(undefined);
    this.#version = cell.startVersion | 0;
  }

  /** Version of what was read last. */
  get version(): number {
    return this.#version;
  }

  /** Whether there is another version than that one; by default, than what was read last. */
  hasChanged(since: number | undefined): boolean {
    // pairs with: store in CellWriter.publish. without it: a reader sleeps over a value that is there.
    const version = load(this.#words, this.#base + VERSION);
    expectNoFault(this.#memory.faults);
    if (since !== undefined || this.#hasRead) return version !== (since ?? this.#version);
    return this.#lengthOf(version) >= 0;
  }

  /** Copies the newest version into memory of its own; undefined when nothing was written yet. */
  read(): Buffer | undefined {
    for (let look = 0; look < MOST_LOOKS; look++) {
      const version = load(this.#words, this.#base + VERSION); // pairs with: as in readInto
      const length = this.#lengthOf(version);
      const fits = length >= 0 && length <= this.#valueBytes;
      const data = fits ? Buffer.allocUnsafe(length) : undefined;
      data?.set(this.#source(version, length));
      if (this.#isIntact(version)) return this.#believe(version, length) ? data : undefined;
    }
    throw lied('version', load(this.#words, this.#base + VERSION), this.#memory.faults);
  }

  /** Copies it into `target` and returns its length, or -1. */
  readInto(target: Uint8Array): number {
    for (let look = 0; look < MOST_LOOKS; look++) {
      // pairs with: store in CellWriter.publish. without it: the copy could be older than the version.
      const version = load(this.#words, this.#base + VERSION);
      const length = this.#lengthOf(version);
      const fits = length >= 0 && length <= this.#valueBytes && length <= target.length;
      if (fits) target.set(this.#source(version, length));
      if (!this.#isIntact(version)) continue;
      if (length > target.length && length <= this.#valueBytes)
        throwArgument('target', target, `of at least ${length} bytes`);
      return this.#believe(version, length) ? length : -1;
    }
    throw lied('version', load(this.#words, this.#base + VERSION), this.#memory.faults);
  }

  /** Whether nobody may have overwritten what has been copied of a version. @throws ERR_MEMLANE_CORRUPT */
  #isIntact(version: number): boolean {
    fence(); // without it: a load in Atomics does not wait for the plain ones before it
    // pairs with: store in CellWriter.begin, (B). without it: a torn copy is believed.
    const intent = load(this.#words, this.#base + INTENT);
    expectNoFault(this.#memory.faults);
    if ((intent - version) >>> 0 <= this.#mask) return true;
    // The intent is at the most one ahead of the version, which was this one and has moved since.
    if (load(this.#words, this.#base + VERSION) === version) throw lied('intent', intent, this.#memory.faults);
    return false;
  }

  /** Takes note of an intact version; returns whether it is one. @throws ERR_MEMLANE_CORRUPT */
  #believe(version: number, length: number): boolean {
    const { startVersion, faults } = this.#memory;
    if (length === -1 && version === (startVersion | 0)) return false;
    if (length < 0 || length > this.#valueBytes) throw lied('notLength', ~length, faults);
    this.#version = version;
    this.#hasRead = true;
    return true;
  }

  #lengthOf(version: number): number {
    return ~this.#view.i32[((version & this.#mask) * this.#bufferBytes) >> 2];
  }

  /** The value in its buffer: a view for each read would be the only thing that a read allocates. */
  #source(version: number, length: number): Uint8Array {
    const buffer = version & this.#mask;
    const source = this.#sources[buffer];
    if (source !== undefined && source.length === length) return source;
    const offset = buffer * this.#bufferBytes + HEADER_BYTES;
    const fresh = this.#view.u8.subarray(offset, offset + length);
    this.#sources[buffer] = fresh;
    return fresh;
  }
}
