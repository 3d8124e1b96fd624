import { dirname } from 'node:path';
import {
  checkWaitingOptions,
  type Endpoint,
  type FileDescriptor,
  openDescribed,
  openOrElse,
  Role,
  removeWhole,
  resolveName,
  SharedFile,
  type SlotRow,
  StatisticsIndex,
  statisticsLineOf,
  sweepAnonymousBells,
  type WaitingOptions,
  withAttachLock,
} from '@memlane/core';
import { checkMode, checkOptions, MemlaneError } from '@memlane/linux';
import type { RecordView } from './lane-memory.ts';
import type { OpenRingOptions } from './ring.ts';
import { closingOnFailure, expectWritable } from './ring-file.ts';
import type { EndpointStatistics } from './ring-statistics.ts';
import { WorkCells } from './work-cells.ts';
import { WorkConsumer } from './work-consumer.ts';
import { MAX_PARTICIPANTS } from './work-descriptor.ts';
import type { WorkPlace } from './work-endpoint.ts';
import { formatWork, type MappedWork, mapExistingWork, planWork, type WorkQueueShape } from './work-file.ts';
import { WorkProducer } from './work-producer.ts';

/** How a work queue is created. */
export interface CreateWorkQueueOptions extends WorkQueueShape {
  /** Permissions of the file. Default 0600: whoever may open it may read, write and pretend. */
  readonly mode?: number;
}

/** How an existing work queue is opened. */
export type OpenWorkQueueOptions = OpenRingOptions;

/** What another thread or process needs to attach. Plain data: survives postMessage, JSON and fork. */
export interface WorkQueueDescriptor extends FileDescriptor {
  readonly type: 'memlane.work';
}

/** A work queue as it stands. Those who are at work change it while it is read. */
export interface WorkQueueStatistics {
  readonly capacity: number;
  /** Messages that nobody has taken yet. */
  readonly ready: number;
  /** Messages that a consumer has. */
  readonly claimed: number;
  /** Messages that were given back, those that are not due yet included. */
  readonly returned: number;
  /** Dead letters. */
  readonly dead: number;
  /** What was done through each place, by all its owners together. */
  readonly producers: readonly EndpointStatistics[];
  readonly consumers: readonly EndpointStatistics[];
}

const EXTENSION = '.work';
const TYPE = 'memlane.work';

/**
 * Creates a work queue, in which each message goes to one consumer.
 *
 * @param name a path, or a bare name, which lives in this user's folder on /dev/shm.
 * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS.
 * @example
 * using queue = createWorkQueue('thumbnails', { capacity: 256, messageBytes: 1000 });
 */
export function createWorkQueue(name: string, options: CreateWorkQueueOptions = {}): WorkQueue {
  const path = resolveName(name, EXTENSION);
  const { geometry } = planWork(options);
  const file = SharedFile.createUnnamed(dirname(path), geometry.fileLength, options.mode);
  return closingOnFailure(file, () => {
    const work = formatWork(file, options);
    file.publish(path);
    return new WorkQueue(work);
  });
}

/**
 * Opens an existing work queue, after checking everything that can be checked about the file.
 *
 * @throws LinuxError ENOENT, EACCES; ERR_MEMLANE_NOT_MEMLANE, _VERSION, _KIND, _SIGNATURE, _TRUNCATED, _CORRUPT, _OWNER,
 *   _PERMISSIVE, _SYMLINK, _NOT_A_FILE, _ARGUMENT.
 */
export function openWorkQueue(name: string, options: OpenWorkQueueOptions = {}): WorkQueue {
  const { access, ...trust } = checkOptions('options', options);
  const file = SharedFile.open(resolveName(name, EXTENSION), access, trust);
  return closingOnFailure(file, () => new WorkQueue(mapExistingWork(file)));
}

/**
 * Opens the work queue, or creates it where there is none. Of two processes that do this at once, one creates and both get
 * the same queue; the options count for the one that creates.
 *
 * @throws as {@link createWorkQueue} and {@link openWorkQueue}.
 */
