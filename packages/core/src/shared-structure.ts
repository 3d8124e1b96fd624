import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { checkMode, checkOptions, type LinuxError, MemlaneError } from '@memlane/linux';
import type { Station } from './endpoint.ts';
import { type FileDescriptor, openDescribed } from './handover.ts';
import * as memory from './memory.ts';
import {
  isAnybodyAttached,
  type SlotTable,
  sweepAnonymousBells,
  sweepDeadBells,
  withAttachLock,
} from './participants.ts';
import type { FaultCounter, Region } from './region.ts';
import type { Access } from './reservation.ts';
import { resolveName } from './runtime-directory.ts';
import { SharedFile, type Trust } from './shared-file.ts';
import { corrupt, isReady } from './superblock.ts';

/*
 * How a structure that several processes share comes into being, is opened, handed on and removed: the same for a latest
 * value, counters and slabs, which differ in what their files hold.
 */

/** A file of such a structure, mapped. */
export interface MappedStructure {
  readonly region: Region;
  readonly table: SlotTable;
}

/** What differs. */
export interface StructureKind<Shape extends object, Mapped extends MappedStructure, Structure extends Disposable> {
  /** For people: 'latest value'. */
  readonly what: string;
  /** Type of its descriptors: 'memlane.latest-value'. */
  readonly type: string;
  readonly extension: string;
  /** Slots that a file of this kind may have at the most. */
  readonly mostSlots: number;
  /** Bytes of a file of that shape. @throws ERR_MEMLANE_ARGUMENT */
  fileLength(shape: Shape): number;
  /** Bytes at its beginning whose space is reserved at once. Default: all of them. */
  reservedBytes?(shape: Shape): number;
  /** Maps a new file and writes what it needs; the ready word comes last. */
  format(file: SharedFile, shape: Shape): Mapped;
  /** Checks every number in the head of an existing file, then maps it. */
  mapExisting(file: SharedFile): Mapped;
  make(mapped: Mapped): Structure;
}

/** What a creator may say besides the shape. */
export interface CreateOptions {
  /** Permissions of the file. Default 0600: whoever may open it may read, write and pretend. */
  readonly mode?: number;
}

/** How an existing file is opened. */
export interface OpenOptions extends Trust {
  /** `read` for an observer, which has no slot and leaves no trace. Default `readwrite`. */
  readonly access?: Access;
}

/** Creates a file of that kind under a name. */
export function createStructure<Shape extends object, Mapped extends MappedStructure, Structure extends Disposable>(
  kind: StructureKind<Shape, Mapped, Structure>,
  name: string,
  options: Shape & CreateOptions,
): Structure {
  const path = resolveName(name, kind.extension);
  const { mode } = options;
  const file = SharedFile.createUnnamed(
    dirname(path),
    kind.fileLength(options),
    mode,
    true,
    kind.reservedBytes?.(options),
  );
  return closingFile(file, () => {
    const mapped = kind.format(file, options);
    file.publish(path);
    return kind.make(mapped);
  });
}

/** Opens an existing one, after checking everything that can be checked about the file. */
export function openStructure<Shape extends object, Mapped extends MappedStructure, Structure extends Disposable>(
  kind: StructureKind<Shape, Mapped, Structure>,
  name: string,
  options: OpenOptions,
): Structure {
  const { access, ...trust } = checkOptions('options', options);
  const file = SharedFile.open(resolveName(name, kind.extension), access, trust);
  return closingFile(file, () => kind.make(kind.mapExisting(file)));
}

/** Opens it, or creates it where there is none; of two that do this at once, one creates. */
export function openOrCreateStructure<
  Shape extends object,
  Mapped extends MappedStructure,
  Structure extends Disposable,
>(
  kind: StructureKind<Shape, Mapped, Structure>,
  name: string,
  options: Shape & CreateOptions & OpenOptions,
): Structure {
  // What is wrong is so whether the file is there or not.
  kind.fileLength(options);
  if (options.mode !== undefined) checkMode(options.mode);
  return openOrElse(
    () => openStructure(kind, name, options),
    () => createStructure(kind, name, options),
  );
}

/** Opens, or creates where there is nothing to be opened; again when somebody else was faster. */
export function openOrElse<Structure>(open: () => Structure, create: () => Structure): Structure {
  for (;;) {
    try {
      return open();
    } catch (error) {
      if ((error as LinuxError).code !== 'ENOENT') throw error;
    }
    try {
      return create();
    } catch (error) {
      if ((error as MemlaneError).code !== 'ERR_MEMLANE_EXISTS') throw error;
    }
  }
}

/** Creates one without a name, in memory that nobody can cut. */
export function createAnonymousStructure<
  Shape extends object,
  Mapped extends MappedStructure,
  Structure extends Disposable,
>(kind: StructureKind<Shape, Mapped, Structure>, options: Shape): Structure {
  sweepAnonymousBells();
  const file = SharedFile.createAnonymous(kind.type, kind.fileLength(options), kind.reservedBytes?.(options));
  return closingFile(file, () => {
    file.seal(); // first: what cannot be cut when it is mapped is not guarded
    return kind.make(kind.format(file, options));
  });
}

