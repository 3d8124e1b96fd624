import { dirname } from 'node:path';
import type { Endpoint } from '@memlane/core';
import {
  type Access,
  type FileDescriptor,
  openDescribed,
  openOrElse,
  type Participant,
  Role,
  removeWhole,
  resolveName,
  SharedFile,
  sweepAnonymousBells,
  type Trust,
  withAttachLock,
} from '@memlane/core';
import { checkInteger, checkMode, checkOptions, MemlaneError } from '@memlane/linux';
import { Consumer } from './consumer.ts';
import { type ConsumerOptions, checkConsumerOptions } from './consumer-options.ts';
import { dropCursor, type Joined, joinRing } from './join.ts';
import { checkEndpointOptions, type EndpointOptions } from './lane-endpoint.ts';
import { cursorBase } from './lane-memory.ts';
import type { Position } from './position.ts';
import { Producer } from './producer.ts';
import { type Place, placeOfItsOwn, recovers } from './recovery.ts';
import type { Topology } from './ring-descriptor.ts';
import {
  closingOnFailure,
  createRingFile,
  expectWritable,
  format,
  type MappedRing,
  mapExisting,
  plan,
  type RingShape,
} from './ring-file.ts';
import { type RingStatistics, statisticsOf } from './ring-statistics.ts';

/** How a ring is created. */
export interface CreateRingOptions extends RingShape {
  /** Permissions of the file. Default 0600: whoever may open it may read, write and pretend. */
  readonly mode?: number;
}

/** How an existing ring is opened. */
export interface OpenRingOptions extends Trust {
  /** `read` for an observer, which has no slot and leaves no trace. Default `readwrite`. */
  readonly access?: Access;
}

/** What another thread or process needs to attach. Plain data: survives postMessage, JSON and fork. */
export interface RingDescriptor extends FileDescriptor {
  readonly type: 'memlane.ring';
}

const EXTENSION = '.ring';

/**
 * Creates a ring: for one producer and one consumer, or for many of either; see {@link RingShape}.
 *
 * @param name a path, or a bare name, which lives in this user's folder on /dev/shm.
 * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS.
 * @example
 * using ring = createRing('orders', { capacityBytes: 1 << 20 });
 */
export function createRing(name: string, options: CreateRingOptions = {}): Ring {
  const path = resolveName(name, EXTENSION);
  const file = createRingFile(dirname(path), options, options.mode);
  return closingOnFailure(file, () => {
    const ring = format(file, options);
    file.publish(path);
    return new Ring(ring);
  });
}

/**
 * Opens an existing ring, after checking everything that can be checked about the file.
 *
 * @throws LinuxError ENOENT, EACCES; ERR_MEMLANE_NOT_MEMLANE, _VERSION, _SIGNATURE, _TRUNCATED, _CORRUPT, _OWNER,
 *   _PERMISSIVE, _SYMLINK, _NOT_A_FILE, _ARGUMENT.
 */
export function openRing(name: string, options: OpenRingOptions = {}): Ring {
  const { access, ...trust } = checkOptions('options', options);
  const file = SharedFile.open(resolveName(name, EXTENSION), access, trust);
  return closingOnFailure(file, () => new Ring(mapExisting(file)));
}

/**
 * Opens the ring, or creates it where there is none. Of two processes that do this at once, one creates and both get the
 * same ring; the options count for the one that creates.
 *
 * @throws as {@link createRing} and {@link openRing}.
 */
export function openOrCreateRing(name: string, options: CreateRingOptions & OpenRingOptions = {}): Ring {
  // What is wrong is so whether the ring is there or not.
  plan(options);
  if (options.mode !== undefined) checkMode(options.mode);
  return openOrElse(
    () => openRing(name, options),
    () => createRing(name, options),
  );
}

/**
 * Creates a ring without a name, in memory that nobody can cut. It lives for as long as somebody has it open; hand its
 * {@link Ring.descriptor} to worker threads or to processes of the same user and pid namespace.
 *
 * @throws ERR_MEMLANE_ARGUMENT; LinuxError ENOMEM, ENOSPC.
 */
export function createAnonymousRing(options: RingShape = {}): Ring {
  sweepAnonymousBells();
  const { geometry, reservedBytes } = plan(options);
  const file = SharedFile.createAnonymous('memlane.ring', geometry.fileLength, reservedBytes);
  return closingOnFailure(file, () => {
    file.seal(); // first: what cannot be cut when it is mapped is not guarded
    return new Ring(format(file, options));
  });
}

