import { type FaultCounter, lied, memory, Region } from '@memlane/core';
import { LARGE_BYTES } from './size-classes.ts';
import { type ClassGeometry, SIZE_CLASS, SLAB_WORDS, type SlabGeometry, type SlabScale } from './slab-descriptor.ts';

const { clearBits, compareAndSet, getAndAdd, load, setBits } = memory;
const RESERVED_PAGES = SLAB_WORDS.fields.reservedPages.offset >> 2;
const CLASS_WORDS = SIZE_CLASS.bytes >> 2;
const CHUNKS = SIZE_CLASS.fields.chunks.offset >> 2;

/** Bits of a chunk's number below its class. */
const INDEX_BITS = 24;

export function classOfChunk(chunk: number): number {
  return chunk >>> INDEX_BITS;
}

export function indexOfChunk(chunk: number): number {
  return chunk & ((1 << INDEX_BITS) - 1);
}

export function chunkAt(sizeClass: number, index: number): number {
  return (sizeClass << INDEX_BITS) | index;
}

/** Chunks that are mapped together, with their records. */
export interface Span {
  /** The records. */
  readonly words: Int32Array;
  readonly buffer: SharedArrayBuffer;
  readonly faults: FaultCounter | undefined;
}

/** Where a chunk is: its record, and its data. */
export interface ChunkPlace extends Span {
  /** Index of the first word of its record. */
  readonly record: number;
  /** Where in the buffer it begins. */
  readonly offset: number;
}

/** The memory of a slab: its words, what is mapped of its chunks, and the space that they take of the file system. */
export class SlabMemory {
  readonly scale: SlabScale;
  readonly geometry: SlabGeometry;
  /** Everything before the first span. */
  readonly words: Int32Array;
  readonly pageSize: number;
  readonly #region: Region;
  /** By class, then by number. */
  readonly #spans: (Span | undefined)[][];
  readonly #regions: Region[] = [];

  constructor(region: Region, scale: SlabScale, geometry: SlabGeometry, pageSize: number) {
    this.scale = scale;
    this.geometry = geometry;
    this.pageSize = pageSize;
    this.words = new Int32Array(region.buffer, 0, geometry.headLength >> 2);
    this.#region = region;
    this.#spans = geometry.classes.map(() => []);
  }

  /** Whether there is a chunk of that number. */
  has(chunk: number): boolean {
    return (
      chunk >= 0 &&
      classOfChunk(chunk) < this.geometry.classes.length &&
      indexOfChunk(chunk) < this.chunksOf(classOfChunk(chunk))
    );
  }

  at(chunk: number): ChunkPlace {
    const [sizeClass, index] = [classOfChunk(chunk), indexOfChunk(chunk)];
    const { words, buffer, faults } = this.spanOf(sizeClass, index);
    const [record, offset] = [this.recordOf(sizeClass, index), this.offsetOf(sizeClass, index)];
    return { words, buffer, faults, record, offset };
  }

  chunkBytesOf(chunk: number): number {
    return this.geometry.classes[classOfChunk(chunk)].chunkBytes;
  }

  /** Calls back for each chunk that there is. */
  forEach(visit: (chunk: number, words: Int32Array, record: number) => void): void {
    for (let sizeClass = 0; sizeClass < this.geometry.classes.length; sizeClass++)
      for (let index = 0; index < this.chunksOf(sizeClass); index++)
        visit(chunkAt(sizeClass, index), this.spanOf(sizeClass, index).words, this.recordOf(sizeClass, index));
  }

