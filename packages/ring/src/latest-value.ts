import {
  attachStructure,
  type CreateOptions,
  checkWaitingOptions,
  createAnonymousStructure,
  createStructure,
  type Endpoint,
  type FileDescriptor,
  type OpenOptions,
  openOrCreateStructure,
  openStructure,
  Role,
  removeStructure,
  SharedStructure,
  StatisticsIndex,
  type StructureKind,
  statisticsLineOf,
  type WaitingOptions,
} from '@memlane/core';
import { WRITER_SLOT } from './latest-value-descriptor.ts';
import {
  formatLatestValue,
  type LatestValueShape,
  type MappedLatestValue,
  MOST_SLOTS,
  mapLatestValue,
  planLatestValue,
} from './latest-value-file.ts';
import { LatestReader } from './latest-value-reader.ts';
import { LatestWriter } from './latest-value-writer.ts';

/** How a latest value is created. */
export interface CreateLatestValueOptions extends LatestValueShape, CreateOptions {}

/** What another thread or process needs to attach. Plain data: survives postMessage, JSON and fork. */
export interface LatestValueDescriptor extends FileDescriptor {
  readonly type: 'memlane.latest-value';
}

/** A latest value as it stands. */
export interface LatestValueStatistics {
  readonly valueBytes: number;
  readonly isWriterAlive: boolean;
  /** Process that holds or last held the writer's place; 0 when nobody ever did. */
  readonly writerPid: number;
  /** Values and bytes written since it was created, by all writers together. */
  readonly values: number;
  readonly bytes: number;
  /** Times a writer woke a reader. */
  readonly wakes: number;
  /** Places of readers that wait, taken by somebody alive. */
  readonly waitingReaders: number;
}

const TYPE = 'memlane.latest-value';
const KIND: StructureKind<LatestValueShape, MappedLatestValue, LatestValue> = {
  what: 'latest value',
  type: TYPE,
  extension: '.latest',
  mostSlots: MOST_SLOTS,
  fileLength: (shape) => planLatestValue(shape).geometry.fileLength,
  format: formatLatestValue,
  mapExisting: mapLatestValue,
  make: (mapped) => new LatestValue(mapped),
};

/**
 * Creates a latest value: a cell that one writes and many read, in which only the newest counts.
 *
 * @param name a path, or a bare name, which lives in this user's folder on /dev/shm.
 * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS.
 * @example
 * using quote = createLatestValue('quote', { valueBytes: 16 });
 */
export function createLatestValue(name: string, options: CreateLatestValueOptions = {}): LatestValue {
  return createStructure(KIND, name, options);
}

/**
 * Opens an existing latest value, after checking everything that can be checked about the file.
 *
 * @throws LinuxError ENOENT, EACCES; ERR_MEMLANE_NOT_MEMLANE, _VERSION, _KIND, _SIGNATURE, _TRUNCATED, _CORRUPT, _OWNER,
 *   _PERMISSIVE, _SYMLINK, _NOT_A_FILE, _ARGUMENT.
 */
export function openLatestValue(name: string, options: OpenOptions = {}): LatestValue {
  return openStructure(KIND, name, options);
}

/** Opens it, or creates it where there is none. @throws as {@link createLatestValue} and {@link openLatestValue} */
export function openOrCreateLatestValue(
  name: string,
  options: CreateLatestValueOptions & OpenOptions = {},
): LatestValue {
  return openOrCreateStructure(KIND, name, options);
}

/**
 * Creates a latest value without a name, in memory that nobody can cut. It lives for as long as somebody has it open.
 *
 * @throws ERR_MEMLANE_ARGUMENT; LinuxError ENOMEM, ENOSPC.
 */
export function createAnonymousLatestValue(options: LatestValueShape = {}): LatestValue {
  return createAnonymousStructure(KIND, options);
}

/** Opens the one that a descriptor names. @throws ERR_MEMLANE_DELETED; as {@link openLatestValue} */
export function attachLatestValue(descriptor: LatestValueDescriptor): LatestValue {
  return attachStructure(KIND, descriptor);
}