/** Opens the ring that a descriptor of another thread or process names. @throws ERR_MEMLANE_DELETED; as {@link openRing}. */
export function attachRing(descriptor: RingDescriptor): Ring {
  const file = openDescribed('memlane.ring', descriptor);
  return closingOnFailure(file, () => new Ring(mapExisting(file)));
}

/**
 * Deletes a ring that nobody is attached to, and what belongs to it; also one that is damaged, or of another version.
 *
 * @throws ERR_MEMLANE_BUSY while somebody alive is attached; ERR_MEMLANE_NOT_MEMLANE for a file that is no ring, unless it
 *   is empty; as {@link openRing}.
 */
export function removeRing(name: string): void {
  removeWhole(resolveName(name, EXTENSION), SLOTS, () => openRing(name));
}

/** More places than any ring has. */
const SLOTS = 2048;
/**
 * A ring file, opened by one thread: the way to its endpoints. Holds no slot itself.
 *
 * @example
 * using ring = openOrCreateRing('orders');
 * using producer = ring.producer();
 * await producer.write('hello');
 */
export class Ring implements Disposable {
  /** Data bytes of each producer. */
  readonly capacityBytes: number;
  readonly topology: Topology;
  /** Places of producers. */
  readonly producers: number;
  readonly #mapped: MappedRing;
  readonly #endpoints = new Set<Endpoint>();

  /** Rings come from {@link createRing} and its siblings. */
  constructor(mapped: MappedRing) {
    this.#mapped = mapped;
    this.capacityBytes = mapped.lanes.facts.capacityBytes;
    this.topology = mapped.lanes.facts.topology;
    this.producers = mapped.lanes.facts.producers;
  }

  /** Where the ring is; undefined for an anonymous one. */
  get path(): string | undefined {
    return this.#mapped.region.path;
  }

