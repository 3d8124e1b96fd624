import {
  attachStructure,
  type CreateOptions,
  createAnonymousStructure,
  createStructure,
  expectNoFault,
  type FileDescriptor,
  lied,
  type OpenOptions,
  openOrCreateStructure,
  openStructure,
  Role,
  removeStructure,
  SharedStructure,
  type StructureKind,
} from '@memlane/core';
import { checkInteger, checkOptions, checkSignal, MemlaneError, throwArgument } from '@memlane/linux';
import { ChunkAllocator } from './chunk-allocator.ts';
import { ChunkRecords, type Waybill } from './chunk-records.ts';
import { checkReference, type SharedReference, ticketNameOf, ticketNumberOf } from './reference.ts';
import { type BufferHost, SharedBuffer } from './shared-buffer.ts';
import { classOf, MAX_LENGTH } from './size-classes.ts';
import { MOST_PARTICIPANTS } from './slab-descriptor.ts';
import { formatSlab, type MappedSlab, mapSlab, planSlab, type SlabShape } from './slab-file.ts';
import { SlabMember } from './slab-member.ts';
import type { ChunkPlace } from './slab-memory.ts';
import { type ChunkHolders, holdersOf, type SlabStatistics, statisticsOf } from './slab-statistics.ts';

/** How a slab is created. */
export interface CreateSlabOptions extends SlabShape, CreateOptions {}

/** What another thread or process needs to attach. Plain data: survives postMessage, JSON and fork. */
export interface SlabDescriptor extends FileDescriptor {
  readonly type: 'memlane.slab';
}

/** How a buffer is waited for. */
export interface AcquireOptions {
  readonly signal?: AbortSignal;
}

const TYPE = 'memlane.slab';
const KIND: StructureKind<SlabShape, MappedSlab, Slab> = {
  what: 'slab',
  type: TYPE,
  extension: '.slab',
  mostSlots: MOST_PARTICIPANTS,
  fileLength: (shape) => planSlab(shape).geometry.fileLength,
  reservedBytes: (shape) => planSlab(shape).geometry.bitmapsOffset,
  format: formatSlab,
  mapExisting: mapSlab,
  make: (mapped) => new Slab(mapped),
};

/**
 * Creates a slab: memory from which processes and threads take buffers that they share.
 *
 * The file has the length of all it could ever hold, and takes the space of what is in use.
 *
 * @param name a path, or a bare name, which lives in this user's folder on /dev/shm.
 * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS, EFBIG.
 * @example
 * using slab = createSlab('frames', { maxBytes: 2 ** 30 });
 */
export function createSlab(name: string, options: CreateSlabOptions = {}): Slab {
  return createStructure(KIND, name, options);
}

/**
 * Opens an existing slab, after checking everything that can be checked about the file.
 *
 * @throws LinuxError ENOENT, EACCES; ERR_MEMLANE_NOT_MEMLANE, _VERSION, _KIND, _SIGNATURE, _TRUNCATED, _CORRUPT, _OWNER,
 *   _PERMISSIVE, _SYMLINK, _NOT_A_FILE, _ARGUMENT.
 */
export function openSlab(name: string, options: OpenOptions = {}): Slab {
  return openStructure(KIND, name, options);
}

/** Opens it, or creates it where there is none. @throws as {@link createSlab} and {@link openSlab} */
export function openOrCreateSlab(name: string, options: CreateSlabOptions & OpenOptions = {}): Slab {
  return openOrCreateStructure(KIND, name, options);
}

/**
 * Creates a slab without a name, in memory that nobody can cut. It lives for as long as somebody has it open.
 *
 * @throws ERR_MEMLANE_ARGUMENT; LinuxError ENOMEM, ENOSPC.
 */
export function createAnonymousSlab(options: SlabShape = {}): Slab {
  return createAnonymousStructure(KIND, options);
}

/** Opens the slab that a descriptor names. @throws ERR_MEMLANE_DELETED; as {@link openSlab} */
export function attachSlab(descriptor: SlabDescriptor): Slab {
  return attachStructure(KIND, descriptor);
}

