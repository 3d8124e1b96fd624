import { randomBytes } from 'node:crypto';
import {
  corrupt,
  FileKind,
  memory,
  Region,
  readSuperblock,
  SharedFile,
  SlotTable,
  SUPERBLOCK,
  writeSuperblock,
} from '@memlane/core';
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkType,
  MemlaneError,
  PAGE_SIZE,
  throwArgument,
} from '@memlane/linux';
import { CURSOR, LANE } from './lane-descriptor.ts';
import { cursorBase, type LaneMemory, type RecordView } from './lane-memory.ts';
import { Lanes, type RingFacts } from './lanes.ts';
import type { Position } from './position.ts';
import { ALIGNMENT } from './record-descriptor.ts';
import {
  HEAD_BYTES,
  hasManyProducers,
  isBroadcast,
  isMappedByLane,
  mostUnread,
  RING_FLAGS,
  RING_HEADER,
  RING_SIGNATURE,
  RingFlag,
  type RingGeometry,
  type RingScale,
  ringGeometry,
  type Topology,
  TopologyCode,
} from './ring-descriptor.ts';

/** What the creator of a ring decides. */
export interface RingShape {
  /** Data bytes of each lane; a power of two, at least 4 KiB and one page, at most 1 GiB. Default 1 MiB. */
  readonly capacityBytes?: number;
  /**
   * Who writes and who reads: `spsc` one and one; `mpsc` many producers, each with a lane of its own, and one consumer;
   * `broadcast` one producer, and every consumer reads every message; `bus` many producers, likewise. Default `spsc`.
   */
  readonly topology?: Topology;
  /** Places for producers that are attached at the same time, 1 to 1024; each may use `capacityBytes` while it is. Default 16 where there may be many. */
  readonly producers?: number;
  /** Places for consumers, likewise. */
  readonly consumers?: number;
  /**
   * For `broadcast` and `bus`: producers never wait. They overwrite what has not been read, and a consumer that was
   * overtaken is told how much it has lost. Default false: producers wait for the slowest consumer that is alive.
   */
  readonly overwrite?: boolean;
  /**
   * For `broadcast` and `bus` without `overwrite`: a consumer that is further behind when a producer needs the room is
   * passed over, and fails with ERR_MEMLANE_EVICTED. Costs consumers one copy a message. Default: none is.
   */
  readonly maxLagBytes?: number;
  /**
   * How far a producer may let its data grow; see {@link Producer.resize}. A power of two. Takes no space until it does. Not
   * with `checksums`, `overwrite` or `maxLagBytes`: their records are read in a private copy, which is mirrored at one
   * capacity, and so could not follow. Default `capacityBytes`: it cannot.
   */
  readonly maxCapacityBytes?: number;
  /** Where the positions begin, a multiple of 8; for tests of what happens when they wrap. Default 0. */
  readonly startPosition?: number;
  /**
   * Give each record a checksum (CRC-32), which its reader compares: finds what raises no fault, such as a hole punched into
   * the file. Costs about a microsecond a message, and the consumer private memory of one capacity, into which each record
   * is copied and there checked. Default false.
   */
  readonly checksums?: boolean;
}

const MIN_CAPACITY_BYTES: number = Math.max(4096, PAGE_SIZE);
/** Positions are compared by their difference as a signed 32-bit number, which this keeps far from its limit. */
const MAX_CAPACITY_BYTES: number = 2 ** 30;
const DEFAULT_CAPACITY_BYTES = 2 ** 20;
const DEFAULT_PLACES = 16;
const MAX_PLACES = 1024;
/** Of all lanes together: 8 MiB of them. */
const MAX_CURSORS = 65_536;

