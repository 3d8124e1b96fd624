import { type FaultCounter, memory, Region, type SlotTable } from '@memlane/core';
import { MemlaneError } from '@memlane/linux';
import { CURSOR, CURSOR_STATE_MASK, CursorState, LANE } from './lane-descriptor.ts';
import { cursorBase, LaneHealth, type LaneMemory, type OlderSegment, type RecordView } from './lane-memory.ts';
import type { Position } from './position.ts';
import { advance, distance, indexOf } from './position.ts';
import { ALIGNMENT, HEADER_BYTES, MOVED_ON } from './record-descriptor.ts';
import { keptBytes, NamedCursors } from './retention.ts';
import {
  hasManyProducers,
  isBroadcast,
  isMappedByLane,
  mostUnread,
  type RingGeometry,
  type RingScale,
  segmentOffset,
} from './ring-descriptor.ts';
import { TailWriter } from './tail.ts';

const { getAndAdd, load, store } = memory;
const PUBLISHED = LANE.fields.published.offset >> 2;
const CONSUMED = CURSOR.fields.consumed.offset >> 2;
const STATE = CURSOR.fields.state.offset >> 2;
const ENDED = LANE.fields.ended.offset >> 2;
const NOT_PUBLISHED = LANE.fields.notPublished.offset >> 2;
const SEGMENT = LANE.fields.segment.offset >> 2;
const BEGIN_OF = [LANE.fields.begin0.offset >> 2, LANE.fields.begin1.offset >> 2] as const;
const LEVEL_OF = [LANE.fields.level0.offset >> 2, LANE.fields.level1.offset >> 2] as const;
/** Level of a segment that is not in use. */
const UNUSED = -1;
const TAIL = LANE.fields.tail.offset >> 2;
const RESERVED = LANE.fields.reserved.offset >> 2;

/** What a ring was created as. */
export interface RingFacts extends RingScale {
  readonly checksums: boolean;
  /** Whether producers overwrite what has not been read. */
  readonly overwrite: boolean;
  /** Bytes that a consumer may be behind before it is passed over; 0 for any number. */
  readonly maxLagBytes: number;
}

/** What came of giving back the space of a lane. */
export type Abandonment =
  | 'done'
  /** The lane is in use, or not read to its end: whoever changes that looks again. */
  | 'refused'
  /** Somebody held a lock, perhaps to do the same and too early: nobody tells when it is free. */
  | 'contended';

/*
 * With one lane, its data is a part of the ring's own mapping. With many, each is mapped by itself when it is first
 * needed: a consumer maps the lanes whose producers have come, a producer its own. The space of a lane is reserved when its
 * producer attaches and given back when it is gone and everything was read, both under the attach lock and the lock of the
 * producer's slot; nobody reads a lane that is not reserved.
 *
 * A lane of mirrored pages cannot grow in place. One that may grow has a segment for each size, one behind the other in the
 * file and without space until it is used:
 *
 *   producer                                          consumers
 *   reserves the segment, and maps it                 read to the mark
 *   writes the mark, where the next record would be   find it, and that the newer segment begins behind it
 *   notes where the segment begins, and its level     go on there
 *   makes it the newer one                   (A)
 *   publishes the mark                       (B)
 *   gives the old segment back, once it finds that all have passed (B): see gate.ts
 *
 * Before (A) nothing has happened, but for space that is reserved: the next producer gives it back. Between (A) and (B) the
 * newer segment begins behind what is published: the next producer does (B). Those who read, or join, change nothing of it,
 * and may die anywhere.
 *
 * A segment may be in use for more than 2^31 bytes, and where it begins can then be compared with nothing any more. So that
 * is looked at only while the older one is in use, which is no longer than a capacity: until a producer finds that nobody
 * needs it any more. And the one that becomes the older one begins, from then on, where the oldest is that somebody needs, or
 * may begin with who comes late: between that and (A) the other one, whose level is noted by then, seems to be the older one,
 * and nobody is to look for anything there.
 */