export function openOrCreateWorkQueue(
  name: string,
  options: CreateWorkQueueOptions & OpenWorkQueueOptions = {},
): WorkQueue {
  // What is wrong is so whether the queue is there or not.
  planWork(options);
  if (options.mode !== undefined) checkMode(options.mode);
  return openOrElse(
    () => openWorkQueue(name, options),
    () => createWorkQueue(name, options),
  );
}

/**
 * Creates a work queue without a name, in memory that nobody can cut. It lives for as long as somebody has it open; hand its
 * {@link WorkQueue.descriptor} to worker threads or to processes of the same user and pid namespace.
 *
 * @throws ERR_MEMLANE_ARGUMENT; LinuxError ENOMEM, ENOSPC.
 */
export function createAnonymousWorkQueue(options: WorkQueueShape = {}): WorkQueue {
  sweepAnonymousBells();
  const file = SharedFile.createAnonymous(TYPE, planWork(options).geometry.fileLength);
  return closingOnFailure(file, () => {
    file.seal(); // first: what cannot be cut when it is mapped is not guarded
    return new WorkQueue(formatWork(file, options));
  });
}

/**
 * Opens the work queue that a descriptor of another thread or process names.
 *
 * @throws ERR_MEMLANE_DELETED; as {@link openWorkQueue}.
 */
export function attachWorkQueue(descriptor: WorkQueueDescriptor): WorkQueue {
  const file = openDescribed(TYPE, descriptor);
  return closingOnFailure(file, () => new WorkQueue(mapExistingWork(file)));
}

/**
 * Deletes a work queue that nobody is attached to, and what belongs to it; also one that is damaged, or of another version.
 *
 * @throws ERR_MEMLANE_BUSY while somebody alive is attached; ERR_MEMLANE_NOT_MEMLANE and ERR_MEMLANE_KIND for a file that is
 *   none, unless it is empty; as {@link openWorkQueue}.
 */
export function removeWorkQueue(name: string): void {
  removeWhole(resolveName(name, EXTENSION), MAX_PARTICIPANTS, () => openWorkQueue(name));
}

/**
 * A work queue's file, opened by one thread: the way to its endpoints. Holds no slot itself.
 *
 * @example
 * using queue = openOrCreateWorkQueue('thumbnails');
 * using producer = queue.producer();
 * await producer.write('cat.jpg');
 */
export class WorkQueue implements Disposable {
  /** Most messages that it holds. */
  readonly capacity: number;
  /** Longest message, in bytes. */
  readonly messageBytes: number;
  readonly #mapped: MappedWork;
  readonly #cells: WorkCells;
  readonly #endpoints = new Set<Endpoint>();

  /** Work queues come from {@link createWorkQueue} and its siblings. */
  constructor(mapped: MappedWork) {
    this.#mapped = mapped;
    this.#cells = new WorkCells(mapped.memory, mapped.table);
    const { capacity, messageBytes } = mapped.memory;
    this.capacity = capacity;
    this.messageBytes = messageBytes;
  }

  /** Where the queue is; undefined for an anonymous one. */
  get path(): string | undefined {
    return this.#mapped.region.path;
  }

