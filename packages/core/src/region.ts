import { dirname } from 'node:path';
import { GuardedRange } from '@memlane/guard';
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPath,
  constants,
  type LinuxError,
  MemlaneError,
  memory,
  PAGE_SIZE,
  throwArgument,
  toPages,
} from '@memlane/linux';
import { type FileDescriptor, openDescribed } from './handover.ts';
import { load } from './memory.ts';
import { type Access, Reservation } from './reservation.ts';
import { SharedFile, type Trust } from './shared-file.ts';

/** Which part of a file a region maps, and how. */
export interface RegionOptions extends Trust {
  readonly access?: Access;
  /** First byte of the file that is mapped; a multiple of the page size. Default 0. */
  readonly offset?: number;
  /** Bytes mapped. Default: to the end of the file. */
  readonly length?: number;
  /** Address space to reserve for {@link Region.grow}, in bytes. Default: `length`, so that it cannot grow. */
  readonly maxLength?: number;
  /**
   * Bytes at the end of the region that are mapped once more directly behind it, so that what wraps around is
   * contiguous. Both ends on page boundaries. Excludes {@link maxLength}.
   */
  readonly mirror?: number;
}

/** How the kernel is to treat a range; see madvise(2). */
export type Advice =
  | 'normal'
  | 'random'
  | 'sequential'
  | 'willneed'
  | 'dontneed'
  | 'hugepage'
  | 'nohugepage'
  | 'dontdump';

/** A range inside a region, in bytes. Default: all of it. */
export interface Range {
  readonly offset?: number;
  readonly length?: number;
}

/** A counter of faults, for hot paths: see {@link Region.check}. */
export type FaultCounter = Pick<GuardedRange, 'counters' | 'counter' | 'acknowledged' | 'error'>;

/** What another thread or process needs to map the same pages. Plain data: survives postMessage, JSON and fork. */
export interface RegionDescriptor extends FileDescriptor {
  readonly type: 'memlane.region';
  readonly offset: number;
  readonly length: number;
  readonly maxLength: number;
  readonly mirror: number;
}

const ADVICE: Readonly<Record<Advice, number>> = {
  normal: constants.MADV_NORMAL,
  random: constants.MADV_RANDOM,
  sequential: constants.MADV_SEQUENTIAL,
  willneed: constants.MADV_WILLNEED,
  dontneed: constants.MADV_DONTNEED,
  hugepage: constants.MADV_HUGEPAGE,
  nohugepage: constants.MADV_NOHUGEPAGE,
  dontdump: constants.MADV_DONTDUMP,
};
const ADVICES = Object.keys(ADVICE);

/**
 * A range of a file as shared memory: what is stored into {@link buffer} is the file's content, for every process that
 * maps it, without a copy.
 *
 * A region belongs to the thread that made it. Hand {@link descriptor} to another thread or process and let it
 * {@link attach}: it gets a mapping of its own with a lifetime of its own, so that close() on one side never pulls the
 * memory from under the other. No method blocks but {@link sync}, {@link prefault} and {@link lock}.
 *
 * Views need an explicit length (`new Int32Array(region.buffer, 0, n)`): one that tracks the length of the growable
 * buffer is 9 to 30 times slower.
 *
 * @example
 * using region = Region.create('/dev/shm/counters', 4096);
 * const counters = new Int32Array(region.buffer, 0, 1024);
 * counters[0] += 1;
 */
export class Region implements Disposable {
  readonly #file: SharedFile;
  readonly #reservation: Reservation;
  readonly #offset: number;
  readonly #mirror: number;
  readonly #maxLength: number;
  readonly #guarded: GuardedRange | undefined;
  #length: number;
  #closed = false;

  private constructor(
    file: SharedFile,
    reservation: Reservation,
    guarded: GuardedRange | undefined,
    offset: number,
    length: number,
    maxLength: number,
    mirror: number,
  ) {
    this.#file = file;
    this.#reservation = reservation;
    this.#guarded = guarded;
    this.#offset = offset;
    this.#length = length;
    this.#maxLength = maxLength;
    this.#mirror = mirror;
  }

