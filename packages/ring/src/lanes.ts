import { memory, Region, type SlotTable } from '@memlane/core';
import { CURSOR, CURSOR_STATE_MASK, CursorState, LANE } from './lane-descriptor.ts';
import { cursorBase, LaneHealth, type LaneMemory, type RecordView } from './lane-memory.ts';
import type { Position } from './position.ts';
import { NamedCursors } from './retention.ts';
import { hasManyProducers, isBroadcast, type RingGeometry, type RingScale } from './ring-descriptor.ts';
import { TailWriter } from './tail.ts';

const { getAndAdd, load, store } = memory;
const PUBLISHED = LANE.fields.published.offset >> 2;
const CONSUMED = CURSOR.fields.consumed.offset >> 2;
const STATE = CURSOR.fields.state.offset >> 2;
const ENDED = LANE.fields.ended.offset >> 2;
const RESERVED = LANE.fields.reserved.offset >> 2;

/** What a ring was created as. */
export interface RingFacts extends RingScale {
  readonly checksums: boolean;
  /** Whether producers overwrite what has not been read. */
  readonly overwrite: boolean;
  /** Bytes that a consumer may be behind before it is passed over; 0 for any number. */
  readonly maxLagBytes: number;
}

/*
 * With one lane, its data is a part of the ring's own mapping. With many, each is mapped by itself when it is first
 * needed: a consumer maps the lanes whose producers have come, a producer its own. The space of a lane is reserved when its
 * producer attaches and given back when it is gone and everything was read, both under the attach lock and the lock of the
 * producer's slot; nobody reads a lane that is not reserved.
 */

/** The lanes of a ring, as one thread has them mapped. */
export class Lanes {
  readonly facts: RingFacts;
  readonly geometry: RingGeometry;
  readonly words: Int32Array;
  /** The names of the consumers' places, where they have any. */
  readonly names: NamedCursors | undefined;
  readonly #region: Region;
  readonly #mapped: (LaneMemory | undefined)[] = [];
  readonly #regions: Region[] = [];

  constructor(region: Region, facts: RingFacts, geometry: RingGeometry) {
    this.facts = facts;
    this.geometry = geometry;
    this.#region = region;
    this.words = new Int32Array(region.buffer, 0, geometry.dataOffset >> 2);
    if (isBroadcast(facts.topology)) this.names = new NamedCursors(this.words, geometry.namesOffset, facts.consumers);
  }

  /** The memory of a lane, mapped when it is not yet. @throws LinuxError ENOMEM, EMFILE. */
  at(lane: number): LaneMemory {
    this.#mapped[lane] ??= this.#map(lane);
    return this.#mapped[lane] as LaneMemory;
  }

  /** A lane without its data, for whoever only wants its positions. */
  headOf(lane: number): LaneMemory {
    const { capacityBytes, checksums } = this.facts;
    return { words: this.words, base: this.baseOf(lane), view: NO_DATA, capacityBytes, checksums };
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

  /** Whether the producer of a lane has said that no more will come. */
  isEnded(lane: number): boolean {
    return load(this.words, this.baseOf(lane) + ENDED) === 1;
  }

  /** Prepares a lane for a new producer, whose slot the caller has. @throws LinuxError ENOSPC */
  open(lane: number): void {
    if (hasManyProducers(this.facts.topology)) this.#region.file.reserve(...this.#extent(lane));
    store(this.words, this.baseOf(lane) + ENDED, 0);
    store(this.words, this.baseOf(lane) + RESERVED, 1);
  }

  /** Gives the space of a lane back whose producer is gone and which all have read; returns whether nobody needs it. */
  abandonDrained(lane: number, table: SlotTable): boolean {
    if (!this.isReserved(lane)) return true;
    if ((table.isTaken(lane) && table.isAlive(lane)) || !this.#isDrained(lane)) return false;
    return table.vacate(lane, () => {
      // Again, now that no producer can come; and nobody is to begin at what will be gone.
      if (!this.#isDrained(lane)) return;
      if (this.names !== undefined) this.#forget(lane);
      store(this.words, this.baseOf(lane) + RESERVED, 0);
      this.#region.file.punch(...this.#extent(lane));
    });
  }

  /** Whether everybody who counts has read everything. */
  #isDrained(lane: number): boolean {
    const base = this.baseOf(lane);
    const published = load(this.words, base + PUBLISHED);
    for (let consumer = 0; consumer < this.facts.consumers; consumer++) {
      const cursor = cursorBase(base, consumer);
      const counts =
        this.names === undefined || (load(this.words, cursor + STATE) & CURSOR_STATE_MASK) === CursorState.present;
      if (counts && load(this.words, cursor + CONSUMED) !== published) return false;
    }
    return true;
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

  #extent(lane: number): [offset: number, length: number] {
    const { capacityBytes } = this.facts;
    return [this.geometry.dataOffset + lane * capacityBytes, capacityBytes];
  }

  #map(lane: number): LaneMemory {
    const { capacityBytes, checksums } = this.facts;
    const [offset, length] = this.#extent(lane);
    let [region, start] = [this.#region, offset];
    if (hasManyProducers(this.facts.topology)) {
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
    const { buffer, faults } = region;
    const view = recordView(buffer, start, capacityBytes);
    return { words: this.words, base: this.baseOf(lane), view, capacityBytes, checksums, faults };
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
