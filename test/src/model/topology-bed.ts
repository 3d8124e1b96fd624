import type { Topology } from '@memlane/ring';
import { Ring } from '@memlane/ring';
import { CURSOR, hasManyProducers, LANE, NAMED_CURSOR, type RingGeometry, ringGeometry } from '@memlane/ring/layout';
import { layOut, nameWords, openModelFile } from './cell-bed.ts';
import { withoutState } from './fingerprint.ts';
import { LOCKS_DROPPED } from './kernel.ts';
import * as memory from './memory.ts';
import { loadPlain, loadRacy, storePlain, storeRacy, wordNames } from './memory.ts';
import { enlarge, place, placesOf, type Store } from './places.ts';
import { call } from './run.ts';

/*
 * A ring of any topology as the shipped code sees it, lanes and gates and named cursors included; with a capacity of a few
 * records, which the check of the file's header would refuse. What is not the shipped code: the mapping of a lane and the
 * bytes of the names, which never change (whether a place has one is a word like others).
 *
 * The memory of a lane can be reserved and punched out, where there are many, or where lanes may grow. To punch it is to store
 * zeros everywhere, so that it races with whoever still reads. Whoever touches memory that is not reserved is noted in
 * `trespasses`.
 */

/** A ring, and how its words are named in a schedule. */
export interface RingShape {
  readonly topology: Topology;
  readonly producers: number;
  readonly consumers: number;
  readonly capacityBytes: number;
  readonly startPosition?: number;
  readonly overwrite?: boolean;
  readonly maxLagBytes?: number;
  /** Whether no time passes from look to look. */
  readonly timeless?: boolean;
  /** Lanes may grow to `capacityBytes * 2 ** maxLevel`. Default 0: they may not. */
  readonly maxLevel?: number;
  /** The one name that its consumers may have. */
  readonly name?: string;
}

/** Memory of a lane: all of it, or its segment of a level. */
interface Extent {
  readonly lane: number;
  readonly level: number;
}

/** Those of the shipped modules that the package does not give away. */
const internal = (module: string): Promise<never> =>
  import(new URL(module, import.meta.resolve('@memlane/ring')).href) as never;
const { Lanes } = (await internal('./lanes.js')) as {
  Lanes: new (
    region: object,
    facts: object,
    geometry: RingGeometry,
  ) => { words: Int32Array; names?: object; baseOf(lane: number): number };
};
const { TailReader } = (await internal('./tail.js')) as {
  TailReader: { prototype: { endOf(...a: unknown[]): unknown } };
};

/** Whether the code that runs reads what may be overwritten meanwhile, and finds out afterwards. */
let walking = false;
const { endOf } = TailReader.prototype;
TailReader.prototype.endOf = function (...parameters: unknown[]): unknown {
  walking = true;
  try {
    return endOf.apply(this, parameters);
  } finally {
    walking = false;
  }
};

/** Each look at the clock is long after the one before, so whatever is done now and then is done every time. */
let nowMs = 0;
let lookMs = 100;
performance.now = () => {
  nowMs += lookMs;
  return nowMs;
};

/** Killings and the moments at which the locks of the killed are dropped: a slice of a sleep ends after either. */
const losses = {
  touches: () => placesOf('dead '),
  count: (store: Store) => {
    const dead = placesOf('dead ').map((at) => store[at] as number);
    return dead.filter((bits) => bits !== 0).length + dead.filter((bits) => (bits & LOCKS_DROPPED) !== 0).length;
  },
};

const numbered = (name: string, count: number, index: number): string => (count === 1 ? name : `${name} ${index + 1}`);

/** One ring, for all actors of a scenario. */
export class RingBed {
  readonly #shape: RingShape;
  readonly #geometry: RingGeometry;

