import {
  attachStructure,
  type CreateOptions,
  createAnonymousStructure,
  createStructure,
  expectNoFault,
  type FileDescriptor,
  type OpenOptions,
  openOrCreateStructure,
  openStructure,
  type Participant,
  Role,
  removeStructure,
  SharedStructure,
  type StructureKind,
  withAttachLock,
} from '@memlane/core';
import { checkOneOf, checkOptions, throwArgument } from '@memlane/linux';
import { CounterKind, MAX_LABEL_BYTES } from './counters-descriptor.ts';
import {
  type CountersShape,
  formatCounters,
  type MappedCounters,
  MOST_PARTICIPANTS,
  mapCounters,
  planCounters,
} from './counters-file.ts';
import { Counter, Gauge, type Place } from './counters-handle.ts';
import { type Allocation, type CounterEntry, CounterRecords } from './counters-records.ts';

/** How a file of counters is created. */
export interface CreateCountersOptions extends CountersShape, CreateOptions {}

/** What another thread or process needs to attach. Plain data: survives postMessage, JSON and fork. */
export interface CountersDescriptor extends FileDescriptor {
  readonly type: 'memlane.counters';
}

/** How a counter is allocated; of no concern when its label is there already. */
export interface CounterOptions {
  /**
   * How long it is kept: as long as the file, or until whoever has allocated it closes the file or dies. Default `file`.
   */
  readonly lifetime?: 'file' | 'owner';
}

const LIFETIMES = ['file', 'owner'] as const;
const TYPE = 'memlane.counters';
const KIND: StructureKind<CountersShape, MappedCounters, Counters> = {
  what: 'file of counters',
  type: TYPE,
  extension: '.counters',
  mostSlots: MOST_PARTICIPANTS,
  fileLength: (shape) => planCounters(shape).geometry.fileLength,
  format: formatCounters,
  mapExisting: mapCounters,
  make: (mapped) => new Counters(mapped),
};

/**
 * Creates a file of counters that processes and threads share.
 *
 * @param name a path, or a bare name, which lives in this user's folder on /dev/shm.
 * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS.
 * @example
 * using counters = createCounters('server', { counters: 100, participants: 16 });
 */
export function createCounters(name: string, options: CreateCountersOptions = {}): Counters {
  return createStructure(KIND, name, options);
}

/**
 * Opens an existing file of counters, after checking everything that can be checked about it.
 *
 * @throws LinuxError ENOENT, EACCES; ERR_MEMLANE_NOT_MEMLANE, _VERSION, _KIND, _SIGNATURE, _TRUNCATED, _CORRUPT, _OWNER,
 *   _PERMISSIVE, _SYMLINK, _NOT_A_FILE, _ARGUMENT.
 */
export function openCounters(name: string, options: OpenOptions = {}): Counters {
  return openStructure(KIND, name, options);
}

/** Opens it, or creates it where there is none. @throws as {@link createCounters} and {@link openCounters} */
export function openOrCreateCounters(name: string, options: CreateCountersOptions & OpenOptions = {}): Counters {
  return openOrCreateStructure(KIND, name, options);
}

/**
 * Creates counters without a name, in memory that nobody can cut. They live for as long as somebody has them open.
 *
 * @throws ERR_MEMLANE_ARGUMENT; LinuxError ENOMEM, ENOSPC.
 */
export function createAnonymousCounters(options: CountersShape = {}): Counters {
  return createAnonymousStructure(KIND, options);
}

/** Opens those that a descriptor names. @throws ERR_MEMLANE_DELETED; as {@link openCounters} */
export function attachCounters(descriptor: CountersDescriptor): Counters {
  return attachStructure(KIND, descriptor);
}

/**
 * Deletes a file of counters in which nobody counts, also one that is damaged.
 *
 * @throws ERR_MEMLANE_BUSY while somebody alive counts; as {@link openCounters}.
 */
export function removeCounters(name: string): void {
  removeStructure(KIND, name);
}

/**
 * A file of counters, opened by one thread. Reading takes no place in it; the first counter() or gauge() takes one of its
 * `participants` places, and keeps it until close().
 *
 * @example
 * using counters = openOrCreateCounters('server');
 * const requests = counters.counter('requests');
 * requests.increment();
 * for (const { label, value } of counters.snapshot()) console.log(label, value);
 */
export class Counters extends SharedStructure<MappedCounters> {
  readonly #records: CounterRecords;
  #participant: Participant | undefined;