const header = RING_HEADER.fields;
const at = (field: { offset: number }): number => SUPERBLOCK.bytes + field.offset;
const PUBLISHED = LANE.fields.published.offset >> 2;
const NOT_PUBLISHED = LANE.fields.notPublished.offset >> 2;
const TAIL = LANE.fields.tail.offset >> 2;
const TAIL0 = LANE.fields.tail0.offset >> 2;
const BEGIN0 = LANE.fields.begin0.offset >> 2;
const LEVEL1 = LANE.fields.level1.offset >> 2;
const CONSUMED = CURSOR.fields.consumed.offset >> 2;
const NOT_CONSUMED = CURSOR.fields.notConsumed.offset >> 2;

/** A ring file, mapped: its slots and its lanes. */
export interface MappedRing {
  readonly region: Region;
  readonly table: SlotTable;
  readonly lanes: Lanes;
  /** The same in every file that takes the place of a lost one. */
  readonly streamId: Buffer;
  /** Twice the number of files lost before this one. */
  readonly epoch: number;
}

/** What a file that takes the place of a lost one goes on with. */
export interface Continuation {
  readonly streamId: Buffer;
  readonly epoch: number;
  readonly published: Position;
  readonly consumed: Position;
  /** Memory that holds the records between the two, where they are in the data. */
  readonly records: RecordView;
}

/** What a ring of that shape is made of. */
interface RingPlan {
  readonly facts: RingFacts;
  readonly geometry: RingGeometry;
  readonly startPosition: number;
  /** Bytes of the file whose space is reserved at once. */
  readonly reservedBytes: number;
}

/** Works out what the file of a ring of that shape is. @throws ERR_MEMLANE_ARGUMENT */
export function plan(shape: RingShape): RingPlan {
  const {
    capacityBytes = DEFAULT_CAPACITY_BYTES,
    topology = 'spsc',
    overwrite = false,
    maxLagBytes,
    maxCapacityBytes = capacityBytes,
    startPosition = 0,
    checksums = false,
  } = checkOptions('options', shape);
  checkInteger('capacityBytes', capacityBytes, MIN_CAPACITY_BYTES, MAX_CAPACITY_BYTES);
  if ((capacityBytes & (capacityBytes - 1)) !== 0) throwArgument('capacityBytes', capacityBytes, 'a power of two');
  checkOneOf('topology', topology, Object.keys(TopologyCode));
  const producers = checkPlaces('producers', shape.producers, hasManyProducers(topology), topology);
  const consumers = checkPlaces('consumers', shape.consumers, isBroadcast(topology), topology);
  if (producers * consumers > MAX_CURSORS)
    throwArgument(
      'consumers',
      consumers,
      `${Math.floor(MAX_CURSORS / producers)} at the most, with ${producers} producers`,
    );
  checkType('overwrite', overwrite, 'boolean');
  if (overwrite && !isBroadcast(topology)) throwArgument('overwrite', overwrite, `false for topology '${topology}'`);
  if (maxLagBytes !== undefined) {
    checkInteger('maxLagBytes', maxLagBytes, 1, capacityBytes);
    if (overwrite || !isBroadcast(topology))
      throwArgument('maxLagBytes', maxLagBytes, "left out unless consumers of a 'broadcast' or 'bus' are waited for");
  }
  checkType('checksums', checksums, 'boolean');
  checkInteger('maxCapacityBytes', maxCapacityBytes, capacityBytes, MAX_CAPACITY_BYTES);
  const maxLevel = Math.log2(maxCapacityBytes / capacityBytes);
  if (!Number.isInteger(maxLevel)) throwArgument('maxCapacityBytes', maxCapacityBytes, 'a power of two');
  for (const [name, isGiven] of Object.entries({ checksums, overwrite, maxLagBytes: maxLagBytes !== undefined }))
    if (maxLevel > 0 && isGiven)
      throwArgument('maxCapacityBytes', maxCapacityBytes, `${capacityBytes}, as capacityBytes, with ${name}`);
  checkInteger('startPosition', startPosition, 0, 2 ** 32 - ALIGNMENT);
  if (startPosition % ALIGNMENT !== 0) throwArgument('startPosition', startPosition, `a multiple of ${ALIGNMENT}`);
  const scale = { topology, producers, consumers, capacityBytes, maxLevel };
  const facts = { ...scale, checksums, overwrite, maxLagBytes: maxLagBytes ?? 0 };
  const geometry = ringGeometry(facts, PAGE_SIZE);
  const reservedBytes = isMappedByLane(facts) ? geometry.dataOffset : geometry.fileLength;
  return { facts, geometry, startPosition, reservedBytes };
}