  /**
   * Creates a file of `length` bytes, all zero, space reserved on the file system, and maps it.
   *
   * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS; ERR_MEMLANE_TOO_LARGE.
   */
  static create(
    path: string,
    length: number,
    options: Pick<RegionOptions, 'maxLength'> & { mode?: number } = {},
  ): Region {
    checkPath('path', path);
    checkInteger('length', length, 1, Number.MAX_SAFE_INTEGER);
    const { maxLength, mode } = checkOptions('options', options);
    const file = SharedFile.createUnnamed(dirname(path), length, mode);
    return owning(file, () => {
      const region = Region.map(file, { maxLength });
      file.publish(path);
      return region;
    });
  }

  /**
   * Maps an existing file, or a window of it.
   *
   * @throws ERR_MEMLANE_TRUNCATED when the file is shorter than the window; ERR_MEMLANE_ARGUMENT; what
   *   {@link SharedFile.open} throws.
   */
  static open(path: string, options: RegionOptions = {}): Region {
    checkOptions('options', options);
    const file = SharedFile.open(path, options.access, options);
    return owning(file, () => Region.map(file, options));
  }

  /**
   * Creates memory without a name, sealed so that nobody can ever cut it (which rules SIGBUS out) nor grow it.
   *
   * @param name shown in /proc/PID/maps, for people who look.
   */
  static createAnonymous(length: number, name = 'memlane'): Region {
    checkInteger('length', length, 1, Number.MAX_SAFE_INTEGER);
    const file = SharedFile.createAnonymous(name, length);
    return owning(file, () => {
      file.seal();
      return Region.map(file, {});
    });
  }

  /**
   * Maps the pages that a descriptor of another thread or process names.
   *
   * @throws ERR_MEMLANE_DELETED when the name means another file by now, or the owner of an anonymous one is gone;
   *   ERR_MEMLANE_ARGUMENT for what is no descriptor of a region.
   */
  static attach(descriptor: RegionDescriptor): Region {
    const file = openDescribed('memlane.region', descriptor);
    return owning(file, () => {
      for (const field of ['offset', 'length', 'maxLength', 'mirror'] as const)
        checkInteger(`descriptor.${field}`, descriptor[field], 0, Number.MAX_SAFE_INTEGER);
      const { offset, length, maxLength, mirror } = descriptor;
      return Region.map(file, mirror > 0 ? { offset, length, mirror } : { offset, length, maxLength });
    });
  }

  /** Maps a part of an open file. The region owns the file from here on: close() closes it. */
  static map(file: SharedFile, options: RegionOptions): Region {
    if (!(file instanceof SharedFile)) throwArgument('file', file, 'a SharedFile');
    const { offset = 0, length, maxLength, mirror = 0 } = checkOptions('options', options);
    const fileLength = file.length;
    checkInteger('offset', offset, 0, Number.MAX_SAFE_INTEGER);
    if (offset % PAGE_SIZE !== 0) throwArgument('offset', offset, `a multiple of the page size, ${PAGE_SIZE}`);
    const mapped = length === undefined ? fileLength - offset : length;
    if (length === undefined && mapped <= 0)
      throw new MemlaneError('ERR_MEMLANE_TRUNCATED', `The file has ${fileLength} bytes, nothing to map at ${offset}`, {
        path: file.path,
      });
    checkInteger('length', mapped, 1, Number.MAX_SAFE_INTEGER - offset);
    if (offset + mapped > fileLength)
      throw new MemlaneError(
        'ERR_MEMLANE_TRUNCATED',
        `The file has ${fileLength} bytes, but ${offset + mapped} are needed`,
        { path: file.path },
      );
    checkInteger('mirror', mirror, 0, mapped);
    if (mirror > 0 && (mirror % PAGE_SIZE !== 0 || mapped % PAGE_SIZE !== 0))
      throwArgument('mirror', mirror, `of whole pages of ${PAGE_SIZE} bytes, as is length`);
    if (mirror > 0 && maxLength !== undefined) throwArgument('maxLength', maxLength, 'left out beside a mirror');
    const reserved =
      maxLength === undefined ? mapped + mirror : checkInteger('maxLength', maxLength, mapped, Number.MAX_SAFE_INTEGER);

    const reservation = Reservation.allocate(mapped + mirror, reserved);
    try {
      overlay(file, reservation, { offset, length: mapped, mirror });
      const guarded = watch(file, reservation, { offset, length: mapped, mirror });
      return new Region(file, reservation, guarded, offset, mapped, reserved, mirror);
    } catch (error) {
      // A mmap that fails late has unmapped the range already; left so, V8 would free whatever comes to lie there.
      reservation.retire();
      throw error;
    }
  }