/**
 * Deletes a slab that nobody holds buffers of, also one that is damaged.
 *
 * @throws ERR_MEMLANE_BUSY while somebody alive has taken a place in it; as {@link openSlab}.
 */
export function removeSlab(name: string): void {
  removeStructure(KIND, name);
}

/**
 * A slab, opened by one thread. Looking at it takes no place; the first buffer takes one of its `participants` places, and
 * keeps it until close(). What the thread holds when it closes the slab, or dies, is released for it.
 *
 * @example
 * using slab = openOrCreateSlab('frames');
 * using frame = slab.tryAcquire(50_000_000);
 * if (frame !== null) {
 *   frame.data.fill(1);
 *   child.send(frame.share()); // there: slab.take(reference)
 * }
 */
export class Slab extends SharedStructure<MappedSlab> {
  /** Longest buffer, in bytes. */
  readonly maxLength: number;
  readonly #mapped: MappedSlab;
  /** Buffers of this thread, by chunk. */
  readonly #holds = new Map<number, number>();
  #member: SlabMember | undefined;

  /** Slabs come from {@link createSlab} and its siblings. */
  constructor(mapped: MappedSlab) {
    super(mapped, KIND.what);
    this.#mapped = mapped;
    this.maxLength = mapped.memory.geometry.classes.at(-1)?.chunkBytes ?? 0;
  }

  /** The place of this thread in the slab, for {@link ShareOptions.to} of others. Takes one. @throws as {@link tryAcquire} */
  get slot(): number {
    return this.#enter().slot;
  }

  /**
   * Takes a buffer of `length` bytes, which holds whatever was there before; null when there is no room now. Does not block: a
   * microsecond, or what the file system takes to reserve space that was never used before.
   *
   * @throws ERR_MEMLANE_ARGUMENT; ERR_MEMLANE_BUSY when all places are taken; ERR_MEMLANE_READ_ONLY, ERR_MEMLANE_DELETED,
   *   ERR_MEMLANE_CLOSED; LinuxError ENOSPC when the file system is full, ENOMEM; ERR_MEMLANE_TRUNCATED and the like.
   */
  tryAcquire(length: number): SharedBuffer | null {
    const member = this.#enter();
    this.#checkLength(length);
    const chunk = member.take(length);
    return chunk < 0 ? null : this.#hold(chunk);
  }

  /** As {@link tryAcquire}, waiting until there is room. @throws (rejects) as there; the signal's reason. */
  async acquire(length: number, options: AcquireOptions = {}): Promise<SharedBuffer> {
    const member = this.#enter();
    const { signal } = checkOptions('options', options);
    this.#checkLength(length);
    checkSignal(signal);
    signal?.throwIfAborted();
    return this.#hold(await member.takeInTurn(length, signal));
  }

  /** As {@link tryAcquire}, blocking this thread until there is room; null when the time is over. */
  acquireSync(length: number, timeoutMs: number = Number.POSITIVE_INFINITY): SharedBuffer | null {
    const member = this.#enter();
    this.#checkLength(length);
    const chunk = member.waitForSync(length, timeoutMs);
    return chunk < 0 ? null : this.#hold(chunk);
  }

