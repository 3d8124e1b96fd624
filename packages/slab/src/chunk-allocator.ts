import { memory } from '@memlane/core';
import { LinuxError, MemlaneError } from '@memlane/linux';
import { ChunkRecords } from './chunk-records.ts';
import { chunksToGrowBy, classOf, LARGE_BYTES } from './size-classes.ts';
import { CHUNK, SHARE } from './slab-descriptor.ts';
import { chunkAt, classOfChunk, indexOfChunk, type SlabMemory } from './slab-memory.ts';

/*
 * Finds free chunks, makes new ones, and space for them.
 *
 * A map with one bit a chunk says where to look for a free one; whether it is free says the record alone. A bit is set after the
 * chunk has been freed, and cleared before it is taken: who dies in between leaves a free chunk that nobody finds, until
 * somebody recovers that slot. Each participant begins to look where it found or freed something last, so that what it gets is
 * in its cache, and two of them are seldom at the same place.
 *
 * Nothing here waits for anybody: a class grows by a compare-and-set of its number of chunks, after their space has been
 * reserved; of two that reserve the same, one wins, and nothing is lost.
 *
 * What is reserved of the file system is counted before it is reserved and after it is given back. Who dies in between leaves
 * the count too large, and whoever meets the limit counts anew before it believes that. Who counts anew while others reserve or
 * give back may get a number that is too small: then the limit is exceeded by as much, until it is met and counted once more.
 *
 * A chunk that is taken for a moment, or a page that is counted, and given back, may be what somebody else has looked for in
 * vain just then, who sleeps now. So nothing is taken of which it is known that it does not suffice, and where it is given back all
 * the same, others are to be woken: see `hasGivenBack`. Each time that happens somebody has got something, so it ends.
 */

const { compareAndSet, getAndAdd, load, store } = memory;
const RESERVED_PAGES = CHUNK.fields.reservedPages.offset >> 2;
const SHARE_WORDS = SHARE.bytes >> 2;
const USES = SHARE.fields.uses.offset >> 2;
/** The smallest class whose chunks are reserved by whoever takes them. */
const FIRST_LARGE = classOf(LARGE_BYTES);

/** How often the space in use is counted anew at the most: it goes through all records. */
const RECOUNT_MS = 100;

/** What is found instead of a chunk: there is none that is free; or there is, but no space for its data. */
const NONE = -1;
const NO_SPACE = -2;

/** Takes and frees chunks for one participant. */
export class ChunkAllocator {
  readonly #memory: SlabMemory;
  readonly #records: ChunkRecords;
  readonly #maxPages: number;
  /** By class: the word of the map at which the next search begins. */
  readonly #turns: number[];
  #recountedMs = Number.NEGATIVE_INFINITY;
  /** Whether there may be room by what this one has given back: others are to be woken. Reset by whoever does. */
  hasGivenBack = false;

  constructor(memory: SlabMemory, records: ChunkRecords, slot: number) {
    this.#memory = memory;
    this.#records = records;
    this.#maxPages = Math.floor(memory.scale.maxBytes / memory.pageSize);
    this.#turns = memory.geometry.classes.map(() => slot * 2);
  }