/** Opens the one that a descriptor of another thread or process names. */
export function attachStructure<Shape extends object, Mapped extends MappedStructure, Structure extends Disposable>(
  kind: StructureKind<Shape, Mapped, Structure>,
  descriptor: FileDescriptor,
): Structure {
  const file = openDescribed(kind.type, descriptor);
  return closingFile(file, () => kind.make(kind.mapExisting(file)));
}

/** Deletes one that nobody is attached to, and what belongs to it; also one that is damaged, or of another version. */
export function removeStructure<
  Shape extends object,
  Mapped extends MappedStructure,
  Structure extends Disposable & { unlink(): void },
>(kind: StructureKind<Shape, Mapped, Structure>, name: string): void {
  removeWhole(resolveName(name, kind.extension), kind.mostSlots, () => openStructure(kind, name, {}));
}

/**
 * Deletes a file that nobody is attached to, and its bells.
 *
 * @param mostSlots that a file of its kind may have: which one that is damaged has, it does not say.
 */
export function removeWhole(path: string, mostSlots: number, open: () => Disposable & { unlink(): void }): void {
  try {
    using structure = open();
    structure.unlink();
  } catch (error) {
    if (!isDamage(error, path)) throw error;
    const file = SharedFile.open(path);
    try {
      withAttachLock(file, () => {
        if (isAnybodyAttached(file, mostSlots))
          throw new MemlaneError('ERR_MEMLANE_BUSY', 'Somebody is attached to what is left of it', { path });
        file.unlink();
      });
      sweepDeadBells(dirname(path));
    } finally {
      file.close();
    }
  }
}

const DAMAGE: readonly string[] = [
  'ERR_MEMLANE_CORRUPT',
  'ERR_MEMLANE_SIGNATURE',
  'ERR_MEMLANE_TRUNCATED',
  'ERR_MEMLANE_VERSION',
];

/** Whether a file that cannot be opened once was what was asked for: one that was cut to nothing says so no more. */
function isDamage(error: unknown, path: string): boolean {
  const { code } = error as MemlaneError;
  return DAMAGE.includes(code) || (code === 'ERR_MEMLANE_NOT_MEMLANE' && statSync(path).size === 0);
}

/**
 * @throws ERR_MEMLANE_TRUNCATED, ERR_MEMLANE_NO_SPACE, ERR_MEMLANE_IO when an access has met a page that was gone, and so
 *   what was read may be zeros: looked at after reading, and before believing.
 */
export function expectNoFault(faults: FaultCounter | undefined): void {
  if (faults !== undefined && memory.load(faults.counters, faults.counter) !== faults.acknowledged)
    throw faults.error();
}

/** The error for a shared word that a correct peer never writes, unless its page is gone. */
export function lied(field: string, value: number, faults: FaultCounter | undefined): MemlaneError {
  expectNoFault(faults);
  return new MemlaneError('ERR_MEMLANE_CORRUPT', `A peer has written ${value} into ${field}`, { field });
}

/** What is wrong with the file, if it is cut or its head is not what it was. A few system calls. */
export function lossOfStation({ region, table, participant }: Station): unknown {
  try {
    region.verify();
  } catch (error) {
    return error;
  }
  if (!isReady(table.words)) return corrupt('ready', 0, region.path);
  if (!participant.isRecorded) return corrupt('generation', 0, region.path);
  return undefined;
}

function closingFile<Result>(file: SharedFile, make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A structure that is open: what is the same for all kinds. */
export abstract class SharedStructure<Mapped extends MappedStructure> implements Disposable {
  readonly #mapped: Mapped;
  readonly #what: string;

  constructor(mapped: Mapped, what: string) {
    this.#mapped = mapped;
    this.#what = what;
  }

  /** Where it is; undefined for an anonymous one. */
  get path(): string | undefined {
    return this.#mapped.region.path;
  }

  /** Deletes the name and the bells. @throws ERR_MEMLANE_BUSY while somebody alive is attached; ERR_MEMLANE_READ_ONLY */
  unlink(): void {
    const { region, table } = this.open();
    this.expectWritable();
    const own = region.file.reopen();
    try {
      // With the attach lock: whoever attaches either is seen here, or sees that the file has no name any more.
      withAttachLock(own, () => {
        for (let slot = 0; slot < table.slotCount; slot++)
          if (table.isAlive(slot))
            throw new MemlaneError('ERR_MEMLANE_BUSY', `Process ${table.pidOf(slot)} is attached`, { path: this.path });
        table.removeBells();
        region.file.unlink();
      });
    } finally {
      own.close();
    }
  }

  /** Ends what was made here, then the mapping. The file stays. Idempotent. */
  close(): void {
    this.#mapped.region.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @throws ERR_MEMLANE_CLOSED */
  protected open(): Mapped {
    if (this.#mapped.region.closed)
      throw new MemlaneError('ERR_MEMLANE_CLOSED', `The ${this.#what} is closed`, { path: this.path });
    return this.#mapped;
  }

  /** @throws ERR_MEMLANE_READ_ONLY */
  protected expectWritable(): void {
    if (this.#mapped.region.access === 'read')
      throw new MemlaneError('ERR_MEMLANE_READ_ONLY', 'An observer takes no part', { path: this.path });
  }

  protected describe<Type extends string>(type: Type): FileDescriptor & { readonly type: Type } {
    const { file } = this.open().region;
    const { handoverPath: path, identity, access } = file;
    return { type, path, anonymous: file.path === undefined, identity, access };
  }
}