function checkPlaces(name: string, given: number | undefined, mayBeMany: boolean, topology: Topology): number {
  const places = given === undefined ? (mayBeMany ? DEFAULT_PLACES : 1) : given;
  checkInteger(name, places, 1, MAX_PLACES);
  if (places > 1 && !mayBeMany) throwArgument(name, places, `1 for topology '${topology}'`);
  return places;
}

/** Creates the file of a ring that has no name yet. */
export function createRingFile(
  directory: string,
  shape: RingShape,
  mode?: number,
  makesDirectory?: boolean,
): SharedFile {
  const { geometry, reservedBytes } = plan(shape);
  return SharedFile.createUnnamed(directory, geometry.fileLength, mode, makesDirectory, reservedBytes);
}

/** Maps a new file and writes everything into it that a ring needs; the ready word comes last. */
export function format(file: SharedFile, shape: RingShape, continuation?: Continuation): MappedRing {
  const { facts, geometry, startPosition } = plan(shape);
  const region = mapHead(file, facts, geometry);
  const head = new DataView(region.buffer, 0, HEAD_BYTES);
  const write = (name: keyof typeof header, value: number): void => head.setUint32(at(header[name]), value, true);
  write('topology', TopologyCode[facts.topology]);
  write('producers', facts.producers);
  write('consumers', facts.consumers);
  write('capacityBytes', facts.capacityBytes);
  write('lanesOffset', geometry.lanesOffset);
  write('dataOffset', geometry.dataOffset);
  write('startPosition', startPosition);
  write('flags', (facts.checksums ? RingFlag.checksums : 0) | (facts.overwrite ? RingFlag.overwrite : 0));
  write('maxLagBytes', facts.maxLagBytes);
  write('namesOffset', geometry.namesOffset);
  write('changesOffset', geometry.changesOffset);
  write('sleepersOffset', geometry.sleepersOffset);
  write('maxLevel', facts.maxLevel);
  const streamId = continuation?.streamId ?? randomBytes(STREAM_ID_BYTES);
  new Uint8Array(region.buffer, at(header.streamId), STREAM_ID_BYTES).set(streamId);
  writePositions(
    region,
    facts,
    geometry,
    continuation ?? { published: startPosition | 0, consumed: startPosition | 0 },
  );
  writeSuperblock(region.buffer, {
    kind: FileKind.ring,
    signature: RING_SIGNATURE,
    pageSize: PAGE_SIZE,
    fileLength: geometry.fileLength,
    slotCount: geometry.slotCount,
    slotsOffset: geometry.slotsOffset,
    epoch: continuation?.epoch,
  });
  const { fileId, epoch } = readSuperblock(file, expectation);
  const ring = mapped(region, { facts, geometry, fileId, streamId, epoch });
  if (continuation !== undefined) copyRecords(continuation, ring.lanes.at(0));
  return ring;
}

/** The head of the file and, where there is but one lane, its data, mirrored. */
function mapHead(file: SharedFile, scale: RingScale, geometry: RingGeometry): Region {
  if (isMappedByLane(scale)) return Region.map(file, { length: geometry.dataOffset });
  return Region.map(file, { length: geometry.fileLength, mirror: scale.capacityBytes });
}