  /** The pages, as shared memory; the mirror included. @throws ERR_MEMLANE_CLOSED */
  get buffer(): SharedArrayBuffer {
    return this.#open().buffer;
  }

  /** A new byte view of the whole region, without the mirror. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#open().buffer, 0, this.#length);
  }

  /** Where the region begins in this process, for futexes and system calls. */
  get address(): number {
    return this.#open().address;
  }

  /** Bytes mapped, without the mirror. */
  get length(): number {
    return this.#length;
  }

  /** First byte of the file that is mapped. */
  get offset(): number {
    return this.#offset;
  }

  get access(): Access {
    return this.#file.access;
  }

  /** The file that the pages belong to. */
  get file(): SharedFile {
    return this.#file;
  }

  get path(): string | undefined {
    return this.#file.path;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Throws when an access to the region's memory, by this or any other thread, met a page that is not there any more: the
   * process lives on, but what was read since the last check may be zeros, and what was written may be lost. Costs one
   * load, so look once a batch: after reading and before believing. See also `guard.on('fault')`.
   *
   * Not every loss raises a fault: see {@link verify}.
   *
   * @throws ERR_MEMLANE_TRUNCATED, ERR_MEMLANE_NO_SPACE, ERR_MEMLANE_IO, ERR_MEMLANE_READ_ONLY, with `path` and `offset`;
   *   again at each check, until {@link remap} or close.
   */
  check(): void {
    this.#open();
    const guarded = this.#guarded;
    if (guarded !== undefined && load(guarded.counters, guarded.counter) !== guarded.acknowledged)
      throw guarded.error();
  }

  /** How hot paths make the {@link check}: undefined where no access can fail. */
  get faults(): FaultCounter | undefined {
    return this.#guarded;
  }

  /**
   * As {@link check}, and asks the kernel whether the file is as long as what is mapped of it: finds a file that was cut
   * where nobody has stepped yet. Two system calls. The kernel itself reports such a page by EFAULT, or by doing less than it
   * was asked, and not by a fault: call this after either, of an `fs.write` of the region's bytes for example.
   *
   * @throws as {@link check}.
   */
  verify(): void {
    this.check();
    const { length } = this.#file;
    if (length >= this.#offset + this.#length) return;
    // The access of somebody who did not know, so that this loss is counted and told of like any other. By a call into the
    // engine: a load whose result nobody uses may be optimised away.
    const firstLostPage = Math.max(toPages(length) - this.#offset, 0);
    if (firstLostPage < this.#length) Buffer.from(this.buffer, firstLostPage, 1).toString('latin1');
    this.check();
    throw new MemlaneError('ERR_MEMLANE_TRUNCATED', `The mapped file was cut to ${length} bytes`, {
      path: this.path,
      offset: Math.max(length, this.#offset),
    });
  }

  /**
   * Maps the file's pages anew, in place of those that stand in for missing ones, and forgets past faults. What was stored
   * into the stand-ins is gone. Existing views see the file again.
   *
   * @throws ERR_MEMLANE_TRUNCATED while the file is shorter than the region.
   */
  remap(): void {
    const reservation = this.#open();
    const [offset, length, mirror] = [this.#offset, this.#length, this.#mirror];
    if (this.#file.length < offset + length)
      throw new MemlaneError('ERR_MEMLANE_TRUNCATED', `The mapped file has ${this.#file.length} bytes`, {
        path: this.path,
      });
    if (this.#guarded !== undefined) this.#guarded.restore();
    else overlay(this.#file, reservation, { offset, length, mirror });
  }

  /** What another thread or process needs to {@link attach}. An anonymous region must stay open until it has. */
  descriptor(): RegionDescriptor {
    this.#open();
    return {
      type: 'memlane.region',
      path: this.#file.handoverPath,
      anonymous: this.#file.path === undefined,
      identity: this.#file.identity,
      access: this.access,
      offset: this.#offset,
      length: this.#length,
      maxLength: this.#maxLength,
      mirror: this.#mirror,
    };
  }

  /** Writes changed pages to the device and waits for it. Other processes see stores without this. @throws LinuxError EIO */
  sync(range: Range = {}): void {
    const { address, length } = this.#pages(range);
    memory.sync(address, length, constants.MS_SYNC, this.path);
  }

  /** As {@link sync}, on a thread of the pool. Closing the region meanwhile is harmless. */
  async syncOffThread(range: Range = {}): Promise<void> {
    const { address, length, buffer } = this.#pages(range);
    await memory.syncOffThread(address, length, constants.MS_SYNC, this.path);
    keepAlive(buffer);
  }

  /** Tells the kernel how the range will be used. @throws LinuxError EINVAL where the kernel lacks that advice. */
  advise(advice: Advice, range: Range = {}): void {
    checkOneOf('advice', advice, ADVICES);
    const { address, length } = this.#pages(range);
    memory.advise(address, length, ADVICE[advice], this.path);
  }

  /** How many pages of the range are in memory, and of how many. */
  residency(range: Range = {}): { residentPages: number; pages: number } {
    const { address, length } = this.#pages(range);
    const pages = memory.residency(address, length);
    let residentPages = 0;
    for (const page of pages) residentPages += page & 1;
    return { residentPages, pages: pages.length };
  }

  /**
   * Faults every page of the range in (for writing, unless the region is read-only), so that no later access waits for
   * one. Also proves that the range lies inside the file at this instant.
   *
   * @throws as {@link verify}, when the file was cut; LinuxError EFAULT, ENOMEM, EINVAL before Linux 5.14.
   */
  prefault(range: Range = {}): void {
    const { address, length } = this.#pages(range);
    const advice = this.access === 'read' ? constants.MADV_POPULATE_READ : constants.MADV_POPULATE_WRITE;
    try {
      memory.advise(address, length, advice, this.path);
    } catch (error) {
      if ((error as LinuxError).code === 'EFAULT') this.verify();
      throw error;
    }
  }

  /** Keeps the range in memory until unlock() or close(). @throws LinuxError ENOMEM past the limit of locked memory. */
  lock(range: Range = {}): void {
    const { address, length } = this.#pages(range);
    memory.lock(address, length);
  }

  unlock(range: Range = {}): void {
    const { address, length } = this.#pages(range);
    memory.unlock(address, length);
  }

  /**
   * Extends file and region in place: the address stays, existing views stay valid, new views see the new part.
   * Another region of the same file sees the longer file when it grows itself.
   *
   * @throws ERR_MEMLANE_ARGUMENT past maxLength; ERR_MEMLANE_TRUNCATED for a read-only region when the file has not
   *   grown; LinuxError ENOSPC with file and region as they were.
   */
  grow(newLength: number): void {
    const reservation = this.#open();
    checkInteger('newLength', newLength, this.#length, this.#mirror > 0 ? this.#length : this.#maxLength);
    if (newLength === this.#length) return;
    const end = this.#offset + newLength;
    if (this.access === 'readwrite') this.#file.grow(end);
    else if (this.#file.length < end)
      throw new MemlaneError(
        'ERR_MEMLANE_TRUNCATED',
        `The file has ${this.#file.length} bytes, but ${end} are needed`,
        { path: this.path },
      );
    const { fd, access, path } = this.#file;
    // See Reservation.extend: pages that may not be written must be out of the way while the engine extends the buffer.
    const from = access === 'read' ? 0 : Math.floor(this.#length / PAGE_SIZE) * PAGE_SIZE;
    this.#guarded?.extend(newLength, from);
    if (access === 'read') reservation.retire();
    try {
      if (newLength > reservation.buffer.byteLength) reservation.extend(newLength);
      reservation.map({ at: from, length: newLength - from, fd, offset: this.#offset + from, access, path });
    } catch (error) {
      reservation.retire(from); // no hole, as in Region.map
      const length = this.#length - from;
      if (length > 0) reservation.map({ at: from, length, fd, offset: this.#offset + from, access, path });
      this.#guarded?.extend(this.#length, from);
      throw error;
    }
    this.#length = newLength;
  }

  /**
   * Lets go of everything beyond `newLength` bytes, leaving the file as it is: views of that part, which must not be used
   * any more, read zeros and write nowhere. What somebody does who knows that the file will be cut: see SharedRegion.
   *
   * @throws ERR_MEMLANE_ARGUMENT for a mirrored region, or one that is shorter.
   */
  shrink(newLength: number): void {
    const reservation = this.#open();
    checkInteger('newLength', newLength, this.#mirror > 0 ? this.#length : 1, this.#length);
    if (newLength === this.#length) return;
    const from = toPages(newLength);
    if (from < toPages(this.#length)) reservation.retire(from);
    this.#guarded?.extend(newLength, from);
    this.#length = newLength;
  }

  /**
   * Ends the region. Views that are still about read zeros from now on and write nowhere; the address space is freed when
   * they are collected. Idempotent.
   */
  close(): void {
    if (this.#closed) return;
    this.#reservation.retire();
    this.#guarded?.release();
    this.#closed = true;
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): Reservation {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The region is closed', { path: this.path });
    return this.#reservation;
  }

  /** The whole pages that a range touches. */
  #pages(range: Range): { address: number; length: number; buffer: SharedArrayBuffer } {
    const { address, buffer } = this.#open();
    const { offset = 0, length } = checkOptions('range', range);
    const most = this.#length - checkInteger('offset', offset, 0, this.#length);
    const bytes = length === undefined ? most : checkInteger('length', length, 0, most);
    const start = Math.floor(offset / PAGE_SIZE) * PAGE_SIZE;
    return { address: address + start, length: toPages(offset + bytes) - start, buffer };
  }
}

interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly mirror: number;
}

/** Lays the file's pages over the reservation, those of the mirror behind them. */
function overlay({ fd, access, path }: SharedFile, reservation: Reservation, { offset, length, mirror }: Extent): void {
  reservation.map({ at: 0, length, fd, offset, access, path });
  if (mirror > 0) reservation.map({ at: length, length: mirror, fd, offset: offset + length - mirror, access, path });
}

/** Nobody can cut a sealed file, and its pages are in memory: only stores that are not allowed could fail. */
function watch(file: SharedFile, { address, buffer }: Reservation, extent: Extent): GuardedRange | undefined {
  if (file.access === 'readwrite' && file.sealed) return undefined;
  return GuardedRange.watch({ address, file, access: file.access, memory: buffer, ...extent });
}

/** Runs `make`, and closes the file when it fails. */
function owning(file: SharedFile, make: () => Region): Region {
  try {
    return make();
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Named so that the reference that keeps a buffer from being collected during a call cannot look like an oversight. */
function keepAlive(_buffer: SharedArrayBuffer): void {}