  /**
   * Takes a producer's place. With `spsc` and `broadcast` there is one, and its next owner goes on where the last one was;
   * with `mpsc` and `bus` each producer has memory of its own, which is reserved now.
   *
   * @throws ERR_MEMLANE_BUSY while all places are taken; LinuxError ENOSPC; ERR_MEMLANE_DELETED, ERR_MEMLANE_READ_ONLY,
   *   ERR_MEMLANE_CLOSED.
   */
  producer(options: EndpointOptions = {}): Producer {
    const take = ({ table, lanes }: MappedRing): Participant => {
      const { producers } = lanes.facts;
      if (producers === 1) return table.take(0, Role.producer, 'producer', () => lanes.open(0));
      return table.takeAny(
        Role.producer,
        (slot) => lanes.open(slot),
        { first: 0, count: producers },
        "All producers' places are taken",
      );
    };
    return this.#enter(options, take, (place) => {
      place.ring.lanes.announce();
      return new Producer(place, options, this.#forget);
    });
  }

  /**
   * Takes a consumer's place. With `spsc` and `mpsc` there is one, and its next owner begins at the last place that was
   * advanced to; with `broadcast` and `bus`, see {@link ConsumerOptions}.
   *
   * @throws ERR_MEMLANE_BUSY while all places, or that of the name, are taken; ERR_MEMLANE_ARGUMENT;
   *   ERR_MEMLANE_DELETED, ERR_MEMLANE_READ_ONLY, ERR_MEMLANE_CLOSED.
   */
  consumer(options: ConsumerOptions = {}): Consumer {
    checkConsumerOptions(this.#open().lanes.facts, options);
    let joined: readonly Joined[] | undefined;
    const take = ({ table, lanes }: MappedRing): Participant => {
      const { producers } = lanes.facts;
      const { names } = lanes;
      if (names === undefined) return table.take(producers, Role.consumer, 'consumer', () => {});
      const { name } = options;
      const isKnown = name !== undefined && names.find(name) >= 0;
      const busy = isKnown ? `There is a consumer '${name}' already` : "All consumers' places are taken";
      const join = (slot: number): void => {
        joined = joinRing(lanes, slot - producers, options);
      };
      const choose = (): number[] => names.candidates(name).map((consumer) => producers + consumer);
      return table.takeAny(Role.consumer, join, choose, busy);
    };
    return this.#enter(options, take, (place) => new Consumer({ ...place, joined }, options, this.#forget));
  }

  /**
   * Forgets a named cursor: nothing is kept for it any more.
   *
   * @returns whether there was one.
   * @throws ERR_MEMLANE_BUSY while a consumer of that name is alive; ERR_MEMLANE_READ_ONLY, ERR_MEMLANE_CLOSED.
   */
  removeCursor(name: string): boolean {
    const { region, table, lanes } = this.#open();
    expectWritable(region);
    const { names } = lanes;
    const consumer = names?.find(name) ?? -1;
    if (names === undefined || consumer < 0) return false;
    const isVacant = table.vacate(lanes.facts.producers + consumer, () => {
      for (let lane = 0; lane < lanes.facts.producers; lane++)
        dropCursor(lanes.words, cursorBase(lanes.baseOf(lane), consumer));
      table.ringAll(lanes.facts.producers + consumer);
      // Last: who dies before that has removed nothing as yet, and whoever tries again rings those who wait for it.
      names.clear(consumer);
    });
    if (!isVacant) throw new MemlaneError('ERR_MEMLANE_BUSY', `The cursor '${name}' is in use`, { path: this.path });
    return true;
  }

  /**
   * Whether a record is done with: everybody has read it who is waited for, or it was overwritten, or its producer is gone and
   * has not published it.
   *
   * @param place of the record, as {@link Producer.place} said when it was claimed; not longer than 2^31 bytes ago.
   */
  isOver(place: { readonly lane: number; readonly position: number }): boolean {
    const { lanes, table } = this.#open();
    const lane = checkInteger('lane', checkOptions('place', place).lane, 0, lanes.facts.producers - 1);
    return lanes.isOver(lane, place.position as Position, () => table.isTaken(lane) && table.isAlive(lane));
  }

  /**
   * Who has a producer's place: a number that each owner of it has another one than the one before (of 2^18); undefined while
   * nobody alive has it. One system call.
   */
  tenantOf(lane: number): number | undefined {
    const { lanes, table } = this.#open();
    checkInteger('lane', lane, 0, lanes.facts.producers - 1);
    // In this order: of two owners in a row the first one is gone when the second one has its number.
    const tenant = table.tenantOf(lane);
    return table.isTaken(lane) && table.isAlive(lane) ? tenant : undefined;
  }

  /**
   * What all sides have done. Reads the file; disturbs nobody.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_TRUNCATED and the like, as {@link Region.verify}, when the file was cut.
   */
  statistics(): RingStatistics {
    const ring = this.#open();
    const statistics = statisticsOf(ring);
    ring.lanes.verify(); // last: pages that are gone have been read as zeros
    return statistics;
  }

  /** What another thread or process needs for {@link attachRing}. An anonymous ring must stay open until it has it. */
  descriptor(): RingDescriptor {
    const { file } = this.#open().region;
    const { handoverPath: path, identity, access } = file;
    return { type: 'memlane.ring', path, anonymous: file.path === undefined, identity, access };
  }

  /** Deletes the ring's name and bells. @throws ERR_MEMLANE_BUSY while somebody alive is attached; ERR_MEMLANE_READ_ONLY */
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

  /** Closes the endpoints made here, then the mapping. The file stays. Idempotent. */
  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
    this.#mapped.lanes.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  readonly #forget = (endpoint: Endpoint): void => {
    this.#endpoints.delete(endpoint);
  };

  #open(): MappedRing {
    if (this.#mapped.region.closed)
      throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The ring is closed', { path: this.path });
    return this.#mapped;
  }

  /** Takes a slot and makes the endpoint in it. Whoever sleeps looks at the newcomer, so that it can watch for its death. */
  #enter<Kind extends Endpoint>(
    options: EndpointOptions,
    take: (ring: MappedRing) => Participant,
    make: (place: Place) => Kind,
  ): Kind {
    const ring = this.#open();
    checkEndpointOptions(options);
    expectWritable(ring.region);
    const place = recovers(ring, options) ? placeOfItsOwn(ring, take) : { ring, participant: take(ring) };
    try {
      const endpoint = make(place);
      this.#endpoints.add(endpoint);
      ring.table.ringAll(place.participant.slot);
      return endpoint;
    } catch (error) {
      place.participant.leave();
      if (place.ring !== ring) place.ring.region.close();
      throw error;
    }
  }
}