function writePositions(
  { buffer }: Region,
  { producers, consumers }: RingScale,
  { lanesOffset, laneBytes }: RingGeometry,
  { published, consumed }: { published: number; consumed: number },
): void {
  const words = new Int32Array(buffer, 0, (lanesOffset + producers * laneBytes) >> 2);
  for (let lane = 0; lane < producers; lane++) {
    const base = (lanesOffset + lane * laneBytes) >> 2;
    memory.store(words, base + PUBLISHED, published);
    memory.store(words, base + NOT_PUBLISHED, ~published);
    memory.store(words, base + TAIL, published);
    memory.store(words, base + TAIL0, published);
    memory.store(words, base + BEGIN0, consumed);
    memory.store(words, base + LEVEL1, -1);
    for (let cursor = 0; cursor < consumers; cursor++) {
      memory.store(words, cursorBase(base, cursor) + CONSUMED, consumed);
      memory.store(words, cursorBase(base, cursor) + NOT_CONSUMED, ~consumed);
    }
  }
}

const STREAM_ID_BYTES = 16;

function copyRecords({ records, published, consumed }: Continuation, { view, capacityBytes }: LaneMemory): void {
  const from = consumed & (capacityBytes - 1);
  view.u8.set(records.u8.subarray(from, from + ((published - consumed) | 0)), from);
}

const expectation = { kind: FileKind.ring, signature: RING_SIGNATURE, headBytes: HEAD_BYTES };

/**
 * Checks every number in the head of an existing file, then maps it.
 *
 * @throws what {@link readSuperblock} throws; ERR_MEMLANE_CORRUPT naming the field.
 */
export function mapExisting(file: SharedFile): MappedRing {
  const { head, fileId, pageSize, slotCount, slotsOffset, epoch } = readSuperblock(file, expectation);
  const { path } = file;
  const read = (name: keyof typeof header): number => head.getUint32(at(header[name]), true);
  const expect = (name: string, value: number, right: boolean): void => {
    if (!right) throw corrupt(name, value, path);
  };
  expect('pageSize', pageSize, pageSize === PAGE_SIZE);
  const topology = (Object.keys(TopologyCode) as Topology[]).find((name) => TopologyCode[name] === read('topology'));
  if (topology === undefined) throw corrupt('topology', read('topology'), path);
  const [producers, consumers] = [read('producers'), read('consumers')];
  expect('producers', producers, producers >= 1 && producers <= (hasManyProducers(topology) ? MAX_PLACES : 1));
  const mostConsumers = isBroadcast(topology) ? Math.min(MAX_PLACES, MAX_CURSORS / producers) : 1;
  expect('consumers', consumers, consumers >= 1 && consumers <= mostConsumers);
  const capacityBytes = read('capacityBytes');
  expect(
    'capacityBytes',
    capacityBytes,
    capacityBytes >= MIN_CAPACITY_BYTES &&
      capacityBytes <= MAX_CAPACITY_BYTES &&
      (capacityBytes & (capacityBytes - 1)) === 0,
  );
  // Everything else follows from these, so it is derived and compared, never believed.
  const maxLevel = read('maxLevel');
  const isFixed = read('flags') !== 0 || read('maxLagBytes') !== 0;
  const mostLevels = isFixed ? 0 : Math.log2(MAX_CAPACITY_BYTES / capacityBytes);
  expect('maxLevel', maxLevel, maxLevel <= mostLevels);
  const geometry = ringGeometry({ topology, producers, consumers, capacityBytes, maxLevel }, pageSize);
  expect('slotCount', slotCount, slotCount === geometry.slotCount);
  expect('slotsOffset', slotsOffset, slotsOffset === geometry.slotsOffset);
  for (const name of ['lanesOffset', 'dataOffset', 'namesOffset', 'changesOffset', 'sleepersOffset'] as const)
    expect(name, read(name), read(name) === geometry[name]);
  const length = head.getFloat64(SUPERBLOCK.fields.fileLength.offset, true);
  expect('fileLength', length, length === geometry.fileLength);
  const flags = read('flags');
  const overwrite = (flags & RingFlag.overwrite) !== 0;
  expect('flags', flags, (flags & ~RING_FLAGS) === 0 && (!overwrite || isBroadcast(topology)));
  const maxLagBytes = read('maxLagBytes');
  expect('maxLagBytes', maxLagBytes, maxLagBytes <= (isBroadcast(topology) && !overwrite ? capacityBytes : 0));
  const checksums = (flags & RingFlag.checksums) !== 0;
  const facts = { topology, producers, consumers, capacityBytes, maxLevel, checksums, overwrite, maxLagBytes };
  const streamId = Buffer.from(new Uint8Array(head.buffer, at(header.streamId), STREAM_ID_BYTES));
  const region = mapHead(file, facts, geometry);
  try {
    const ring = mapped(region, { facts, geometry, fileId, streamId, epoch });
    if (!isBroadcast(topology)) for (let lane = 0; lane < producers; lane++) checkPositions(ring.lanes, lane, path);
    return ring;
  } catch (error) {
    region.close();
    throw error;
  }
}