  constructor(shape: RingShape) {
    this.#shape = shape;
    if (shape.timeless) lookMs = 0;
    const { topology, producers, consumers, maxLevel = 0 } = shape;
    const geometry = ringGeometry({ topology, producers, consumers, capacityBytes: 4096, maxLevel }, 4096);
    this.#geometry = geometry;
    enlarge(maxLevel === 0 ? 168 : 192);
    const slots = [
      ...Array.from({ length: producers }, (_, index) => `${numbered('producer', producers, index)} slot`),
      ...Array.from({ length: consumers }, (_, index) => `${numbered('consumer', consumers, index)} slot`),
    ];
    layOut(geometry.slotsOffset, slots, losses);
    wordNames[geometry.changesOffset >> 2] = 'changes';
    if (geometry.sleepersOffset > 0) wordNames[geometry.sleepersOffset >> 2] = 'sleepers';
    for (let lane = 0; lane < producers; lane++) {
      nameWords(this.#baseOf(lane), LANE.fields, this.lane(lane));
      for (let cursor = 0; cursor < consumers; cursor++)
        nameWords(this.#baseOf(lane) + LANE.bytes + cursor * CURSOR.bytes, CURSOR.fields, this.cursor(lane, cursor));
    }
    if (geometry.namesOffset > 0)
      for (let place = 0; place < consumers; place++)
        nameWords(
          geometry.namesOffset + place * NAMED_CURSOR.bytes,
          NAMED_CURSOR.fields,
          numbered('name', consumers, place),
        );
  }

  /** Whether every consumer reads everything. */
  get isBroadcast(): boolean {
    return this.#geometry.namesOffset > 0;
  }

  /** How a lane, and a cursor of it, are called in a schedule. */
  lane(lane: number): string {
    return numbered('lane', this.#shape.producers, lane);
  }

  cursor(lane: number, cursor: number): string {
    return `${this.#shape.producers === 1 ? '' : `${this.lane(lane)} `}${numbered('cursor', this.#shape.consumers, cursor)}`;
  }

  /** The ring before anybody has attached. */
  prepare(store: Store): void {
    const { startPosition = 0, producers, consumers, maxLevel = 0 } = this.#shape;
    for (let lane = 0; lane < producers; lane++) {
      if (maxLevel > 0) {
        store[place(`${this.lane(lane)}.begin0`)] = startPosition | 0;
        store[place(`${this.lane(lane)}.level1`)] = -1;
      }
      for (const word of ['published', 'tail', 'tail0', 'tail1'])
        store[place(`${this.lane(lane)}.${word}`)] = startPosition | 0;
      for (let cursor = 0; cursor < consumers; cursor++)
        store[place(`${this.cursor(lane, cursor)}.consumed`)] = startPosition | 0;
    }
  }

  /** The ring, opened by the actor that runs: private objects of its own over the shared words. */
  open(): Ring {
    const { overwrite = false, maxLagBytes = 0, topology, producers, consumers } = this.#shape;
    const { capacityBytes, maxLevel = 0 } = this.#shape;
    const { slotsOffset, slotCount, sleepersOffset, dataOffset } = this.#geometry;
    const { region, table, words } = openModelFile(slotsOffset, slotCount, dataOffset, {
      sleepersOffset: sleepersOffset || undefined,
      file: {
        reserve: (offset: number) => this.#reserve(this.#extentAt(offset)),
        punch: (offset: number) => this.#punch(this.#extentAt(offset)),
      },
    });
    this.#writeNames(words);
    const checks = { checksums: false, overwrite, maxLagBytes };
    const facts = { topology, producers, consumers, capacityBytes, maxLevel, ...checks };
    const lanes = new Lanes(region, facts, this.#geometry);
    if (this.#shape.name !== undefined)
      Object.assign(lanes.names as object, { private_retention_keptBytes: (place: number) => this.#keptBytes(place) });
    const views = Array.from({ length: producers }, (_, lane) =>
      Array.from({ length: maxLevel + 1 }, (_, level) => this.#recordView({ lane, level })),
    );
    // Its private method, under the name that the hooks give it.
    Object.assign(lanes, {
      private_lanes_map: (lane: number, level: number) => ({ view: views[lane]?.[level], faults: undefined }),
    });
    return new Ring({ region, table, lanes } as never);
  }

  #baseOf(lane: number): number {
    return this.#geometry.lanesOffset + lane * this.#geometry.laneBytes;
  }

  #writeNames(words: Int32Array): void {
    const { name, consumers } = this.#shape;
    if (name === undefined) return;
    for (let place = 0; place < consumers; place++) {
      const base = this.#geometry.namesOffset + place * NAMED_CURSOR.bytes;
      const bytes = Buffer.from(name);
      new Uint8Array(words.buffer, base + NAMED_CURSOR.fields.name.offset, bytes.length).set(bytes);
    }
  }

  /** The number of bytes kept for a name. Racy: read by producers, of a name whose owner is gone, while the next one comes. */
  #keptBytes(index: number): object {
    const at = place(`${numbered('name', this.#shape.consumers, index)}.keptBytes`);
    const word = {
      get: () => loadRacy(at),
      set: (_: unknown, _index: unknown, value: number) => {
        storeRacy(at, value);
        return true;
      },
    };
    return new Proxy(withoutState({}), word);
  }

  /** What is reserved or punched at an offset of the file: where the segments are is up to the shipped code. */
  #extentAt(offset: number): Extent {
    const { dataOffset, extentBytes } = this.#geometry;
    const from = offset - dataOffset;
    const level = Math.log2((from % extentBytes) / this.#shape.capacityBytes + 1);
    return { lane: Math.floor(from / extentBytes), level };
  }

  /** How the memory of a segment is called. */
  #segment({ lane, level }: Extent): string {
    return this.#shape.maxLevel === undefined ? this.lane(lane) : `${this.lane(lane)}, level ${level}`;
  }

  #data(extent: Extent, index: number): number {
    const { producers, maxLevel, capacityBytes } = this.#shape;
    const prefix = producers === 1 && maxLevel === undefined ? '' : `${this.#segment(extent)} `;
    return place(`${prefix}data ${(index * 4) % (capacityBytes * 2 ** extent.level)}`);
  }

  #pages(extent: Extent): number {
    return place(`pages of ${this.#segment(extent)}`);
  }

  /** Whether a segment is not there. */
  isMissing(store: Store, lane: number, level: number): boolean {
    return store[this.#pages({ lane, level })] === 0;
  }

  #reserve(extent: Extent): void {
    const pages = this.#pages(extent);
    call(
      `reserve ${this.#segment(extent)}`,
      () => [pages],
      (store) => {
        store[pages] = 1;
        return 0;
      },
      true,
    );
  }

  #punch(extent: Extent): void {
    const bytes = this.#shape.capacityBytes * 2 ** extent.level;
    for (let index = 0; index * 4 < bytes; index++) storePlain(this.#data(extent, index), 0);
    const pages = this.#pages(extent);
    call(
      `punch ${this.#segment(extent)}`,
      () => [pages],
      (store) => {
        store[pages] = 0;
        return 0;
      },
      true,
    );
  }

  /** The views of a lane's data whose accesses are steps, word by word, mapped twice as in a file. */
  #recordView(extent: Extent): object {
    const { overwrite = false, maxLagBytes = 0, maxLevel = 0, topology } = this.#shape;
    // By design: the reader of such a lane copies, then finds out whether that was overwritten meanwhile.
    const racing = overwrite || maxLagBytes > 0;
    const pages = hasManyProducers(topology) || maxLevel > 0 ? this.#pages(extent) : -1;
    const at = (index: number): number => this.#data(extent, index);
    const get = (index: number): number => (racing || walking ? loadRacy : loadPlain)(at(index), pages);
    const set = (index: number, value: number): void => (racing ? storeRacy : storePlain)(at(index), value | 0, pages);
    const i32 = new Proxy(withoutState({}), {
      get: (_, index) => get(Number(index)),
      set: (_, index, value) => {
        set(Number(index), value);
        return true;
      },
    });
    const u8 = {
      subarray: (from: number, to: number) => {
        const bytes = new DataView(new ArrayBuffer(to - from));
        for (let byte = from; byte < to; byte += 4) bytes.setInt32(byte - from, get(byte / 4), true);
        return new Uint8Array(bytes.buffer);
      },
    };
    return withoutState({ i32, u8 });
  }
}

/** A word of the head, by its name, as a step. */
export function loadWord(name: string): number {
  const index = wordNames.indexOf(name);
  if (index < 0) throw new Error(`There is no word '${name}'`);
  return memory.load(undefined as never, index);
}
