import {
  corrupt,
  FileKind,
  memory,
  Region,
  readSuperblock,
  type SharedFile,
  SlotTable,
  SUPERBLOCK,
  writeSuperblock,
} from '@memlane/core';
import { checkInteger, checkOptions, PAGE_SIZE, throwArgument } from '@memlane/linux';
import type { WorkMemory } from './work-cells.ts';
import {
  MAX_PARTICIPANTS,
  WORK_CELL,
  WORK_HEAD_BYTES,
  WORK_HEADER,
  WORK_SIGNATURE,
  WORK_WORDS,
  type WorkGeometry,
  workGeometry,
} from './work-descriptor.ts';
import { CellState, lapOf } from './work-state.ts';

/** What the creator of a work queue decides. */
export interface WorkQueueShape {
  /** Most messages that it holds, those that are being handled or wait for their time included; a power of two. Default 1024. */
  readonly capacity?: number;
  /** Longest message in bytes. Each takes as much, whatever its length. Default 240. */
  readonly messageBytes?: number;
  /** Most producers at a time. Default 8. */
  readonly producers?: number;
  /** Most consumers at a time. Default 8. */
  readonly consumers?: number;
  /** Deliveries after which a message that is given back once more is a dead letter; Infinity for no limit. Default 5. */
  readonly maxDeliveries?: number;
  /** Where the positions begin; for tests of what happens when they wrap. Default 0. */
  readonly startPosition?: number;
}

const MIN_CAPACITY = 2;
const MAX_CAPACITY: number = 2 ** 20;
/** Offsets into the messages are signed 32-bit numbers, which this keeps far from their limit. */
const MAX_DATA_BYTES: number = 2 ** 30;
const MAX_MAX_DELIVERIES: number = 2 ** 31 - 1;
const DEFAULTS = { capacity: 1024, messageBytes: 240, producers: 8, consumers: 8, maxDeliveries: 5, startPosition: 0 };

const header = WORK_HEADER.fields;
const at = (field: { offset: number }): number => SUPERBLOCK.bytes + field.offset;
const words = WORK_WORDS.fields;

/** A work queue's file, mapped: its slots and the memory of its cells. */
export interface MappedWork {
  readonly region: Region;
  readonly table: SlotTable;
  readonly memory: WorkMemory;
  readonly consumers: number;
}

/** The shape with everything decided. */
type WorkPlan = Required<WorkQueueShape> & { geometry: WorkGeometry };

/** The file of a work queue of that shape. @throws ERR_MEMLANE_ARGUMENT */
export function planWork(shape: WorkQueueShape): WorkPlan {
  const plan = { ...DEFAULTS, ...definedOf(checkOptions('options', shape)) };
  const { capacity, messageBytes, producers, consumers, maxDeliveries } = plan;
  checkInteger('capacity', capacity, MIN_CAPACITY, MAX_CAPACITY);
  if ((capacity & (capacity - 1)) !== 0) throwArgument('capacity', capacity, 'a power of two');
  checkInteger('messageBytes', messageBytes, 0, MAX_DATA_BYTES);
  checkInteger('producers', producers, 1, MAX_PARTICIPANTS - 1);
  checkInteger('consumers', consumers, 1, MAX_PARTICIPANTS - producers);
  if (maxDeliveries !== Number.POSITIVE_INFINITY) checkInteger('maxDeliveries', maxDeliveries, 1, MAX_MAX_DELIVERIES);
  checkInteger('startPosition', plan.startPosition, 0, 2 ** 32 - 1);
  const geometry = workGeometry(plan, PAGE_SIZE);
  if (capacity * geometry.strideBytes > MAX_DATA_BYTES)
    throwArgument('messageBytes', messageBytes, `less: ${capacity} messages may take ${MAX_DATA_BYTES} bytes in all`);
  return { ...plan, geometry };
}

/** The options that were given: one that is undefined counts as left out. */
function definedOf(shape: WorkQueueShape): WorkQueueShape {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined));
}