  /** Counters come from {@link createCounters} and its siblings. */
  constructor(mapped: MappedCounters) {
    super(mapped, KIND.what);
    this.#records = new CounterRecords(mapped.memory, mapped.table);
  }

  /**
   * Finds the counter with that label, or allocates it. Takes microseconds; keep what it returns.
   *
   * @param label at most 224 bytes.
   * @throws ERR_MEMLANE_BUSY when all counters or all places are taken; ERR_MEMLANE_ARGUMENT, also when the label is a
   *   gauge's; ERR_MEMLANE_READ_ONLY, ERR_MEMLANE_DELETED, ERR_MEMLANE_CLOSED, ERR_MEMLANE_CORRUPT.
   */
  counter(label: string, options: CounterOptions = {}): Counter {
    const [place, allocation] = this.#allocate(label, CounterKind.counter, options);
    return new Counter(label, place, allocation);
  }

  /** Finds the gauge with that label, or allocates it. @throws as {@link counter} */
  gauge(label: string, options: CounterOptions = {}): Gauge {
    const [place, allocation] = this.#allocate(label, CounterKind.gauge, options);
    return new Gauge(label, place, allocation);
  }

  /** The value of a counter or gauge; undefined when there is none of that label. Takes no place. @throws as {@link snapshot} */
  get(label: string): number | undefined {
    const { memory } = this.open();
    checkLabel(label);
    const index = this.#records.indexOf(label);
    const value = index < 0 ? undefined : this.#records.entryAt(index)?.value;
    expectNoFault(memory.faults);
    return value;
  }

  /**
   * All counters and gauges with their values. Each value is right for some instant during the call; not all for the same.
   * Takes no place and disturbs nobody.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_CORRUPT; ERR_MEMLANE_TRUNCATED and the like when the file was cut.
   */
  snapshot(): CounterEntry[] {
    const { memory, region } = this.open();
    const entries: CounterEntry[] = [];
    for (let index = 0; index < memory.counters; index++) {
      const entry = this.#records.entryAt(index);
      if (entry !== undefined) entries.push(entry);
    }
    region.verify(); // last: pages that are gone have been read as zeros
    return entries;
  }

  /**
   * Gives the place of a label back, whoever has allocated it; returns whether it was there. Those who still have the counter
   * find it freed; the same label begins at 0 again.
   *
   * @throws as {@link counter}.
   */
  free(label: string): boolean {
    const { region } = this.open();
    checkLabel(label);
    this.expectWritable();
    return withAttachLock(region.file, () => this.#records.free(label));
  }

  /** What another thread or process needs for {@link attachCounters}. Anonymous ones must stay open until it has it. */
  descriptor(): CountersDescriptor {
    return this.describe(TYPE);
  }

  /** Frees the counters that were allocated here with lifetime `owner`, and ends. The file stays. Idempotent. */
  override close(): void {
    const participant = this.#participant;
    this.#participant = undefined;
    if (participant !== undefined) {
      this.#records.freeOwnedBy(participant.slot);
      participant.leave();
    }
    super.close();
  }

  #allocate(label: string, kind: 1 | 2, options: CounterOptions): [Place, Allocation] {
    const { memory: file, region } = this.open();
    const { lifetime = 'file' } = checkOptions('options', options);
    checkLabel(label);
    checkOneOf('lifetime', lifetime, LIFETIMES);
    this.expectWritable();
    const { slot } = this.#enter();
    const owner = lifetime === 'owner' ? slot : -1;
    const allocation = withAttachLock(region.file, () => this.#records.allocate(label, kind, owner));
    expectNoFault(file.faults);
    return [{ file, slot, expectOpen: this.#expectOpen }, allocation];
  }

  /** Takes a place. What is to go with its dead predecessor goes now, before anybody could take it for the successor's. */
  #enter(): Participant {
    const { table } = this.open();
    this.#participant ??= table.takeAny(Role.member, (slot) => this.#records.freeOwnedBy(slot));
    return this.#participant;
  }

  readonly #expectOpen = (): void => {
    expectNoFault(this.open().memory.faults);
  };
}

function checkLabel(label: string): void {
  if (typeof label !== 'string' || label.length === 0 || Buffer.byteLength(label) > MAX_LABEL_BYTES)
    throwArgument('label', label, `a string of 1 to ${MAX_LABEL_BYTES} bytes`);
}
