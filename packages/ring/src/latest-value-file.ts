import type { MappedStructure } from '@memlane/core';
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
import type { CellMemory } from './latest-value-cell.ts';
import {
  LATEST_VALUE,
  LATEST_VALUE_HEAD_BYTES,
  LATEST_VALUE_HEADER,
  LATEST_VALUE_SIGNATURE,
  type LatestValueGeometry,
  latestValueGeometry,
} from './latest-value-descriptor.ts';

/** What the creator of a latest value decides. */
export interface LatestValueShape {
  /** Longest value, in bytes; at most 256 MiB. Default 1024. */
  readonly valueBytes?: number;
  /** How many readers may wait at a time; any number may read without waiting. At most 1023. Default 16. */
  readonly readers?: number;
  /**
   * Versions that are kept at a time, a power of two from 4 to 64. A reader looks again when all but one of them were
   * overwritten while it copied. Default 4.
   */
  readonly buffers?: number;
  /** Where the versions begin; for tests of what happens when they wrap. Default 0. */
  readonly startVersion?: number;
}

const MAX_VALUE_BYTES = 2 ** 28;
const MAX_BUFFERS = 64;
const MIN_BUFFERS = 4;
const MAX_READERS = 1023;
/** All buffers together: offsets in them are 32-bit integers. */
const MAX_BUFFERS_BYTES: number = 2 ** 30 + MAX_BUFFERS * 128;

const header = LATEST_VALUE_HEADER.fields;
const at = (field: { offset: number }): number => SUPERBLOCK.bytes + field.offset;

/** Slots that such a file may have at the most. */
export const MOST_SLOTS: number = 1 + MAX_READERS;

/** The file of a latest value, mapped. */
export interface MappedLatestValue extends MappedStructure {
  readonly cell: CellMemory;
  readonly readers: number;
}

/** The shape with its defaults, and the geometry that follows. @throws ERR_MEMLANE_ARGUMENT */
export function planLatestValue(
  shape: LatestValueShape,
): Required<LatestValueShape> & { readonly geometry: LatestValueGeometry } {
  const { valueBytes = 1024, readers = 16, buffers = MIN_BUFFERS, startVersion = 0 } = checkOptions('options', shape);
  checkInteger('valueBytes', valueBytes, 1, MAX_VALUE_BYTES);
  checkInteger('readers', readers, 1, MAX_READERS);
  checkInteger('buffers', buffers, MIN_BUFFERS, MAX_BUFFERS);
  if ((buffers & (buffers - 1)) !== 0) throwArgument('buffers', buffers, 'a power of two');
  checkInteger('startVersion', startVersion, 0, 2 ** 32 - 1);
  const geometry = latestValueGeometry(valueBytes, buffers, readers);
  if (buffers * geometry.bufferBytes > MAX_BUFFERS_BYTES)
    throwArgument('buffers', buffers, `at most 1 GiB together, of ${valueBytes} bytes each`);
  return { valueBytes, readers, buffers, startVersion, geometry };
}

/** Maps a new file and writes what a latest value needs; the ready word comes last. */
export function formatLatestValue(file: SharedFile, shape: LatestValueShape): MappedLatestValue {
  const { geometry, valueBytes, readers, buffers, startVersion } = planLatestValue(shape);
  const region = Region.map(file, { length: geometry.fileLength });
  const head = new DataView(region.buffer, 0, LATEST_VALUE_HEAD_BYTES);
  head.setUint32(at(header.valueBytes), valueBytes, true);
  head.setUint32(at(header.buffers), buffers, true);
  head.setUint32(at(header.readers), readers, true);
  head.setUint32(at(header.startVersion), startVersion, true);
  const words = new Int32Array(region.buffer, 0, geometry.buffersOffset >> 2);
  const base = geometry.wordsOffset >> 2;
  memory.store(words, base + (LATEST_VALUE.fields.version.offset >> 2), startVersion);
  memory.store(words, base + (LATEST_VALUE.fields.intent.offset >> 2), startVersion);
  writeSuperblock(region.buffer, {
    kind: FileKind.latestValue,
    signature: LATEST_VALUE_SIGNATURE,
    pageSize: PAGE_SIZE,
    fileLength: geometry.fileLength,
    slotCount: geometry.slotCount,
    slotsOffset: geometry.slotsOffset,
  });
  const { fileId } = readSuperblock(file, expectation);
  return mapped(region, { geometry, valueBytes, readers, buffers, startVersion }, fileId);
}

const expectation = {
  kind: FileKind.latestValue,
  signature: LATEST_VALUE_SIGNATURE,
  headBytes: LATEST_VALUE_HEAD_BYTES,
};

/**
 * Checks every number in the head of an existing file, then maps it.
 *
 * @throws what readSuperblock throws; ERR_MEMLANE_CORRUPT naming the field.
 */
export function mapLatestValue(file: SharedFile): MappedLatestValue {
  const { head, fileId, pageSize, slotCount, slotsOffset } = readSuperblock(file, expectation);
  const { path } = file;
  const read = (name: keyof typeof header): number => head.getUint32(at(header[name]), true);
  const expect = (name: string, value: number, right: boolean): void => {
    if (!right) throw corrupt(name, value, path);
  };
  const [valueBytes, buffers, readers] = [read('valueBytes'), read('buffers'), read('readers')];
  expect('pageSize', pageSize, pageSize === PAGE_SIZE);
  expect('valueBytes', valueBytes, valueBytes >= 1 && valueBytes <= MAX_VALUE_BYTES);
  expect('buffers', buffers, buffers >= MIN_BUFFERS && buffers <= MAX_BUFFERS && (buffers & (buffers - 1)) === 0);
  expect('readers', readers, readers >= 1 && readers <= MAX_READERS);
  // Everything else follows from these three, so it is derived and compared, never believed.
  const geometry = latestValueGeometry(valueBytes, buffers, readers);
  expect('buffers', buffers, buffers * geometry.bufferBytes <= MAX_BUFFERS_BYTES);
  expect('slotCount', slotCount, slotCount === geometry.slotCount);
  expect('slotsOffset', slotsOffset, slotsOffset === geometry.slotsOffset);
  const length = head.getFloat64(SUPERBLOCK.fields.fileLength.offset, true);
  expect('fileLength', length, length === geometry.fileLength);
  const region = Region.map(file, { length: geometry.fileLength });
  return mapped(region, { geometry, valueBytes, readers, buffers, startVersion: read('startVersion') }, fileId);
}

function mapped(
  region: Region,
  plan: Required<LatestValueShape> & { readonly geometry: LatestValueGeometry },
  fileId: string,
): MappedLatestValue {
  const { geometry, valueBytes, readers, buffers, startVersion } = plan;
  const { buffer, address, file, faults } = region;
  const { slotsOffset, slotCount, sleepersOffset, wordsOffset, buffersOffset, bufferBytes } = geometry;
  const words = new Int32Array(buffer, 0, buffersOffset >> 2);
  const bytes = buffers * bufferBytes;
  const view = {
    u8: new Uint8Array(buffer, buffersOffset, bytes),
    i32: new Int32Array(buffer, buffersOffset, bytes / 4),
    f64: new Float64Array(buffer, buffersOffset, bytes / 8),
    data: new DataView(buffer, buffersOffset, bytes),
    buffer: Buffer.from(buffer, buffersOffset, bytes),
  };
  return {
    region,
    table: new SlotTable(file, { words, address, slotsOffset, slotCount, fileId, sleepersOffset }),
    cell: { words, base: wordsOffset >> 2, view, buffers, bufferBytes, valueBytes, startVersion, faults },
    readers,
  };
}