interface Findings {
  readonly facts: RingFacts;
  readonly geometry: RingGeometry;
  readonly fileId: string;
  readonly streamId: Buffer;
  readonly epoch: number;
}

function mapped(region: Region, { facts, geometry, fileId, streamId, epoch }: Findings): MappedRing {
  const { address, file } = region;
  const { slotsOffset, slotCount, sleepersOffset } = geometry;
  const lanes = new Lanes(region, facts, geometry);
  const slots = {
    words: lanes.words,
    address,
    slotsOffset,
    slotCount,
    fileId,
    sleepersOffset: sleepersOffset || undefined,
  };
  return { region, table: new SlotTable(file, slots), lanes, streamId, epoch };
}

/** @throws ERR_MEMLANE_CORRUPT when the positions of a lane cannot be. */
function checkPositions(lanes: Lanes, lane: number, path: string | undefined): void {
  const { consumed, published } = positionsOf(lanes, lane, 0);
  if (published % ALIGNMENT !== 0) throw corrupt('published', published, path);
  if (consumed % ALIGNMENT !== 0) throw corrupt('consumed', consumed, path);
  const backlog = (published - consumed) | 0;
  if (backlog < 0 || backlog > mostUnread(lanes.facts)) throw corrupt('published', published, path);
}

/**
 * Bytes published in all lanes and not consumed through that cursor, of a ring whose ends may be moving. Where consumers come
 * and go, nothing waits for one that has gone.
 */
export function backlogBytes(lanes: Lanes, cursor: number): number {
  let backlog = 0;
  for (let lane = 0; lane < lanes.facts.producers; lane++) {
    if (lanes.names !== undefined && !lanes.isPresent(lane, cursor)) continue;
    const { consumed, published } = positionsOf(lanes, lane, cursor);
    backlog += (published - consumed) | 0;
  }
  return backlog;
}

const MAX_LOOKS = 1000;

/**
 * Both positions as they were at one instant: the consumed one is the same before and after the published one was loaded.
 * Live peers may move both by any distance between two loads, however small the ring. After so many looks it is no
 * peer that moves them, and whatever was found last will do.
 */
function positionsOf(lanes: Lanes, lane: number, cursor: number): { consumed: number; published: number } {
  const base = lanes.baseOf(lane);
  const at = cursorBase(base, cursor) + CONSUMED;
  let consumed = memory.load(lanes.words, at);
  for (let looks = 0; ; looks++) {
    const published = memory.load(lanes.words, base + PUBLISHED);
    const again = memory.load(lanes.words, at);
    if (again === consumed || looks === MAX_LOOKS) return { consumed, published };
    consumed = again;
  }
}

/** @throws ERR_MEMLANE_READ_ONLY unless the region may be stored to. */
export function expectWritable(region: Region): void {
  if (region.access === 'read')
    throw new MemlaneError('ERR_MEMLANE_READ_ONLY', 'An observer takes no part', { path: region.path });
}

/** Runs `make`, and closes the file when it fails. */
export function closingOnFailure<Result>(file: SharedFile, make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    file.close();
    throw error;
  }
}