/** Maps a new file and writes everything into it that a work queue needs; the ready word comes last. */
export function formatWork(file: SharedFile, shape: WorkQueueShape): MappedWork {
  const plan = planWork(shape);
  const { geometry, capacity, startPosition } = plan;
  const maxDeliveries = plan.maxDeliveries === Number.POSITIVE_INFINITY ? 0 : plan.maxDeliveries;
  const region = Region.map(file, {});
  const head = new DataView(region.buffer, 0, WORK_HEAD_BYTES);
  const set = (name: keyof typeof header, value: number): void => head.setUint32(at(header[name]), value, true);
  set('capacity', capacity);
  set('messageBytes', plan.messageBytes);
  set('producers', plan.producers);
  set('consumers', plan.consumers);
  set('maxDeliveries', maxDeliveries);
  set('startPosition', startPosition);
  set('wordsOffset', geometry.wordsOffset);
  set('cellsOffset', geometry.cellsOffset);
  set('dataOffset', geometry.dataOffset);
  set('strideBytes', geometry.strideBytes);
  const all = new Int32Array(region.buffer, 0, geometry.dataOffset >> 2);
  for (const { offset } of [words.tail, words.head])
    memory.store(all, (geometry.wordsOffset + offset) >> 2, startPosition | 0);
  // Each cell as if the round before the start had just left it.
  const shift = 31 - Math.clz32(capacity);
  for (let position = startPosition - capacity; position < startPosition; position++) {
    const cell = geometry.cellsOffset + (position & (capacity - 1)) * WORK_CELL.bytes;
    memory.store(all, (cell + WORK_CELL.fields.state.offset) >> 2, lapOf(position, shift) | CellState.free);
  }
  const { slotCount, slotsOffset, fileLength } = geometry;
  const { work: kind } = FileKind;
  const signature = WORK_SIGNATURE;
  writeSuperblock(region.buffer, { kind, signature, pageSize: PAGE_SIZE, fileLength, slotCount, slotsOffset });
  const { fileId } = readSuperblock(file, expectation);
  return mapped(region, { ...plan, maxDeliveries }, fileId);
}

const expectation = { kind: FileKind.work, signature: WORK_SIGNATURE, headBytes: WORK_HEAD_BYTES };

/**
 * Checks every number in the head of an existing file, then maps it.
 *
 * @throws what {@link readSuperblock} throws; ERR_MEMLANE_CORRUPT naming the field.
 */
export function mapExistingWork(file: SharedFile): MappedWork {
  const { head, fileId, pageSize, slotCount, slotsOffset } = readSuperblock(file, expectation);
  const { path } = file;
  const read = (name: keyof typeof header): number => head.getUint32(at(header[name]), true);
  const expect = (name: string, value: number, right: boolean): void => {
    if (!right) throw corrupt(name, value, path);
  };
  const [capacity, messageBytes] = [read('capacity'), read('messageBytes')];
  const [producers, consumers] = [read('producers'), read('consumers')];
  const [maxDeliveries, startPosition] = [read('maxDeliveries'), read('startPosition')];
  expect('pageSize', pageSize, pageSize === PAGE_SIZE);
  expect(
    'capacity',
    capacity,
    capacity >= MIN_CAPACITY && capacity <= MAX_CAPACITY && (capacity & (capacity - 1)) === 0,
  );
  expect('messageBytes', messageBytes, messageBytes <= MAX_DATA_BYTES);
  expect('producers', producers, producers >= 1 && producers < MAX_PARTICIPANTS);
  expect('consumers', consumers, consumers >= 1 && producers + consumers <= MAX_PARTICIPANTS);
  expect('maxDeliveries', maxDeliveries, maxDeliveries <= MAX_MAX_DELIVERIES);
  // Everything else follows from these, so it is derived and compared, never believed.
  const geometry = workGeometry({ capacity, messageBytes, producers, consumers }, pageSize);
  expect('messageBytes', messageBytes, capacity * geometry.strideBytes <= MAX_DATA_BYTES);
  expect('slotCount', slotCount, slotCount === geometry.slotCount);
  expect('slotsOffset', slotsOffset, slotsOffset === geometry.slotsOffset);
  for (const name of ['wordsOffset', 'cellsOffset', 'dataOffset', 'strideBytes'] as const)
    expect(name, read(name), read(name) === geometry[name]);
  const length = head.getFloat64(SUPERBLOCK.fields.fileLength.offset, true);
  expect('fileLength', length, length === geometry.fileLength);
  const region = Region.map(file, { length: geometry.fileLength });
  const shape = { capacity, messageBytes, producers, consumers, maxDeliveries, startPosition };
  return mapped(region, { ...shape, geometry }, fileId);
}

function mapped(region: Region, plan: WorkPlan, fileId: string): MappedWork {
  const { buffer, address, file, faults } = region;
  const { geometry, capacity, messageBytes, producers, consumers, maxDeliveries } = plan;
  const { slotsOffset, slotCount, wordsOffset, cellsOffset, dataOffset, strideBytes } = geometry;
  const head = new Int32Array(buffer, 0, dataOffset >> 2);
  const sleepersOffset = wordsOffset + words.sleepers.offset;
  const table = new SlotTable(file, { words: head, address, slotsOffset, slotCount, fileId, sleepersOffset });
  const bytes = capacity * strideBytes;
  const view = {
    u8: new Uint8Array(buffer, dataOffset, bytes),
    i32: new Int32Array(buffer, dataOffset, bytes / 4),
    f64: new Float64Array(buffer, dataOffset, bytes / 8),
    data: new DataView(buffer, dataOffset, bytes),
    buffer: Buffer.from(buffer, dataOffset, bytes),
  };
  const places = { words: head, base: wordsOffset >> 2, cells: cellsOffset >> 2, view };
  const work = { ...places, capacity, messageBytes, strideBytes, maxDeliveries, producers, faults };
  return { region, table, consumers, memory: work };
}