/**
 * Deletes a latest value that nobody is attached to, also one that is damaged. Readers that never waited are not attached:
 * they keep what they have.
 *
 * @throws ERR_MEMLANE_BUSY while somebody alive is attached; as {@link openLatestValue}.
 */
export function removeLatestValue(name: string): void {
  removeStructure(KIND, name);
}

/**
 * The file of a latest value, opened by one thread: the way to its writer and its readers. Holds no slot itself.
 *
 * @example
 * using quote = openOrCreateLatestValue('quote', { valueBytes: 64 });
 * using writer = quote.writer();
 * writer.write('99.5');
 */
export class LatestValue extends SharedStructure<MappedLatestValue> {
  /** Longest value, in bytes. */
  readonly valueBytes: number;
  readonly #ends = new Set<Endpoint | LatestReader>();

  /** Latest values come from {@link createLatestValue} and its siblings. */
  constructor(mapped: MappedLatestValue) {
    super(mapped, KIND.what);
    this.valueBytes = mapped.cell.valueBytes;
  }

  /**
   * Takes the writer's place, which goes on at the version where the last one was.
   *
   * @throws ERR_MEMLANE_BUSY while another writer is alive; ERR_MEMLANE_DELETED, ERR_MEMLANE_READ_ONLY,
   *   ERR_MEMLANE_CLOSED; ERR_MEMLANE_CORRUPT when no correct writer has left it so.
   */
  writer(): LatestWriter {
    const mapped = this.open();
    this.expectWritable();
    const { table } = mapped;
    // Nothing to recover: the successor overwrites what was left half-written.
    const participant = table.take(WRITER_SLOT, Role.producer, 'writer', () => {});
    try {
      const writer = new LatestWriter(mapped, { ...mapped, participant }, this.#forget);
      this.#ends.add(writer);
      table.ringAll(WRITER_SLOT); // whoever sleeps looks at the newcomer, so that it can watch for its death
      return writer;
    } catch (error) {
      participant.leave();
      throw error;
    }
  }

  /** Makes a reader, which takes no place before it waits. @throws ERR_MEMLANE_CLOSED, ERR_MEMLANE_ARGUMENT */
  reader(options: WaitingOptions = {}): LatestReader {
    const mapped = this.open();
    const { cell, table, readers } = mapped;
    checkWaitingOptions(options);
    const row = { first: WRITER_SLOT + 1, count: readers };
    const reader = new LatestReader(
      {
        cell,
        isWriterAlive: () => table.isAlive(WRITER_SLOT),
        enter: () => {
          this.expectWritable();
          return { ...mapped, participant: table.takeAny(Role.consumer, () => {}, row) };
        },
        forget: this.#forget,
      },
      options,
    );
    this.#ends.add(reader);
    return reader;
  }

  /** What has been done. Reads the file; disturbs nobody. @throws ERR_MEMLANE_CLOSED; as Region.verify when it was cut. */
  statistics(): LatestValueStatistics {
    const { table, region, readers } = this.open();
    const numbers = statisticsLineOf(table, WRITER_SLOT);
    let waitingReaders = 0;
    for (let slot = WRITER_SLOT + 1; slot <= readers; slot++) if (table.isAlive(slot)) waitingReaders += 1;
    const statistics = {
      valueBytes: this.valueBytes,
      isWriterAlive: table.isAlive(WRITER_SLOT),
      writerPid: table.pidOf(WRITER_SLOT),
      values: numbers[StatisticsIndex.messages],
      bytes: numbers[StatisticsIndex.bytes],
      wakes: numbers[StatisticsIndex.rings],
      waitingReaders,
    };
    region.verify(); // last: pages that are gone have been read as zeros
    return statistics;
  }

  /** What another thread or process needs for {@link attachLatestValue}. An anonymous one must stay open until it has it. */
  descriptor(): LatestValueDescriptor {
    return this.describe(TYPE);
  }

  override close(): void {
    for (const end of this.#ends) end.close();
    super.close();
  }

  readonly #forget = (end: Endpoint | LatestReader): void => {
    this.#ends.delete(end);
  };
}
