import {
  corrupt,
  FileKind,
  type MappedStructure,
  Region,
  readSuperblock,
  type SharedFile,
  SlotTable,
  SUPERBLOCK,
  writeSuperblock,
} from '@memlane/core';
import { checkInteger, checkOptions, PAGE_SIZE } from '@memlane/linux';
import {
  MOST_PARTICIPANTS,
  MOST_REFERENCES,
  SLAB_HEAD_BYTES,
  SLAB_HEADER,
  SLAB_SIGNATURE,
  type SlabGeometry,
  type SlabScale,
  slabGeometry,
} from './slab-descriptor.ts';
import { SlabMemory } from './slab-memory.ts';

/** What the creator of a slab decides. */
export interface SlabShape {
  /** Space that the buffers may take of the file system, 64 KiB to 256 GiB. Reserved when it is used. Default 1 GiB. */
  readonly maxBytes?: number;
  /** How many threads and processes may hold buffers at a time; at most 1024. Default 64. */
  readonly participants?: number;
  /** How many references to one buffer may be under way at a time, 1 to 32; 16 bytes a buffer each. Default 4. */
  readonly references?: number;
}

const MIN_MAX_BYTES = 65_536;
const MAX_MAX_BYTES: number = 2 ** 38;
const DEFAULTS = { maxBytes: 2 ** 30, participants: 64, references: 4 };

const header = SLAB_HEADER.fields;
const at = (field: { offset: number }): number => SUPERBLOCK.bytes + field.offset;

/** A slab, mapped. */
export interface MappedSlab extends MappedStructure {
  readonly memory: SlabMemory;
  /** Twelve bits by which a reference says which slab it is of. */
  readonly tag: number;
}

interface Plan {
  readonly scale: SlabScale;
  readonly geometry: SlabGeometry;
}

/** The shape with its defaults, and the geometry that follows. @throws ERR_MEMLANE_ARGUMENT */
export function planSlab(shape: SlabShape): Plan {
  const {
    maxBytes = DEFAULTS.maxBytes,
    participants = DEFAULTS.participants,
    references = DEFAULTS.references,
  } = checkOptions('options', shape);
  checkInteger('maxBytes', maxBytes, MIN_MAX_BYTES, MAX_MAX_BYTES);
  checkInteger('participants', participants, 1, MOST_PARTICIPANTS);
  checkInteger('references', references, 1, MOST_REFERENCES);
  const scale = { maxBytes, participants, references };
  return { scale, geometry: slabGeometry(scale, PAGE_SIZE) };
}

/** Maps a new file and writes what a slab needs; the ready word comes last. */
export function formatSlab(file: SharedFile, shape: SlabShape): MappedSlab {
  const plan = planSlab(shape);
  const { scale, geometry } = plan;
  const region = Region.map(file, { length: geometry.headLength });
  const head = new DataView(region.buffer, 0, SLAB_HEAD_BYTES);
  const set = (name: keyof typeof header, value: number): void => head.setUint32(at(header[name]), value, true);
  set('participants', scale.participants);
  set('references', scale.references);
  set('recordBytes', geometry.recordBytes);
  set('classes', geometry.classes.length);
  head.setFloat64(at(header.maxBytes), scale.maxBytes, true);
  set('sleepersOffset', geometry.sleepersOffset);
  set('sharesOffset', geometry.sharesOffset);
  set('classesOffset', geometry.classesOffset);
  set('bitmapsOffset', geometry.bitmapsOffset);
  writeSuperblock(region.buffer, {
    kind: FileKind.slab,
    signature: SLAB_SIGNATURE,
    pageSize: PAGE_SIZE,
    fileLength: geometry.fileLength,
    slotCount: scale.participants,
    slotsOffset: geometry.slotsOffset,
  });
  return mapped(region, plan, readSuperblock(file, expectation).fileId);
}

const expectation = { kind: FileKind.slab, signature: SLAB_SIGNATURE, headBytes: SLAB_HEAD_BYTES };

/**
 * Checks every number in the head of an existing file, then maps it.
 *
 * @throws what readSuperblock throws; ERR_MEMLANE_CORRUPT naming the field.
 */
export function mapSlab(file: SharedFile): MappedSlab {
  const { head, fileId, pageSize, slotCount, slotsOffset } = readSuperblock(file, expectation);
  const { path } = file;
  const read = (name: keyof typeof header): number => head.getUint32(at(header[name]), true);
  const expect = (name: string, value: number, right: boolean): void => {
    if (!right) throw corrupt(name, value, path);
  };
  const [participants, references] = [read('participants'), read('references')];
  const maxBytes = head.getFloat64(at(header.maxBytes), true);
  expect('pageSize', pageSize, pageSize === PAGE_SIZE);
  expect('participants', participants, participants >= 1 && participants <= MOST_PARTICIPANTS);
  expect('references', references, references >= 1 && references <= MOST_REFERENCES);
  expect(
    'maxBytes',
    maxBytes,
    Number.isSafeInteger(maxBytes) && maxBytes >= MIN_MAX_BYTES && maxBytes <= MAX_MAX_BYTES,
  );
  // Everything else follows from these, so it is derived and compared, never believed.
  const scale = { maxBytes, participants, references };
  const geometry = slabGeometry(scale, pageSize);
  expect('classes', read('classes'), read('classes') === geometry.classes.length);
  expect('slotCount', slotCount, slotCount === participants);
  expect('slotsOffset', slotsOffset, slotsOffset === geometry.slotsOffset);
  for (const name of ['recordBytes', 'sleepersOffset', 'sharesOffset', 'classesOffset', 'bitmapsOffset'] as const)
    expect(name, read(name), read(name) === geometry[name]);
  const length = head.getFloat64(SUPERBLOCK.fields.fileLength.offset, true);
  expect('fileLength', length, length === geometry.fileLength);
  return mapped(Region.map(file, { length: geometry.headLength }), { scale, geometry }, fileId);
}

function mapped(region: Region, { scale, geometry }: Plan, fileId: string): MappedSlab {
  const { address, file } = region;
  const memory = new SlabMemory(region, scale, geometry, PAGE_SIZE);
  const { slotsOffset, sleepersOffset } = geometry;
  const slots = {
    words: memory.words,
    address,
    slotsOffset,
    slotCount: scale.participants,
    fileId,
    sleepersOffset,
  };
  return { region, table: new SlotTable(file, slots), memory, tag: Number.parseInt(fileId.slice(0, 3), 16) };
}