  /**
   * Takes a chunk for `length` bytes; returns its number, or -1 when there is no room.
   *
   * @throws LinuxError ENOSPC when the file system has no space, though the slab may still take some.
   */
  take(length: number): number {
    const sizeClass = classOf(length);
    const isLarge = sizeClass >= FIRST_LARGE;
    for (;;) {
      const index = this.#find(sizeClass, isLarge ? this.#pagesOf(length) : 0);
      if (index >= 0) {
        if (isLarge && !this.#reserve(sizeClass, index, length)) continue;
        const { words } = this.#memory.spanOf(sizeClass, index);
        this.#records.finish(words, this.#memory.recordOf(sizeClass, index), length);
        return chunkAt(sizeClass, index);
      }
      if (!(index === NONE ? this.#grow(sizeClass) : this.#makeRoom(this.#pagesOf(length)))) return -1;
    }
  }

  /** Tells others that a chunk is free. */
  freed(chunk: number): void {
    const [sizeClass, index] = [classOfChunk(chunk), indexOfChunk(chunk)];
    this.#turns[sizeClass] = index >> 5;
    this.#memory.markFree(sizeClass, index);
  }

  /** Gives the space of free chunks back to the file system, until it is so many pages; returns how many it was. */
  trim(mostPages: number = Number.POSITIVE_INFINITY): number {
    let pages = 0;
    // The largest first: fewer calls, and the smaller ones are more likely to be wanted again.
    for (let sizeClass = this.#memory.geometry.classes.length - 1; sizeClass >= FIRST_LARGE; sizeClass--)
      for (let word = 0; word << 5 < this.#memory.chunksOf(sizeClass); word++)
        for (let bits = this.#memory.freeOf(sizeClass, word); bits !== 0 && pages < mostPages; ) {
          const bit = 31 - Math.clz32(bits);
          bits &= ~(1 << bit);
          pages += this.#giveBack(sizeClass, (word << 5) | bit);
        }
    if (pages > 0) this.hasGivenBack = true;
    return pages;
  }

  /**
   * Ends everything that names a slot whose owner is dead, or leaves: what it held, took, looked at. Also finds the free chunks
   * that it has made unfindable. Returns how many chunks are free by that. Goes through all records, once: when references are
   * issued for that slot meanwhile it stays in use, and is recovered again by whoever sweeps next. Until none is issued would be
   * for ever with one who does nothing else.
   */
  recover(slot: number): number {
    const memory = this.#memory;
    const records = new ChunkRecords({ ...memory.scale, ...memory.geometry }, slot);
    let freed = 0;
    const uses = load(memory.words, this.#shareAt(slot));
    memory.forEach((chunk, words, record) => {
      const isFreed = records.recover(words, record);
      if (isFreed) freed += 1;
      if (isFreed || records.isFree(words, record)) memory.markFree(classOfChunk(chunk), indexOfChunk(chunk));
      for (let ticket = 0; ticket < memory.scale.references; ticket++) {
        const holder = records.holderOf(words, record, ticket);
        // The dead one may have issued it, and died before it said so: the holder may have left by then.
        if (holder >= 0 && holder < memory.scale.participants) this.markInUse(holder);
      }
    });
    // pairs with: getAndAdd in markInUse. without it: a reference that was issued for this slot behind the search, and
    // before this, would be held for ever.
    compareAndSet(memory.words, this.#shareAt(slot), uses, 0);
    return freed;
  }

  /** Has the next one that meets the limit count anew, however short a time ago that was done last. */
  recountSoon(): void {
    this.#recountedMs = Number.NEGATIVE_INFINITY;
  }

  /** Says that the slot is named in records. After the store that names it, where that is another one's; otherwise before. */
  markInUse(slot: number): void {
    getAndAdd(this.#memory.words, this.#shareAt(slot), 1);
  }

  isInUse(slot: number): boolean {
    return load(this.#memory.words, this.#shareAt(slot)) !== 0;
  }

  #shareAt(slot: number): number {
    return (this.#memory.geometry.sharesOffset >> 2) + slot * SHARE_WORDS + USES;
  }

  /** Takes a free chunk, not finished yet, whose data has so many pages or may get them; returns its number in the class. */
  #find(sizeClass: number, pages: number): number {
    const memory = this.#memory;
    let found = NONE;
    const chunks = memory.chunksOf(sizeClass);
    const words = (chunks + 31) >> 5;
    const first = this.#turns[sizeClass];
    for (let step = 0; step < words; step++) {
      const word = (first + step) % words;
      for (let bits = memory.freeOf(sizeClass, word); bits !== 0; ) {
        const bit = 31 - Math.clz32(bits);
        bits &= ~(1 << bit);
        const index = (word << 5) | bit;
        if (index >= chunks) continue;
        if (pages > 0 && !this.#hasSpace(sizeClass, index, pages)) {
          found = NO_SPACE;
          continue;
        }
        if (!this.#begin(sizeClass, index)) continue;
        this.#turns[sizeClass] = word;
        return index;
      }
    }
    return found;
  }

  /** Whether a free chunk has so many pages, or the slab may reserve those that are missing. */
  #hasSpace(sizeClass: number, index: number, pages: number): boolean {
    const memory = this.#memory;
    const { words } = memory.spanOf(sizeClass, index);
    const missing = pages - load(words, memory.recordOf(sizeClass, index) + RESERVED_PAGES);
    return missing <= 0 || memory.reservedPages + missing <= this.#maxPages;
  }

  #begin(sizeClass: number, index: number): boolean {
    const memory = this.#memory;
    // Mapped first, which may fail: nobody would find the chunk any more.
    const { words } = memory.spanOf(sizeClass, index);
    // Before it is taken: cleared afterwards, it could be the bit of somebody who has freed the chunk since.
    memory.markTaken(sizeClass, index);
    return this.#records.begin(words, memory.recordOf(sizeClass, index));
  }

  #cancel(sizeClass: number, index: number): void {
    const memory = this.#memory;
    this.#records.cancel(memory.spanOf(sizeClass, index).words, memory.recordOf(sizeClass, index));
    memory.markFree(sizeClass, index);
  }

  /** Makes more chunks of a class, or finds that somebody else has; returns false when there is no room. @throws LinuxError ENOSPC */
  #grow(sizeClass: number): boolean {
    const memory = this.#memory;
    const { most, chunksASpan } = memory.geometry.classes[sizeClass];
    const chunks = memory.chunksOf(sizeClass);
    if (chunks >= most) return false;
    const count = Math.min(chunksToGrowBy(sizeClass, chunks, most), chunksASpan - (chunks & (chunksASpan - 1)));
    const pages = memory.pagesOfRow(sizeClass, count);
    while (!memory.countPages(pages, this.#maxPages)) if (!this.#makeRoom(pages)) return false;
    let isMine = false;
    this.#withSpace(pages, () => {
      isMine = memory.addChunks(sizeClass, chunks, count);
    });
    if (!isMine) this.#discount(pages);
    else for (let index = chunks; index < chunks + count; index++) memory.markFree(sizeClass, index);
    return true;
  }

  /** Sees to it that the space of a chunk that was taken is reserved; otherwise the chunk is free again. @throws LinuxError ENOSPC */
  #reserve(sizeClass: number, index: number, length: number): boolean {
    const memory = this.#memory;
    const { chunkBytes } = memory.geometry.classes[sizeClass];
    const { words } = memory.spanOf(sizeClass, index);
    const at = memory.recordOf(sizeClass, index) + RESERVED_PAGES;
    const before = this.#reservedBefore(words, at, chunkBytes);
    const pages = this.#pagesOf(length) - before;
    if (pages <= 0) return true;
    // There was room when it was looked for: others have it.
    if (!memory.countPages(pages, this.#maxPages)) {
      this.#cancel(sizeClass, index);
      this.hasGivenBack = true;
      return false;
    }
    try {
      this.#withSpace(pages, () => memory.reserve(sizeClass, index, before, pages));
    } catch (error) {
      this.#cancel(sizeClass, index);
      throw error;
    }
    store(words, at, before + pages);
    return true;
  }

  /** Reserves what has been counted. Where there is no space, gives back what nobody uses, and tries again. */
  #withSpace(pages: number, reserve: () => void): void {
    try {
      try {
        reserve();
      } catch (error) {
        if (!(error instanceof LinuxError) || error.code !== 'ENOSPC' || this.trim(pages) === 0) throw error;
        reserve();
      }
    } catch (error) {
      this.#discount(pages);
      throw error;
    }
  }

  #discount(pages: number): void {
    this.#memory.discountPages(pages);
    this.hasGivenBack = true;
  }

  #pagesOf(length: number): number {
    return Math.ceil(length / this.#memory.pageSize);
  }

  /** Gives the space of a chunk back, if it is free; returns how many pages it was. */
  #giveBack(sizeClass: number, index: number): number {
    const memory = this.#memory;
    if (index >= memory.chunksOf(sizeClass)) return 0; // a bit that a correct peer never sets
    const { words } = memory.spanOf(sizeClass, index);
    const at = memory.recordOf(sizeClass, index) + RESERVED_PAGES;
    if (load(words, at) === 0 || !this.#begin(sizeClass, index)) return 0;
    const pages = this.#reservedBefore(words, at, memory.geometry.classes[sizeClass].chunkBytes);
    // First: who dies before the pages are given back leaves some that will be reserved once more, and given back then.
    store(words, at, 0);
    memory.punch(sizeClass, index, pages);
    memory.discountPages(pages);
    this.#cancel(sizeClass, index);
    return pages;
  }

  /** @throws ERR_MEMLANE_CORRUPT when more is reserved of a chunk than it has; the chunk stays taken. */
  #reservedBefore(words: Int32Array, at: number, chunkBytes: number): number {
    const pages = load(words, at);
    if (pages < 0 || pages > Math.ceil(chunkBytes / this.#memory.pageSize))
      throw new MemlaneError('ERR_MEMLANE_CORRUPT', `A peer has written ${pages} into reservedPages`, {
        field: 'reservedPages',
      });
    return pages;
  }

  /** Sees to it that so many more pages may be counted; returns whether it is worth a try. */
  #makeRoom(pages: number): boolean {
    const missing = this.#memory.reservedPages + pages - this.#maxPages;
    return missing <= 0 || this.trim(missing) >= missing || this.#recount();
  }

  /** Counts anew what is reserved; returns whether it is less than was counted. */
  #recount(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#recountedMs < RECOUNT_MS) return false;
    this.#recountedMs = nowMs;
    const memory = this.#memory;
    const before = memory.reservedPages;
    let pages = 0;
    for (let sizeClass = 0; sizeClass < memory.geometry.classes.length; sizeClass++)
      pages += memory.pagesOfRow(sizeClass, memory.chunksOf(sizeClass));
    memory.forEach((_, words, record) => {
      pages += load(words, record + RESERVED_PAGES);
    });
    memory.correctPages(before, pages); // also upwards: see above
    return pages < before;
  }
}