  /**
   * Takes a producer's place.
   *
   * @throws ERR_MEMLANE_BUSY while all are taken by somebody alive; ERR_MEMLANE_DELETED, ERR_MEMLANE_READ_ONLY,
   *   ERR_MEMLANE_CLOSED.
   */
  producer(options: WaitingOptions = {}): WorkProducer {
    const row = { first: 0, count: this.#mapped.memory.producers };
    return this.#enter(row, Role.producer, options, (place) => new WorkProducer(place, options, this.#forget));
  }

  /** Takes a consumer's place. @throws as {@link producer} */
  consumer(options: WaitingOptions = {}): WorkConsumer {
    const row = { first: this.#mapped.memory.producers, count: this.#mapped.consumers };
    return this.#enter(row, Role.consumer, options, (place) => new WorkConsumer(place, options, this.#forget));
  }

  /**
   * What is in the queue, and what has been done. Reads the file; disturbs nobody.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_TRUNCATED and the like, as {@link Region.verify}, when the file was cut.
   */
  statistics(): WorkQueueStatistics {
    const { region, table, memory, consumers } = this.#open();
    const { producers } = memory;
    const places = (first: number, count: number): EndpointStatistics[] =>
      Array.from({ length: count }, (_, index) => {
        const slot = first + index;
        const numbers = statisticsLineOf(table, slot);
        return {
          alive: table.isAlive(slot),
          pid: table.pidOf(slot),
          messages: numbers[StatisticsIndex.messages],
          bytes: numbers[StatisticsIndex.bytes],
          batches: numbers[StatisticsIndex.batches],
          refusals: numbers[StatisticsIndex.refusals],
          parks: numbers[StatisticsIndex.parks],
          wakes: numbers[StatisticsIndex.rings],
          highWaterBytes: numbers[StatisticsIndex.highWaterBytes],
        };
      });
    const statistics = {
      capacity: this.capacity,
      ...this.#cells.census(),
      producers: places(0, producers),
      consumers: places(producers, consumers),
    };
    region.verify(); // last: pages that are gone have been read as zeros
    return statistics;
  }

  /**
   * Looks at everything that is in the queue, written to its end or not, without taking it: hands each message to
   * `visit(view, offset, length, type)`, in place. Others write and take meanwhile: what is seen may be half of one message and half
   * of another.
   *
   * @throws ERR_MEMLANE_CLOSED; what `visit` throws; ERR_MEMLANE_TRUNCATED and the like, when the file was cut.
   */
  inspect(visit: (view: RecordView, offset: number, length: number, type: number) => void): void {
    const { region, memory } = this.#open();
    this.#cells.forEachHeld((index) => {
      const length = this.#cells.plainLengthOf(index);
      if (length >= 0) visit(memory.view, this.#cells.payloadAt(index), length, this.#cells.typeOf(index));
    });
    region.verify();
  }

  /** What another thread or process needs for {@link attachWorkQueue}. An anonymous queue must stay open until it has it. */
  descriptor(): WorkQueueDescriptor {
    const { file } = this.#open().region;
    const { handoverPath: path, identity, access } = file;
    return { type: TYPE, path, anonymous: file.path === undefined, identity, access };
  }

  /** Deletes the queue's name and bells. @throws ERR_MEMLANE_BUSY while somebody alive is attached; ERR_MEMLANE_READ_ONLY */
  unlink(): void {
    const { region, table } = this.#open();
    expectWritable(region);
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

  /** Closes the endpoints made here, then the mapping. The file stays, with what is in it. Idempotent. */
  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
    this.#mapped.region.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  readonly #forget = (endpoint: Endpoint): void => {
    this.#endpoints.delete(endpoint);
  };

  #open(): MappedWork {
    if (this.#mapped.region.closed)
      throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The work queue is closed', { path: this.path });
    return this.#mapped;
  }

  /** Takes a slot and makes the endpoint in it. Whoever sleeps looks at the newcomer, so that it can watch for its death. */
  #enter<Kind extends Endpoint>(
    row: SlotRow,
    role: number,
    options: WaitingOptions,
    make: (place: WorkPlace) => Kind,
  ): Kind {
    const work = this.#open();
    checkWaitingOptions(options);
    expectWritable(work.region);
    const { table } = work;
    const cells = this.#cells;
    const busy = `All ${role === Role.producer ? 'producers' : 'consumers'}' places are taken`;
    const participant = table.takeAny(role, (slot) => cells.recover(slot), row, busy);
    try {
      const endpoint = make({ work, cells, participant });
      this.#endpoints.add(endpoint);
      table.ringAll(participant.slot);
      return endpoint;
    } catch (error) {
      participant.leave();
      throw error;
    }
  }
}
