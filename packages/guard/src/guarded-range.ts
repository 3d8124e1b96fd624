import type { MemlaneError } from '@memlane/linux';
import { classify, type Fault, faultError } from './fault.ts';
import { ControlWord, control, install, load, native, orThrow, owner } from './native.ts';

/** A mapping that is to be watched. */
export interface Mapping {
  /** Where it begins; a multiple of the page size. */
  readonly address: number;
  readonly length: number;
  /** The file: its descriptor stays open until {@link GuardedRange.release}, its name may come and go. */
  readonly file: { readonly fd: number; readonly path: string | undefined };
  /** First byte of the file that is mapped. */
  readonly offset: number;
  readonly access: 'read' | 'readwrite';
  /** Bytes of the end of the range that are mapped once more directly behind it. Default 0. */
  readonly mirror?: number;
  /** What owns the addresses: kept from being collected while they are watched. */
  readonly memory: object;
}

const PROT_READ = 1;
const PROT_WRITE = 2;

/** The ranges of this thread. A strong reference: V8 would free the addresses while the handler still knows them. */
const ranges = new Set<GuardedRange>();

/** The ranges that this thread watches now. */
export function watchedRanges(): Iterable<GuardedRange> {
  return ranges;
}

/** Faults of ranges that were released before anybody could be told; not more than anybody would want to hear. */
const lastFaults: Fault[] = [];
const MOST_LAST_FAULTS = 64;

/** The faults of ranges released since the last call, that nobody was told of. */
export function takeLastFaults(): Fault[] {
  return lastFaults.splice(0);
}

/**
 * A watched range of addresses. A fault in it does not end the process: the pages that cannot be had become private ones
 * (zeros, or a copy where only the store was refused), the access succeeds, and the fault is counted. What was read
 * since the count was last found unchanged may therefore be wrong: look at it after reading, and before believing.
 *
 * Belongs to one thread; faults of every thread of the process are counted.
 */
export class GuardedRange {
  /** Word of {@link control} that counts the faults: for hot paths, which compare it with {@link acknowledged}. */
  readonly counter: number;
  /** The count up to which faults are known and dealt with. */
  acknowledged: number;
  /** Whether the listeners of this thread were told of the faults since then. */
  told = false;
  readonly #mapping: Mapping;
  readonly #indices: number[] = [];

  private constructor(mapping: Mapping) {
    const { address, length, file, offset, access, mirror = 0 } = mapping;
    const protection = access === 'read' ? PROT_READ : PROT_READ | PROT_WRITE;
    const watch = (start: number, bytes: number, from: number, counter: number): number =>
      orThrow(native.watch(start, bytes, file.fd, from, protection, owner, counter), 'guard_watch', file.path);
    this.#mapping = mapping;
    const first = watch(address, length, offset, -1);
    this.#indices.push(first);
    this.counter = ControlWord.faultsOf + first;
    this.acknowledged = load(control, this.counter);
    if (mirror > 0) this.#indices.push(watch(address + length, mirror, offset + length - mirror, first));
  }

  /**
   * Begins to watch a mapping, and installs the signal handlers where somebody has replaced them.
   *
   * @throws LinuxError ENOMEM when too many ranges are watched, EINVAL when the descriptor is none.
   */
  static watch(mapping: Mapping): GuardedRange {
    install();
    const range = new GuardedRange(mapping);
    ranges.add(range);
    return range;
  }

  /** The counters of all ranges. */
  get counters(): Int32Array {
    return control;
  }

  /** Faults since the range was watched or restored. */
  get faults(): number {
    return (load(control, this.counter) - this.acknowledged) | 0;
  }

  /** The first fault since the range was watched or restored. */
  describe(): Fault | undefined {
    const { fd, path } = this.#mapping.file;
    const into = new Float64Array(4);
    for (const index of this.#indices) {
      if (native.describe(index, into) <= 0) continue;
      const [cause, code, offset, fileLength] = into;
      return {
        cause: classify(cause, code, fd, offset),
        path,
        offset,
        fileLength: fileLength < 0 ? undefined : fileLength,
        count: this.faults,
      };
    }
    return undefined;
  }

  /** What a check throws once there were faults. */
  error(): MemlaneError {
    const { file, offset } = this.#mapping;
    const unknown: Fault = { cause: 'unknown', path: file.path, offset, fileLength: undefined, count: this.faults };
    return faultError(this.describe() ?? unknown);
  }

  /** The range is about to have that length, and to be mapped anew from byte `from` on, which ends the stand-ins there. */
  extend(length: number, from: number = length): void {
    orThrow(native.extend(this.#indices[0], length, from), 'guard_extend', this.#mapping.file.path);
  }

  /**
   * Maps the file's pages anew in place of those that stand in for missing ones. The faults so far are dealt with.
   *
   * @throws LinuxError of mmap; then all pages are stand-ins, and that counts as a fault.
   */
  restore(): void {
    const [first, mirror = -1] = this.#indices;
    const acknowledged = new Int32Array(1);
    orThrow(native.restore(first, mirror, acknowledged), 'mmap', this.#mapping.file.path);
    this.acknowledged = acknowledged[0];
    this.told = false;
  }

  /** Ends watching. The pages must be harmless before: see Region.close. Idempotent. */
  release(): void {
    if (!ranges.delete(this)) return;
    const fault = this.faults === 0 || this.told ? undefined : this.describe();
    if (fault !== undefined && lastFaults.length < MOST_LAST_FAULTS) lastFaults.push(fault);
    for (const index of this.#indices) native.leave(index);
  }
}