  /**
   * Takes the buffer that a reference names. One that a message carries may be taken by several, and again; any other once.
   *
   * @throws ERR_MEMLANE_STALE when it is gone: used, or its sender has left, or its message is settled; ERR_MEMLANE_ARGUMENT
   *   for what is no reference, or one of another slab; as {@link tryAcquire}.
   */
  take(reference: SharedReference): SharedBuffer {
    const member = this.#enter();
    const place = this.#placeOf(reference);
    const { records } = member;
    const { words, record } = place;
    const { chunk, generation, length } = reference;
    const isThere = records.lengthOf(words, record) === length;
    if (!isThere || !records.accept(words, record, this.#holds.has(chunk), generation, ticketNameOf(reference))) {
      if (records.tidy(words, record)) member.freed(chunk);
      expectNoFault(place.faults);
      throw new MemlaneError('ERR_MEMLANE_STALE', 'The buffer that the reference names is gone', { path: this.path });
    }
    return this.#hold(chunk);
  }

  /**
   * Says which message carries a reference that this thread has made, in whose name it is held from here on, instead of in the
   * thread's. Before the message is published; where {@link settleCarried} asks whether a message is there, after the
   * reference was written into it.
   *
   * @throws as {@link settle}.
   */
  consign(reference: SharedReference, waybill: Waybill): void {
    const member = this.#enter();
    checkWaybill(waybill);
    const { words, record, faults } = this.#placeOf(reference);
    member.records.consign(words, record, ticketNameOf(reference).ticket, waybill);
    expectNoFault(faults);
  }

  /**
   * Ends a reference that a message carried, or gives up one that will not be taken. Does nothing when it was ended before.
   * Whoever has taken it keeps the buffer.
   *
   * @throws as {@link take}, but for ERR_MEMLANE_STALE.
   */
  settle(reference: SharedReference): void {
    const member = this.#enter();
    const { words, record, faults } = this.#placeOf(reference);
    if (member.records.settle(words, record, ticketNameOf(reference))) member.freed(reference.chunk);
    expectNoFault(faults);
  }

  /**
   * Ends the references whose messages are over, as `isOver` says of each that `carrier` has: for what those leave who die
   * between giving a message's space back and settling its references. Goes through all buffers. Returns how many it was.
   */
  settleCarried(carrier: number, isOver: (waybill: Waybill, reference: SharedReference) => boolean): number {
    checkInteger('carrier', carrier, -(2 ** 31), 2 ** 31 - 1);
    const member = this.#enter();
    const { records } = member;
    const { memory, tag } = this.open();
    let settled = 0;
    memory.forEach((chunk, words, record) => {
      for (let ticket = 0; ticket < memory.scale.references; ticket++) {
        const name = { ticket, generation: records.ticketGenerationOf(words, record, ticket) };
        const waybill = records.waybillOf(words, record, ticket);
        if (waybill?.carrier !== carrier) continue;
        const [length, generation] = [records.lengthOf(words, record), records.generationOf(words, record)];
        if (!isOver(waybill, { slab: tag, chunk, length, generation, ticket: ticketNumberOf(name) })) continue;
        settled += 1;
        if (records.settle(words, record, name)) member.freed(chunk);
      }
    });
    return settled;
  }

  /** Releases what those hold who are dead; returns how many buffers are free by that. Who finds no room does so, too. */
  sweep(): number {
    return this.#enter().sweep();
  }

  /** Gives the space of free buffers of 64 KiB and more back to the file system; returns how many bytes. */
  trim(): number {
    return this.#enter().trim() * this.open().memory.pageSize;
  }

  /**
   * What there is, how much of it is in use, and by whom. Goes through all buffers; takes no place and disturbs nobody.
   *
   * @throws ERR_MEMLANE_CLOSED; ERR_MEMLANE_TRUNCATED and the like when the file was cut.
   */
  statistics(): SlabStatistics {
    return statisticsOf(this.open());
  }

  /** Who holds what: one entry for each buffer in use. @throws as {@link statistics} */
  holders(): ChunkHolders[] {
    return holdersOf(this.open());
  }

  /** What another thread or process needs for {@link attachSlab}. An anonymous one must stay open until it has it. */
  descriptor(): SlabDescriptor {
    return this.describe(TYPE);
  }

  /** Releases what this thread holds, and ends. The file stays, with what others hold. Idempotent. */
  override close(): void {
    this.#member?.close();
    this.#member = undefined;
    this.#mapped.memory.close();
    super.close();
  }

  /** A place, taken when it is first needed. What a dead predecessor has held is released before. */
  #enter(): SlabMember {
    const mapped = this.open();
    if (this.#member !== undefined) return this.#member;
    this.expectWritable();
    const { table, memory } = mapped;
    const participant = table.takeAny(Role.member, (slot) => {
      const allocator = new ChunkAllocator(
        memory,
        new ChunkRecords({ ...memory.scale, ...memory.geometry }, slot),
        slot,
      );
      if (allocator.isInUse(slot)) allocator.recover(slot);
    });
    this.#member = new SlabMember(mapped, participant, () => undefined);
    table.ringAll(participant.slot);
    return this.#member;
  }

  #hold(chunk: number): SharedBuffer {
    const { memory } = this.open();
    const { records } = this.#enter();
    const place = memory.at(chunk);
    const { words, record, faults } = place;
    const length = records.lengthOf(words, record);
    const generation = records.generationOf(words, record);
    expectNoFault(faults);
    if (length < 0 || length > memory.chunkBytesOf(chunk)) throw lied('length', length, faults);
    this.#holds.set(chunk, (this.#holds.get(chunk) ?? 0) + 1);
    return new SharedBuffer(this.#host, place, chunk, generation, length);
  }

  readonly #host: BufferHost = {
    expectOpen: () => void this.open(),
    share: (buffer, to, waybill) => this.#share(buffer, to, waybill),
    release: ({ chunk }) => this.#release(chunk),
  };

