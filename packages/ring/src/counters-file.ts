import type { MappedStructure } from '@memlane/core';
import {
  corrupt,
  FileKind,
  Region,
  readSuperblock,
  type SharedFile,
  SlotTable,
  SUPERBLOCK,
  writeSuperblock,
} from '@memlane/core';
import { checkInteger, checkOptions, PAGE_SIZE } from '@memlane/linux';
import type { CountersMemory } from './counters-cells.ts';
import {
  COUNTERS_HEAD_BYTES,
  COUNTERS_HEADER,
  COUNTERS_SIGNATURE,
  type CountersGeometry,
  countersGeometry,
} from './counters-descriptor.ts';

/** What the creator of a file of counters decides. */
export interface CountersShape {
  /** How many counters and gauges there may be at a time; at most 16384. Default 256. */
  readonly counters?: number;
  /** How many threads and processes may count at a time; any number may read. At most 1023. Default 64. */
  readonly participants?: number;
}

const MAX_COUNTERS = 16_384;
/** Slots that such a file may have at the most. */
export const MOST_PARTICIPANTS = 1023;

const header = COUNTERS_HEADER.fields;
const at = (field: { offset: number }): number => SUPERBLOCK.bytes + field.offset;

/** A file of counters, mapped. */
export interface MappedCounters extends MappedStructure {
  readonly memory: CountersMemory;
}

interface Plan {
  readonly counters: number;
  readonly participants: number;
  readonly geometry: CountersGeometry;
}

/** The shape with its defaults, and the geometry that follows. @throws ERR_MEMLANE_ARGUMENT */
export function planCounters(shape: CountersShape): Plan {
  const { counters = 256, participants = 64 } = checkOptions('options', shape);
  checkInteger('counters', counters, 1, MAX_COUNTERS);
  checkInteger('participants', participants, 1, MOST_PARTICIPANTS);
  return { counters, participants, geometry: countersGeometry(counters, participants) };
}

/** Maps a new file and writes what counters need; the ready word comes last. */
export function formatCounters(file: SharedFile, shape: CountersShape): MappedCounters {
  const plan = planCounters(shape);
  const { geometry, counters, participants } = plan;
  const region = Region.map(file, { length: geometry.fileLength });
  const head = new DataView(region.buffer, 0, COUNTERS_HEAD_BYTES);
  head.setUint32(at(header.counters), counters, true);
  head.setUint32(at(header.participants), participants, true);
  writeSuperblock(region.buffer, {
    kind: FileKind.counters,
    signature: COUNTERS_SIGNATURE,
    pageSize: PAGE_SIZE,
    fileLength: geometry.fileLength,
    slotCount: geometry.slotCount,
    slotsOffset: geometry.slotsOffset,
  });
  return mapped(region, plan, readSuperblock(file, expectation).fileId);
}

const expectation = { kind: FileKind.counters, signature: COUNTERS_SIGNATURE, headBytes: COUNTERS_HEAD_BYTES };

/**
 * Checks every number in the head of an existing file, then maps it.
 *
 * @throws what readSuperblock throws; ERR_MEMLANE_CORRUPT naming the field.
 */
export function mapCounters(file: SharedFile): MappedCounters {
  const { head, fileId, pageSize, slotCount, slotsOffset } = readSuperblock(file, expectation);
  const { path } = file;
  const expect = (name: string, value: number, right: boolean): void => {
    if (!right) throw corrupt(name, value, path);
  };
  const counters = head.getUint32(at(header.counters), true);
  const participants = head.getUint32(at(header.participants), true);
  expect('pageSize', pageSize, pageSize === PAGE_SIZE);
  expect('counters', counters, counters >= 1 && counters <= MAX_COUNTERS);
  expect('participants', participants, participants >= 1 && participants <= MOST_PARTICIPANTS);
  // Everything else follows from these two, so it is derived and compared, never believed.
  const geometry = countersGeometry(counters, participants);
  expect('slotCount', slotCount, slotCount === geometry.slotCount);
  expect('slotsOffset', slotsOffset, slotsOffset === geometry.slotsOffset);
  const length = head.getFloat64(SUPERBLOCK.fields.fileLength.offset, true);
  expect('fileLength', length, length === geometry.fileLength);
  return mapped(Region.map(file, { length: geometry.fileLength }), { counters, participants, geometry }, fileId);
}

function mapped(region: Region, { counters, participants, geometry }: Plan, fileId: string): MappedCounters {
  const { buffer, address, file, faults } = region;
  const { slotsOffset, slotCount, countersOffset, cellsOffset, rowBytes, fileLength } = geometry;
  const words = new Int32Array(buffer, 0, fileLength / 4);
  return {
    region,
    table: new SlotTable(file, { words, address, slotsOffset, slotCount, fileId }),
    memory: {
      words,
      f64: new Float64Array(buffer, 0, fileLength / 8),
      u8: new Uint8Array(buffer, 0, fileLength),
      counters,
      participants,
      base: countersOffset >> 2,
      cells: cellsOffset >> 2,
      rowWords: rowBytes >> 2,
      faults,
    },
  };
}