/** The lanes of a ring, as one thread has them mapped. */
export class Lanes {
  readonly facts: RingFacts;
  readonly geometry: RingGeometry;
  readonly words: Int32Array;
  /** The names of the consumers' places, where they have any. */
  readonly names: NamedCursors | undefined;
  readonly #region: Region;
  /** By lane and level. */
  readonly #views = new Map<string, { readonly view: RecordView; readonly faults: FaultCounter | undefined }>();
  readonly #regions: Region[] = [];

  constructor(region: Region, facts: RingFacts, geometry: RingGeometry) {
    this.facts = facts;
    this.geometry = geometry;
    this.#region = region;
    this.words = new Int32Array(region.buffer, 0, geometry.dataOffset >> 2);
    if (isBroadcast(facts.topology)) this.names = new NamedCursors(this.words, geometry.namesOffset, facts.consumers);
  }

  /** The memory of a lane, for its producer: the newer segment, mapped when it is not yet. @throws LinuxError ENOMEM, EMFILE. */
  at(lane: number): LaneMemory {
    if (this.facts.maxLevel === 0) return { ...this.headOf(lane), ...this.#map(lane, 0) };
    const newer = load(this.words, this.baseOf(lane) + SEGMENT) & 1;
    const memory = this.#memoryOf(lane, newer);
    if (!this.#isInUse(lane, 1 - newer)) return memory;
    return { ...memory, older: this.#older(lane, this.#levelOf(lane, 1 - newer), this.#beginOf(lane, newer)) };
  }

  /**
   * The memory of a lane that has the record at `position`, where a cursor is that counts. So the older segment, if it is in
   * that, stays in use; and if it is not, none that becomes the older one meanwhile has anything behind it.
   */
  holding(lane: number, position: Position): LaneMemory {
    if (this.facts.maxLevel === 0) return this.at(lane);
    const newer = load(this.words, this.baseOf(lane) + SEGMENT) & 1;
    const isBefore = this.#isInUse(lane, 1 - newer) && distance(position, this.#beginOf(lane, newer)) < 0;
    return this.#memoryOf(lane, isBefore ? 1 - newer : newer);
  }

  /** Where the consumer of a lane is that has but one. */
  consumedOf(lane: number): Position {
    return load(this.words, cursorBase(this.baseOf(lane), 0) + CONSUMED) as Position;
  }

  /** The memory of the newer segment, if it begins at that position. */
  beginningAt(lane: number, begin: Position): LaneMemory | undefined {
    const newer = load(this.words, this.baseOf(lane) + SEGMENT) & 1;
    return this.#beginOf(lane, newer) === begin ? this.#memoryOf(lane, newer) : undefined;
  }

  /**
   * Prepares another segment, for the lane's producer, whose next record would be at `published`, when nobody needs anything
   * before `consumed`.
   *
   * @returns its memory, and what makes it the newer one, once the mark has been written.
   * @throws ERR_MEMLANE_BUSY while the segment before the present one is not read to its end; LinuxError ENOSPC, ENOMEM,
   *   EMFILE; ERR_MEMLANE_TRUNCATED and the like; with nothing changed.
   */
  prepareSegment(
    lane: number,
    capacityBytes: number,
    { published, consumed }: { published: Position; consumed: Position },
  ): { memory: LaneMemory; announce: () => void } {
    const base = this.baseOf(lane);
    const turn = load(this.words, base + SEGMENT);
    const other = (turn + 1) & 1;
    if (this.#isInUse(lane, other))
      throw new MemlaneError('ERR_MEMLANE_BUSY', 'What was written before the last resize has not been read yet', {
        path: this.#region.path,
      });
    this.verify(); // first: to reserve space behind the end of a file that was cut would extend it, and hide that
    const level = Math.log2(capacityBytes / this.facts.capacityBytes);
    const begin = advance(published, HEADER_BYTES);
    const extent = this.#extent(lane, level);
    let memory: LaneMemory;
    try {
      this.#region.file.reserve(...extent);
      const older = this.#older(lane, this.#levelOf(lane, 1 - other), begin);
      memory = { ...this.#segmentOf(lane, level), older };
    } catch (error) {
      this.#region.file.punch(...extent); // a part may have been reserved
      throw error;
    }
    return {
      memory,
      announce: () => {
        // Nothing is stored before all of it can be: what is in use but was never announced could not be told, 2^31 bytes
        // further on, from what is older.
        store(this.words, base + BEGIN_OF[1 - other], consumed);
        store(this.words, base + BEGIN_OF[other], begin);
        store(this.words, base + LEVEL_OF[other], level);
        // pairs with: load in beginningAt. without it: a consumer that finds the mark would find no segment behind it.
        store(this.words, base + SEGMENT, turn + 1);
      },
    };
  }

  /** Gives the space of the older segment back, which nobody needs any more. By the lane's producer. */
  #retireSegment(lane: number): void {
    const base = this.baseOf(lane);
    const other = (load(this.words, base + SEGMENT) + 1) & 1;
    const level = load(this.words, base + LEVEL_OF[other]);
    if (level === UNUSED) return;
    store(this.words, base + LEVEL_OF[other], UNUSED);
    this.#region.file.punch(...this.#extent(lane, level));
  }

  /** A lane without its data, for whoever only wants its positions. */
  headOf(lane: number): LaneMemory {
    const { capacityBytes, checksums } = this.facts;
    const mostBytes = mostUnread(this.facts);
    return { words: this.words, base: this.baseOf(lane), view: NO_DATA, capacityBytes, checksums, mostBytes };
  }

  /** Index of a lane's first word. */
  baseOf(lane: number): number {
    return (this.geometry.lanesOffset + lane * this.geometry.laneBytes) >> 2;
  }

  /** Whether a lane has a producer, or had one whose messages have not all been read. */
  isReserved(lane: number): boolean {
    // pairs with: store in open. without it: pages could be read that are not there yet.
    return load(this.words, this.baseOf(lane) + RESERVED) === 1;
  }

  /** Whether the record of a lane that ends at `end` is done with. @param isAlive whether the lane has a producer. */
  isOver(lane: number, end: Position, isAlive: () => boolean): boolean {
    const base = this.baseOf(lane);
    if (distance(end, load(this.words, base + PUBLISHED) as Position) > 0) return !isAlive();
    if (this.facts.overwrite) return distance(load(this.words, base + TAIL) as Position, end) >= 0;
    for (let consumer = 0; consumer < this.facts.consumers; consumer++) {
      if (this.names !== undefined && !this.isPresent(lane, consumer)) continue;
      const consumed = load(this.words, cursorBase(base, consumer) + CONSUMED) as Position;
      if (distance(consumed, end) < 0) return false;
    }
    return true;
  }

  /** Whether the producer of a lane has said that no more will come. */
  isEnded(lane: number): boolean {
    return load(this.words, this.baseOf(lane) + ENDED) === 1;
  }

  /** Whether a cursor of a lane that many read counts: it has an owner, or one that was not taken off yet. */
  isPresent(lane: number, consumer: number): boolean {
    const state = load(this.words, cursorBase(this.baseOf(lane), consumer) + STATE);
    return (state & CURSOR_STATE_MASK) === CursorState.present;
  }

  /** Prepares a lane for a new producer, whose slot the caller has. @throws LinuxError ENOSPC */
  open(lane: number): void {
    if (this.facts.maxLevel > 0) this.#settleSegments(lane);
    else if (hasManyProducers(this.facts.topology)) this.#region.file.reserve(...this.#extent(lane, 0));
    store(this.words, this.baseOf(lane) + ENDED, 0);
    store(this.words, this.baseOf(lane) + RESERVED, 1);
  }

  /**
   * Finishes a move to another segment in which the last producer died, and reserves what is in use.
   *
   * @throws ERR_MEMLANE_CORRUPT for levels and beginnings that cannot be, with nothing changed.
   */
  #settleSegments(lane: number): void {
    const { words } = this;
    const base = this.baseOf(lane);
    const newer = load(words, base + SEGMENT) & 1;
    const older = 1 - newer;
    const published = load(words, base + PUBLISHED) as Position;
    // Both, before anything is given back: of a level that cannot be nobody knows what is in use.
    const levels = [this.#levelOf(lane, newer), this.#isInUse(lane, older) ? this.#levelOf(lane, older) : UNUSED];
    // One that begins behind the newer one was never announced.
    if (levels[1] !== UNUSED && distance(this.#beginOf(lane, older), this.#beginOf(lane, newer)) > 0) {
      store(words, base + LEVEL_OF[older], UNUSED);
      levels[1] = UNUSED;
    }
    const begin = this.#beginOf(lane, newer);
    if (levels[1] !== UNUSED) this.#expectBeginning(`begin${newer}`, begin, published, levels);
    for (let level = 0; level <= this.facts.maxLevel; level++)
      if (levels.includes(level)) this.#region.file.reserve(...this.#extent(lane, level));
      else this.#region.file.punch(...this.#extent(lane, level));
    if (levels[1] === UNUSED || distance(begin, published) <= 0) return;
    const { view, capacityBytes } = this.#memoryOf(lane, older);
    view.i32[indexOf(published, capacityBytes - 1) >> 2] = ~MOVED_ON;
    store(words, base + NOT_PUBLISHED, ~begin);
    store(words, base + PUBLISHED, begin);
  }

  /**
   * Gives the space of a lane back whose producer is gone and which all have read.
   *
   * @param heldBy is told each living consumer for whom a lane is kept whose producer is gone.
   */
  abandonDrained(lane: number, table: SlotTable, heldBy?: (consumer: number) => void): Abandonment {
    if (!this.isReserved(lane)) return 'done';
    if ((table.isTaken(lane) && table.isAlive(lane)) || !this.#isDrained(lane, table, heldBy)) return 'refused';
    const isVacated = table.tryVacate(lane, () => {
      // Again, now that no producer can come; and nobody is to begin at what will be gone.
      if (!this.#isDrained(lane, table)) return;
      if (this.names !== undefined) this.#forget(lane);
      store(this.words, this.baseOf(lane) + RESERVED, 0);
      for (let level = 0; level <= this.facts.maxLevel; level++) this.#region.file.punch(...this.#extent(lane, level));
    });
    return isVacated ? 'done' : 'contended';
  }

  /** Whether everybody who counts has read everything; tells who has not, and lives. */
  #isDrained(lane: number, table: SlotTable, heldBy?: (consumer: number) => void): boolean {
    const base = this.baseOf(lane);
    let isDrained = true;
    const published = load(this.words, base + PUBLISHED);
    for (let consumer = 0; consumer < this.facts.consumers; consumer++) {
      const cursor = cursorBase(base, consumer);
      if (load(this.words, cursor + CONSUMED) === published) continue;
      if (this.names === undefined) return false;
      if (!this.isPresent(lane, consumer)) continue;
      // Nobody else takes those off who have died before a lane without a producer.
      if (table.isAlive(this.facts.producers + consumer)) heldBy?.(consumer);
      else if (keptBytes(this.names.retentionOf(consumer)) === 0) continue;
      isDrained = false;
    }
    return isDrained;
  }

  /** Moves the tail over everything there is. */
  #forget(lane: number): void {
    const memory = this.at(lane);
    const tail = new TailWriter(memory, new LaneHealth(memory.faults));
    tail.moveTo(load(this.words, this.baseOf(lane) + PUBLISHED) as Position);
  }

  /** Tells the consumers, once its slot is taken, that a producer has come. */
  announce(): void {
    getAndAdd(this.words, this.geometry.changesOffset >> 2, 1);
  }

  /** Another number whenever a producer has come. */
  get changes(): number {
    return load(this.words, this.geometry.changesOffset >> 2);
  }

  /** @throws ERR_MEMLANE_TRUNCATED and the like, when what is mapped of the file is not all there. */
  verify(): void {
    this.#region.verify();
    for (const region of this.#regions) region.verify();
  }

  close(): void {
    for (const region of this.#regions) region.close();
    this.#region.close();
  }

  #extent(lane: number, level: number): [offset: number, length: number] {
    const { capacityBytes } = this.facts;
    const { dataOffset, extentBytes } = this.geometry;
    return [dataOffset + lane * extentBytes + segmentOffset(capacityBytes, level), capacityBytes * 2 ** level];
  }

  #isInUse(lane: number, which: number): boolean {
    return load(this.words, this.baseOf(lane) + LEVEL_OF[which]) !== UNUSED;
  }

  #beginOf(lane: number, which: number): Position {
    return load(this.words, this.baseOf(lane) + BEGIN_OF[which]) as Position;
  }

  /** @throws ERR_MEMLANE_CORRUPT when the segment has a level that cannot be. */
  #levelOf(lane: number, which: number): number {
    const level = load(this.words, this.baseOf(lane) + LEVEL_OF[which]);
    if (level >>> 0 > this.facts.maxLevel)
      throw new MemlaneError('ERR_MEMLANE_CORRUPT', `level${which} is ${level}`, { field: `level${which}` });
    return level;
  }

  /** @throws ERR_MEMLANE_CORRUPT unless the newer of two segments can begin there. */
  #expectBeginning(field: string, begin: Position, published: Position, [newer, older]: number[]): void {
    const written = distance(published, begin);
    const mostWritten = this.facts.capacityBytes * 2 ** newer;
    if (written < -HEADER_BYTES || written > mostWritten || begin % ALIGNMENT !== 0 || newer === older)
      throw new MemlaneError('ERR_MEMLANE_CORRUPT', `${field} is ${begin}`, { field });
  }

  /** @throws as {@link #levelOf}. */
  #memoryOf(lane: number, which: number): LaneMemory {
    return this.#segmentOf(lane, this.#levelOf(lane, which));
  }

  /** The memory of a segment of a lane that may grow. */
  #segmentOf(lane: number, level: number): LaneMemory {
    const capacityBytes = this.facts.capacityBytes * 2 ** level;
    return { ...this.headOf(lane), ...this.#map(lane, level), capacityBytes, markBytes: HEADER_BYTES };
  }

  /** What the lane's producer needs of the segment before the one that begins at `end`. */
  #older(lane: number, level: number, end: Position): OlderSegment {
    const { view } = this.#map(lane, level);
    const capacityBytes = this.facts.capacityBytes * 2 ** level;
    return { view, capacityBytes, end, retire: () => this.#retireSegment(lane) };
  }

  #map(lane: number, level: number): { readonly view: RecordView; readonly faults: FaultCounter | undefined } {
    const key = `${lane} ${level}`;
    const known = this.#views.get(key);
    if (known !== undefined) return known;
    const [offset, length] = this.#extent(lane, level);
    let [region, start] = [this.#region, offset];
    if (isMappedByLane(this.facts)) {
      const file = region.file.reopen();
      try {
        region = Region.map(file, { offset, length, mirror: length });
      } catch (error) {
        file.close();
        throw error;
      }
      this.#regions.push(region);
      start = 0;
    }
    const mapped = { view: recordView(region.buffer, start, length), faults: region.faults };
    this.#views.set(key, mapped);
    return mapped;
  }
}

const NO_DATA: RecordView = recordView(new SharedArrayBuffer(0), 0, 0);

/** Views of a lane's data, which is mapped twice back to back. */
export function recordView(buffer: SharedArrayBuffer, offset: number, capacityBytes: number): RecordView {
  const bytes = 2 * capacityBytes; // up to 2^31: no bit operations on it
  return {
    u8: new Uint8Array(buffer, offset, bytes),
    i32: new Int32Array(buffer, offset, bytes / 4),
    f64: new Float64Array(buffer, offset, bytes / 8),
    data: new DataView(buffer, offset, bytes),
    buffer: Buffer.from(buffer, offset, bytes),
  };
}