  #release(chunk: number): void {
    const buffers = this.#holds.get(chunk);
    if (buffers === undefined || this.#member === undefined) return; // closed, and so released
    if (buffers > 1) {
      this.#holds.set(chunk, buffers - 1);
      return;
    }
    this.#holds.delete(chunk);
    this.#member.drop(chunk);
  }

  #share(buffer: SharedBuffer, to: number | undefined, waybill: Waybill | undefined): SharedReference {
    const { records, slot, allocator } = this.#enter();
    const { memory, tag } = this.open();
    if (to !== undefined) checkInteger('to', to, 0, memory.scale.participants - 1);
    if (waybill !== undefined) checkWaybill(waybill);
    const { chunk, generation, length } = buffer;
    const { words, record, faults } = memory.at(chunk);
    const ticket = records.issue(words, record, to ?? slot);
    if (ticket < 0) {
      const { references } = memory.scale;
      const detail = `There are ${references} references to the buffer under way already`;
      throw new MemlaneError('ERR_MEMLANE_BUSY', detail, { path: this.path });
    }
    // Last: whoever recovers that slot goes through the records again when this has changed meanwhile.
    if (to !== undefined) allocator.markInUse(to);
    if (waybill !== undefined) records.consign(words, record, ticket, waybill);
    const name = { ticket, generation: records.ticketGenerationOf(words, record, ticket) };
    expectNoFault(faults);
    return { slab: tag, chunk, length, generation, ticket: ticketNumberOf(name) };
  }

  /** @throws ERR_MEMLANE_ARGUMENT for what is no reference to a chunk of this slab. */
  #placeOf(reference: SharedReference): ChunkPlace {
    const { slab, chunk } = checkReference(reference);
    const { tag, memory } = this.open();
    if (slab !== tag) throwArgument('reference.slab', slab, `${tag}, that of this slab`);
    const isThere = memory.has(chunk);
    expectNoFault(memory.faults); // otherwise it would be the reference that is wrong, and not the file
    if (!isThere) throwArgument('reference.chunk', chunk, 'a chunk of this slab');
    if (ticketNameOf(reference).ticket >= memory.scale.references)
      throwArgument('reference.ticket', reference.ticket, 'a reference of this slab');
    return memory.at(chunk);
  }

  #checkLength(length: number): void {
    checkInteger('length', length, 0, Math.min(this.maxLength, MAX_LENGTH));
    if (classOf(length) >= this.open().memory.geometry.classes.length)
      throwArgument('length', length, `${this.maxLength} at the most`);
  }
}

/** @throws ERR_MEMLANE_ARGUMENT */
function checkWaybill(waybill: Waybill): void {
  for (const field of ['carrier', 'lane', 'position'] as const)
    checkInteger(`waybill.${field}`, checkOptions('waybill', waybill)[field], -(2 ** 31), 2 ** 31 - 1);
}
