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
import { checkInteger, checkOptions, checkType, MemlaneError, PAGE_SIZE, throwArgument } from '@memlane/linux';
import type { LaneMemory, RecordView } from './lane.ts';
import { CURSOR, LANE } from './lane-descriptor.ts';
import type { Position } from './position.ts';
import { ALIGNMENT } from './record-descriptor.ts';
import {
  HEAD_BYTES,
  RING_HEADER,
  RING_SIGNATURE,
  RingFlag,
  type RingGeometry,
  ringGeometry,
  Topology,
} from './ring-descriptor.ts';

/** What the creator of a ring decides. */
export interface RingShape {
  /** Data bytes; a power of two, at least 4 KiB and one page, at most 1 GiB. Default 1 MiB. */
  readonly capacityBytes?: number;
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

const header = RING_HEADER.fields;
const at = (field: { offset: number }): number => SUPERBLOCK.bytes + field.offset;
const PUBLISHED = LANE.fields.published.offset >> 2;
const CONSUMED = (LANE.bytes + CURSOR.fields.consumed.offset) >> 2;
const NOT_PUBLISHED = LANE.fields.notPublished.offset >> 2;
const NOT_CONSUMED = (LANE.bytes + CURSOR.fields.notConsumed.offset) >> 2;

/** A ring file, mapped: its slots and the memory of its lane. */
export interface MappedRing {
  readonly region: Region;
  readonly table: SlotTable;
  readonly lane: LaneMemory;
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

/** Bytes of the file of a ring of that shape. @throws ERR_MEMLANE_ARGUMENT */
export function plan(shape: RingShape): Required<RingShape> & { geometry: RingGeometry } {
  const {
    capacityBytes = DEFAULT_CAPACITY_BYTES,
    startPosition = 0,
    checksums = false,
  } = checkOptions('options', shape);
  checkInteger('capacityBytes', capacityBytes, MIN_CAPACITY_BYTES, MAX_CAPACITY_BYTES);
  if ((capacityBytes & (capacityBytes - 1)) !== 0) throwArgument('capacityBytes', capacityBytes, 'a power of two');
  checkInteger('startPosition', startPosition, 0, 2 ** 32 - ALIGNMENT);
  if (startPosition % ALIGNMENT !== 0) throwArgument('startPosition', startPosition, `a multiple of ${ALIGNMENT}`);
  checkType('checksums', checksums, 'boolean');
  return { geometry: ringGeometry(1, 1, capacityBytes, PAGE_SIZE), capacityBytes, startPosition, checksums };
}

/** Maps a new file and writes everything into it that a ring needs; the ready word comes last. */
export function format(file: SharedFile, shape: RingShape, continuation?: Continuation): MappedRing {
  const { geometry, capacityBytes, startPosition, checksums } = plan(shape);
  const region = Region.map(file, { mirror: capacityBytes });
  const head = new DataView(region.buffer, 0, HEAD_BYTES);
  head.setUint32(at(header.topology), Topology.spsc, true);
  head.setUint32(at(header.producers), 1, true);
  head.setUint32(at(header.consumers), 1, true);
  head.setUint32(at(header.capacityBytes), capacityBytes, true);
  head.setUint32(at(header.lanesOffset), geometry.lanesOffset, true);
  head.setUint32(at(header.dataOffset), geometry.dataOffset, true);
  head.setUint32(at(header.startPosition), startPosition, true);
  head.setUint32(at(header.flags), checksums ? RingFlag.checksums : 0, true);
  const streamId = continuation?.streamId ?? randomBytes(STREAM_ID_BYTES);
  new Uint8Array(region.buffer, at(header.streamId), STREAM_ID_BYTES).set(streamId);
  const words = new Int32Array(region.buffer, 0, geometry.dataOffset >> 2);
  const { published, consumed } = continuation ?? { published: startPosition | 0, consumed: startPosition | 0 };
  memory.store(words, (geometry.lanesOffset >> 2) + PUBLISHED, published);
  memory.store(words, (geometry.lanesOffset >> 2) + CONSUMED, consumed);
  memory.store(words, (geometry.lanesOffset >> 2) + NOT_PUBLISHED, ~published);
  memory.store(words, (geometry.lanesOffset >> 2) + NOT_CONSUMED, ~consumed);
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
  const ring = mapped(region, { geometry, capacityBytes, checksums, fileId, streamId, epoch });
  if (continuation !== undefined) copyRecords(continuation, ring.lane);
  return ring;
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
  const capacity = read('capacityBytes');
  expect('pageSize', pageSize, pageSize === PAGE_SIZE);
  expect('topology', read('topology'), read('topology') === Topology.spsc);
  expect('producers', read('producers'), read('producers') === 1);
  expect('consumers', read('consumers'), read('consumers') === 1);
  expect(
    'capacityBytes',
    capacity,
    capacity >= MIN_CAPACITY_BYTES && capacity <= MAX_CAPACITY_BYTES && (capacity & (capacity - 1)) === 0,
  );
  // Everything else follows from these three, so it is derived and compared, never believed.
  const geometry = ringGeometry(1, 1, capacity, pageSize);
  expect('slotCount', slotCount, slotCount === geometry.slotCount);
  expect('slotsOffset', slotsOffset, slotsOffset === geometry.slotsOffset);
  expect('lanesOffset', read('lanesOffset'), read('lanesOffset') === geometry.lanesOffset);
  expect('dataOffset', read('dataOffset'), read('dataOffset') === geometry.dataOffset);
  const length = head.getFloat64(SUPERBLOCK.fields.fileLength.offset, true);
  expect('fileLength', length, length === geometry.fileLength);
  expect('flags', read('flags'), read('flags') <= RingFlag.checksums);
  const checksums = read('flags') === RingFlag.checksums;
  const streamId = Buffer.from(new Uint8Array(head.buffer, at(header.streamId), STREAM_ID_BYTES));
  const region = Region.map(file, { length: geometry.fileLength, mirror: capacity });
  try {
    const ring = mapped(region, { geometry, capacityBytes: capacity, checksums, fileId, streamId, epoch });
    checkPositions(ring.lane, path);
    return ring;
  } catch (error) {
    region.close();
    throw error;
  }
}

interface RingFacts {
  readonly geometry: RingGeometry;
  readonly capacityBytes: number;
  readonly checksums: boolean;
  readonly fileId: string;
  readonly streamId: Buffer;
  readonly epoch: number;
}

function mapped(region: Region, facts: RingFacts): MappedRing {
  const { geometry, capacityBytes, checksums, fileId, streamId, epoch } = facts;
  const { buffer, address, file, faults } = region;
  const { dataOffset, slotsOffset, slotCount, lanesOffset } = geometry;
  const words = new Int32Array(buffer, 0, dataOffset >> 2);
  const view = recordView(buffer, dataOffset, capacityBytes);
  return {
    region,
    table: new SlotTable(file, { words, address, slotsOffset, slotCount, fileId }),
    lane: { words, base: lanesOffset >> 2, view, capacityBytes, checksums, faults },
    streamId,
    epoch,
  };
}

function recordView(buffer: SharedArrayBuffer, offset: number, capacityBytes: number): RecordView {
  const bytes = 2 * capacityBytes; // up to 2^31: no bit operations on it
  return {
    u8: new Uint8Array(buffer, offset, bytes),
    i32: new Int32Array(buffer, offset, bytes / 4),
    f64: new Float64Array(buffer, offset, bytes / 8),
    data: new DataView(buffer, offset, bytes),
    buffer: Buffer.from(buffer, offset, bytes),
  };
}

/** Private memory of the shape of a ring's data, mirrored like it. */
export function createDraft(capacityBytes: number): { region: Region; view: RecordView } {
  const file = SharedFile.createAnonymous('memlane.draft', capacityBytes);
  return closingOnFailure(file, () => {
    file.seal();
    const region = Region.map(file, { mirror: capacityBytes });
    return { region, view: recordView(region.buffer, 0, capacityBytes) };
  });
}

/** @throws ERR_MEMLANE_CORRUPT when the positions of the file cannot be. */
function checkPositions(lane: LaneMemory, path: string | undefined): void {
  const { consumed, published } = positionsOf(lane);
  if (published % ALIGNMENT !== 0) throw corrupt('published', published, path);
  if (consumed % ALIGNMENT !== 0) throw corrupt('consumed', consumed, path);
  const backlog = (published - consumed) | 0;
  if (backlog < 0 || backlog > lane.capacityBytes) throw corrupt('published', published, path);
}

/** Bytes published and not consumed, of a lane whose ends may be moving. */
export function backlogBytes(lane: LaneMemory): number {
  const { consumed, published } = positionsOf(lane);
  return (published - consumed) | 0;
}

const MAX_LOOKS = 1000;

/**
 * Both positions as they were at one instant: the consumed one is the same before and after the published one was loaded.
 * Live peers may move both by any distance between two loads, however small the ring. After so many looks it is no
 * peer that moves them, and whatever was found last will do.
 */
function positionsOf({ words, base }: LaneMemory): { consumed: number; published: number } {
  let consumed = memory.load(words, base + CONSUMED);
  for (let looks = 0; ; looks++) {
    const published = memory.load(words, base + PUBLISHED);
    const again = memory.load(words, base + CONSUMED);
    if (again === consumed || looks === MAX_LOOKS) return { consumed, published };
    consumed = again;
  }
}

/** Recovery of a producer's slot: the stream of a dead or departed producer is not over for its successor. */
export function reopenStream({ words, base }: LaneMemory): void {
  memory.store(words, base + (LANE.fields.ended.offset >> 2), 0);
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
