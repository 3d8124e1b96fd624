import { randomBytes } from 'node:crypto';
import { readSync } from 'node:fs';
import { MemlaneError } from '@memlane/linux';
import { load, store } from './memory.ts';
import type { SharedFile } from './shared-file.ts';
import { BYTE_ORDER_MARK, LAYOUT_VERSION, MAGIC_HIGH, MAGIC_LOW, READY, SUPERBLOCK } from './superblock-descriptor.ts';

/** What the creator of a file decides, and whoever opens it finds. */
export interface SuperblockFacts {
  readonly kind: number;
  readonly signature: number;
  readonly pageSize: number;
  readonly fileLength: number;
  readonly slotCount: number;
  readonly slotsOffset: number;
  /** How many times the contents had been replaced, twice; default 0. */
  readonly epoch?: number;
}

const { fields } = SUPERBLOCK;
const READY_WORD = fields.ready.offset >> 2;
const EPOCH = fields.epoch.offset >> 2;

/** Writes the superblock of a file that has no name yet; the ready word comes last. */
export function writeSuperblock(buffer: SharedArrayBuffer, facts: SuperblockFacts): void {
  const data = new DataView(buffer, 0, SUPERBLOCK.bytes);
  const u32 = (field: { offset: number }, value: number): void => data.setUint32(field.offset, value, true);
  u32(fields.magicLow, MAGIC_LOW);
  u32(fields.magicHigh, MAGIC_HIGH);
  u32(fields.version, LAYOUT_VERSION);
  u32(fields.kind, facts.kind);
  u32(fields.signature, facts.signature);
  u32(fields.byteOrder, BYTE_ORDER_MARK);
  u32(fields.pageSize, facts.pageSize);
  new Uint8Array(buffer, fields.fileId.offset, 16).set(randomBytes(16));
  data.setFloat64(fields.createdAtMs.offset, Date.now(), true);
  data.setFloat64(fields.fileLength.offset, facts.fileLength, true);
  u32(fields.slotCount, facts.slotCount);
  u32(fields.slotsOffset, facts.slotsOffset);
  const words = new Int32Array(buffer, 0, SUPERBLOCK.bytes >> 2);
  store(words, EPOCH, facts.epoch ?? 0);
  store(words, READY_WORD, READY);
}

/** Says that the file is not what it should be, to those who cannot see it: {@link isReady} is false from here on. */
export function condemn(words: Int32Array): void {
  store(words, READY_WORD, 0);
}

/** Whether a head that was complete still is: one that was cut and grown again reads as zeros. */
export function isReady(words: Int32Array): boolean {
  return load(words, READY_WORD) === READY;
}

/** A superblock that has been checked, and the bytes it was read from. */
export interface CheckedSuperblock {
  readonly fileId: string;
  readonly pageSize: number;
  readonly slotCount: number;
  readonly slotsOffset: number;
  /** How many times the contents have been replaced, twice. */
  readonly epoch: number;
  /** The head of the file: superblock and the header of its kind. A copy: nobody can change it after the checks. */
  readonly head: DataView;
}

/**
 * Reads and checks the head of a file before anything of it is mapped: with read(2), so that neither a file that is
 * being cut nor a hostile one can do more than be refused.
 *
 * @param headBytes superblock and kind header together.
 * @throws ERR_MEMLANE_NOT_MEMLANE, ERR_MEMLANE_VERSION, ERR_MEMLANE_KIND, ERR_MEMLANE_SIGNATURE, ERR_MEMLANE_TRUNCATED,
 *   ERR_MEMLANE_CORRUPT naming the field.
 */
export function readSuperblock(
  file: SharedFile,
  expected: { kind: number; signature: number; headBytes: number },
): CheckedSuperblock {
  const { path } = file;
  const bytes = new Uint8Array(expected.headBytes);
  const got = readSync(file.fd, bytes, 0, expected.headBytes, 0);
  const head = new DataView(bytes.buffer);
  const u32 = (field: { offset: number }): number => head.getUint32(field.offset, true);

  if (got < 8 || u32(fields.magicLow) !== MAGIC_LOW || u32(fields.magicHigh) !== MAGIC_HIGH)
    throw new MemlaneError('ERR_MEMLANE_NOT_MEMLANE', got === 0 ? 'The file is empty' : 'The magic number is missing', {
      path,
    });
  if (u32(fields.version) !== LAYOUT_VERSION)
    throw new MemlaneError(
      'ERR_MEMLANE_VERSION',
      `The file has layout version ${u32(fields.version)}, this build ${LAYOUT_VERSION}`,
      { path },
    );
  if (got < expected.headBytes)
    throw new MemlaneError(
      'ERR_MEMLANE_TRUNCATED',
      `The file has ${got} bytes, its header alone ${expected.headBytes}`,
      { path },
    );
  if (u32(fields.byteOrder) !== BYTE_ORDER_MARK) throw corrupt('byteOrder', u32(fields.byteOrder), path);
  if (u32(fields.kind) !== expected.kind)
    throw new MemlaneError('ERR_MEMLANE_KIND', `The file is of kind ${u32(fields.kind)}, not ${expected.kind}`, {
      path,
    });
  if (u32(fields.signature) !== expected.signature)
    throw new MemlaneError('ERR_MEMLANE_SIGNATURE', 'The layout signatures differ', { path });
  if (u32(fields.ready) !== READY)
    throw new MemlaneError('ERR_MEMLANE_NOT_MEMLANE', 'The file was never finished', { path });
  const fileLength = head.getFloat64(fields.fileLength.offset, true);
  if (!Number.isSafeInteger(fileLength) || fileLength < expected.headBytes)
    throw corrupt('fileLength', fileLength, path);
  if (file.length < fileLength)
    throw new MemlaneError(
      'ERR_MEMLANE_TRUNCATED',
      `The file has ${file.length} bytes, its header says ${fileLength}`,
      { path },
    );
  if (file.length > fileLength) throw corrupt('fileLength', fileLength, path);
  return {
    fileId: Buffer.from(bytes.buffer, fields.fileId.offset, 16).toString('hex'),
    pageSize: u32(fields.pageSize),
    slotCount: u32(fields.slotCount),
    slotsOffset: u32(fields.slotsOffset),
    epoch: head.getInt32(fields.epoch.offset, true),
    head,
  };
}

/** The error for a header field that no correct program writes. */
export function corrupt(field: string, value: number, path: string | undefined): MemlaneError {
  return new MemlaneError('ERR_MEMLANE_CORRUPT', `${field} is ${value}`, { path, field });
}