  /** Chunks that a class has. @throws ERR_MEMLANE_CORRUPT when it cannot have so many. */
  chunksOf(sizeClass: number): number {
    const chunks = load(this.words, this.#wordOf(sizeClass) + CHUNKS);
    if (chunks < 0 || chunks > this.geometry.classes[sizeClass].most) throw lied('chunks', chunks, this.#region.faults);
    return chunks;
  }

  /** The span with that chunk, mapped when it is first asked for. @throws LinuxError ENOMEM; ERR_MEMLANE_TRUNCATED */
  spanOf(sizeClass: number, index: number): Span {
    const number = Math.floor(index / this.geometry.classes[sizeClass].chunksASpan);
    return this.#spans[sizeClass][number] ?? this.#map(sizeClass, number);
  }

  /** Index of the first word of a chunk's record, in its span. */
  recordOf(sizeClass: number, index: number): number {
    return ((index & (this.geometry.classes[sizeClass].chunksASpan - 1)) * this.geometry.recordBytes) >> 2;
  }

  /** Where in the buffer of its span a chunk begins. */
  offsetOf(sizeClass: number, index: number): number {
    const { chunksASpan, chunkBytes, dataOffset } = this.geometry.classes[sizeClass];
    return dataOffset + (index & (chunksASpan - 1)) * chunkBytes;
  }

  /** Says that a chunk is free: to those who look for one, not to those who look whether it is. */
  markFree(sizeClass: number, index: number): void {
    setBits(this.words, this.#mapAt(sizeClass) + (index >> 5), 1 << (index & 31));
  }

  markTaken(sizeClass: number, index: number): void {
    clearBits(this.words, this.#mapAt(sizeClass) + (index >> 5), 1 << (index & 31));
  }

  /** The map of 32 chunks: a bit is set where one is free, or was a moment ago. */
  freeOf(sizeClass: number, word: number): number {
    return load(this.words, this.#mapAt(sizeClass) + word);
  }

  /** Adds to a class chunks that have no data yet, unless somebody else has; returns whether this call did. @throws LinuxError ENOSPC */
  addChunks(sizeClass: number, from: number, count: number): boolean {
    const { chunksASpan, chunkBytes, bitmapOffset } = this.geometry.classes[sizeClass];
    const { recordBytes } = this.geometry;
    const { file } = this.#region;
    const first = from & (chunksASpan - 1);
    const span = this.#spanAt(sizeClass, Math.floor(from / chunksASpan));
    // All of it may have been reserved before, by somebody who died before the words said so.
    file.reserve(bitmapOffset + (from >> 3), ((from + count - 1) >> 3) - (from >> 3) + 1);
    file.reserve(span + first * recordBytes, count * recordBytes);
    if (chunkBytes < LARGE_BYTES) file.reserve(this.#fileOffsetOf(sizeClass, from), count * chunkBytes);
    // pairs with: load in chunksOf. without it: somebody could store where no space is reserved.
    return compareAndSet(this.words, this.#wordOf(sizeClass) + CHUNKS, from, from + count);
  }

  /** Reserves pages of a chunk's data. @throws LinuxError ENOSPC */
  reserve(sizeClass: number, index: number, firstPage: number, pages: number): void {
    const { pageSize } = this;
    this.#region.file.reserve(this.#fileOffsetOf(sizeClass, index) + firstPage * pageSize, pages * pageSize);
  }

  /** Gives the pages of a chunk back to the file system. */
  punch(sizeClass: number, index: number, pages: number): void {
    this.#region.file.punch(this.#fileOffsetOf(sizeClass, index), pages * this.pageSize);
  }

  get reservedPages(): number {
    return load(this.words, this.#reservedAt);
  }

  /** Counts so many more pages, unless these are more than `most` then; returns whether it did. */
  countPages(pages: number, most: number): boolean {
    for (;;) {
      const before = this.reservedPages;
      // Not added first and taken back: whoever looks in between would find no room, and sleep.
      if (before + pages > most) return false;
      if (compareAndSet(this.words, this.#reservedAt, before, before + pages)) return true;
    }
  }

  /** Counts so many fewer pages. */
  discountPages(pages: number): void {
    getAndAdd(this.words, this.#reservedAt, -pages);
  }

  /** Replaces a count that was wrong, unless it has changed since. */
  correctPages(before: number, pages: number): void {
    compareAndSet(this.words, this.#reservedAt, before, pages);
  }

  /** Pages that so many chunks take at once, when they come into being. */
  pagesOfRow(sizeClass: number, count: number): number {
    const { chunkBytes } = this.geometry.classes[sizeClass];
    const bytes = this.geometry.recordBytes + (chunkBytes < LARGE_BYTES ? chunkBytes : 0);
    return Math.ceil((count * bytes) / this.pageSize);
  }

  /** Faults of what every participant maps. */
  get faults(): FaultCounter | undefined {
    return this.#region.faults;
  }

  /** @throws ERR_MEMLANE_TRUNCATED and the like, when what is mapped of the file is not all there. */
  verify(): void {
    this.#region.verify();
    for (const region of this.#regions) region.check();
  }

  /** Ends what is mapped of the chunks. */
  close(): void {
    for (const region of this.#regions) region.close();
  }

  get #reservedAt(): number {
    return (this.geometry.wordsOffset >> 2) + RESERVED_PAGES;
  }

  #wordOf(sizeClass: number): number {
    return (this.geometry.classesOffset >> 2) + sizeClass * CLASS_WORDS;
  }

  #mapAt(sizeClass: number): number {
    return this.geometry.classes[sizeClass].bitmapOffset >> 2;
  }

  #spanAt(sizeClass: number, number: number): number {
    const { spansOffset, spanBytes }: ClassGeometry = this.geometry.classes[sizeClass];
    return spansOffset + number * spanBytes;
  }

  #fileOffsetOf(sizeClass: number, index: number): number {
    const span = Math.floor(index / this.geometry.classes[sizeClass].chunksASpan);
    return this.#spanAt(sizeClass, span) + this.offsetOf(sizeClass, index);
  }

  #map(sizeClass: number, number: number): Span {
    const { spanBytes, chunksASpan } = this.geometry.classes[sizeClass];
    const region = Region.map(this.#region.file, { offset: this.#spanAt(sizeClass, number), length: spanBytes });
    this.#regions.push(region);
    const span = {
      words: new Int32Array(region.buffer, 0, (chunksASpan * this.geometry.recordBytes) >> 2),
      buffer: region.buffer,
      faults: region.faults,
    };
    this.#spans[sizeClass][number] = span;
    return span;
  }
}
