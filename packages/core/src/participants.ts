import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isByteWriteLocked, MemlaneError, status, tryLockByte, unlockByte } from '@memlane/linux';
import { Doorbell, removeBell, sweepBells } from './doorbell.ts';
import { load, sleepSync, store } from './memory.ts';
import { ParkingSpot, type SleeperBit } from './parking.ts';
import { Peer } from './peer.ts';
import { runtimeDirectory } from './runtime-directory.ts';
import type { SharedFile } from './shared-file.ts';
import { SLOT, SlotState } from './slot-descriptor.ts';

/*
 * Who is attached to a file, and who is alive, is told by open-file-description locks on single bytes far past its end:
 * the kernel drops them when the holder dies, whatever way, and they know nothing of pids. No heartbeats, no timeouts.
 * The slots in the file only describe; a slot whose byte is not locked is nobody's, whatever it says.
 */
const LOCK_BASE = 1n << 62n;
const ATTACH_BYTE = LOCK_BASE;
/** Held by whoever resizes a file, for as long as that takes. */
export const COORDINATOR_BYTE: bigint = LOCK_BASE + 1n;
const slotByte = (slot: number): bigint => LOCK_BASE + 1024n + BigInt(slot);

/** Attaching takes microseconds; whoever holds the lock longer has been stopped (SIGSTOP, a debugger). */
const ATTACH_PATIENCE_MS = 10_000;

const WORDS = SLOT.bytes >> 2;
const STATE = SLOT.fields.state.offset >> 2;
const GENERATION = SLOT.fields.generation.offset >> 2;
const BELL = SLOT.fields.bell.offset >> 2;
const PID = SLOT.fields.pid.offset >> 2;
const ROLE = SLOT.fields.role.offset >> 2;

/** Where the slots of a file are, and what they need of the mapping. */
export interface SlotGeometry {
  /** The head of the mapping as words, slots included. */
  readonly words: Int32Array;
  /** Address of the first of these words in this process. */
  readonly address: number;
  readonly slotsOffset: number;
  readonly slotCount: number;
  readonly fileId: string;
  /** Where the mask of sleepers is, one bit for each slot; left out where nobody looks for many sleepers at once. */
  readonly sleepersOffset?: number | undefined;
}

/** Some slots in a row. */
export interface SlotRow {
  readonly first: number;
  readonly count: number;
}

/** The participants of one file, as one attached thread sees them. */
export class SlotTable {
  readonly file: SharedFile;
  readonly words: Int32Array;
  readonly #geometry: SlotGeometry;

  constructor(file: SharedFile, geometry: SlotGeometry) {
    this.file = file;
    this.words = geometry.words;
    this.#geometry = geometry;
  }

  get slotCount(): number {
    return this.#geometry.slotCount;
  }

  /** Index of a slot's first word. */
  baseOf(slot: number): number {
    return (this.#geometry.slotsOffset >> 2) + slot * WORDS;
  }

  /** Whether a slot has a living owner. One system call. */
  isAlive(slot: number): boolean {
    return isByteWriteLocked(this.file.fd, slotByte(slot));
  }

  /** Which owner of the slot it is, or was: a number that each gets before it is active. */
  tenantOf(slot: number): number {
    return load(this.words, this.baseOf(slot) + GENERATION);
  }

  /** Process that owns or last owned the slot; for messages to people. */
  pidOf(slot: number): number {
    return load(this.words, this.baseOf(slot) + PID);
  }

  /**
   * Takes a slot: locks it, finishes everything in the file that names it, and only then becomes visible, so that a
   * newcomer inherits nothing of a dead predecessor.
   *
   * @param recover repairs what is the concern of this kind of file; idempotent, because its caller may die in it.
   * @throws ERR_MEMLANE_BUSY when the slot has a living owner; ERR_MEMLANE_DELETED; LinuxError.
   */
  take(slot: number, role: number, what: string, recover: () => void): Participant {
    return this.#takeOneOf(() => [slot], role, `There is a ${what} already`, recover);
  }

  /**
   * Takes whichever slot is free, of all or of some.
   *
   * @param among which; as a function called when nobody else attaches.
   * @param busy what the error says when none of them is free.
   * @throws ERR_MEMLANE_BUSY when none is; as {@link take}.
   */
  takeAny(
    role: number,
    recover: (slot: number) => void,
    among: SlotRow | (() => readonly number[]) = { first: 0, count: this.slotCount },
    busy = 'All places are taken',
  ): Participant {
    const choose = (): readonly number[] =>
      typeof among === 'function' ? among() : Array.from({ length: among.count }, (_, index) => among.first + index);
    return this.#takeOneOf(choose, role, busy, recover);
  }

  #takeOneOf(
    choose: () => readonly number[],
    role: number,
    busy: string,
    recover: (slot: number) => void,
  ): Participant {
    // A description of its own: one does not see its own locks, and each participant must be seen by the others.
    const own = this.file.reopen('readwrite');
    try {
      return withAttachLock(own, () => {
        own.expectLinked();
        const slots = choose();
        const slot = slots.find((candidate) => tryLockByte(own.fd, slotByte(candidate)));
        if (slot === undefined) {
          const holder = slots.length > 0 ? `: process ${this.pidOf(slots[0])}` : '';
          throw new MemlaneError('ERR_MEMLANE_BUSY', busy + holder, { path: this.file.path });
        }
        this.#recoverSlot(slot);
        try {
          this.#knock(slot);
          recover(slot);
          return this.#enter(slot, role, own);
        } catch (error) {
          store(this.words, this.baseOf(slot) + STATE, SlotState.vacant);
          throw error;
        }
      });
    } catch (error) {
      own.close();
      throw error;
    }
  }

  /** Where the mask of sleepers has the bit of a slot. */
  sleeperBit(slot: number): SleeperBit | undefined {
    const { sleepersOffset } = this.#geometry;
    if (sleepersOffset === undefined) return undefined;
    return { index: (sleepersOffset >> 2) + (slot >> 5), bit: 1 << (slot & 31) };
  }

  /**
   * Finishes what a dead owner has left; returns whether it did, and not that the slot has an owner who lives.
   *
   * @param recover as for {@link take}; nobody can attach while it runs.
   * @throws ERR_MEMLANE_BUSY as {@link take}, when somebody attaches all the time.
   */
  vacate(slot: number, recover: () => void): boolean {
    const own = this.file.reopen('readwrite');
    try {
      return withAttachLock(own, () => this.#vacate(own, slot, recover));
    } finally {
      own.close(); // and with it the locks
    }
  }

  /** As {@link vacate}, and without waiting: returns false, too, while somebody attaches. */
  tryVacate(slot: number, recover: () => void): boolean {
    const own = this.file.reopen('readwrite');
    try {
      return tryLockByte(own.fd, ATTACH_BYTE) && this.#vacate(own, slot, recover);
    } finally {
      own.close(); // and with it the locks
    }
  }

  #vacate(own: SharedFile, slot: number, recover: () => void): boolean {
    if (!tryLockByte(own.fd, slotByte(slot))) return false;
    this.#recoverSlot(slot);
    recover();
    return true;
  }

  /** Whether the file says that the slot has an owner: one load. Of a dead one it still does; see {@link isAlive}. */
  isTaken(slot: number): boolean {
    return load(this.words, this.baseOf(slot) + STATE) !== SlotState.vacant;
  }

  /** Wakes everybody who sleeps, so that they look at who is there now. */
  ringAll(except: number): void {
    for (let slot = 0; slot < this.slotCount; slot++) {
      if (slot === except) continue;
      const peer = new Peer(this, slot);
      peer.wakeIfParked();
      peer.close();
    }
  }

  /** Path of a slot's bell: beside the file, or in the runtime directory when the file has no name. */
  bellPath(slot: number, generation: number): string {
    const { path, anonymous } = this.file;
    const directory = anonymous || path === undefined ? runtimeDirectory() : dirname(path);
    return join(directory, `${bellPrefix(this.#geometry.fileId)}${slot}.${generation}`);
  }

  /** User whose doorbells are answered: the owner of the file. */
  get owner(): number {
    return status(this.file.fd).uid;
  }

  /** Address of a slot's futex word in this process. */
  bellAddress(slot: number): number {
    return this.#geometry.address + (this.baseOf(slot) + BELL) * 4;
  }

  /** Removes the doorbells of the whole file, alive or not: for whoever deletes it. */
  removeBells(): void {
    const directory = dirname(this.bellPath(0, 0));
    const prefix = bellPrefix(this.#geometry.fileId);
    for (const name of readdirSync(directory))
      if (name.startsWith(prefix)) rmSync(join(directory, name), { force: true });
  }

  /** Everything of the slot that a dead owner may have left. Nobody else writes these words while the lock is held. */
  #recoverSlot(slot: number): void {
    const base = this.baseOf(slot);
    removeBell(this.bellPath(slot, load(this.words, base + GENERATION)));
    new ParkingSpot(this.words, base, this.sleeperBit(slot)).leave();
    store(this.words, base + STATE, SlotState.vacant);
  }

  /**
   * Says that somebody is coming. Who sleeps may have to wait for what the newcomer is about to store, and cannot watch for its
   * death before it has a bell: until then it looks again and again.
   */
  #knock(slot: number): void {
    // pairs with: load in Peer.#grasp. without it: nobody would look at what a newcomer has left that died half-way.
    store(this.words, this.baseOf(slot) + STATE, SlotState.entering);
    this.ringAll(slot); // also those who have looked already
  }

  #enter(slot: number, role: number, own: SharedFile): Participant {
    const base = this.baseOf(slot);
    const generation = (load(this.words, base + GENERATION) + 1) & 0x3ffff;
    // A death between the two leaves a FIFO that no generation names: the next owner's constructor replaces it.
    const doorbell = new Doorbell(this.bellPath(slot, generation), this.owner);
    store(this.words, base + GENERATION, generation);
    store(this.words, base + PID, process.pid);
    store(this.words, base + ROLE, role);
    new Float64Array(this.words.buffer, base * 4 + SLOT.fields.attachedAtMs.offset, 1)[0] = Date.now();
    store(this.words, base + STATE, SlotState.active);
    return new Participant(this, slot, own, doorbell);
  }
}

const BELL_PREFIX = '.memlane-bell-';

/** Names of the bells of a file begin with this. */
function bellPrefix(fileId: string): string {
  return `${BELL_PREFIX}${fileId}.`;
}

/** Whether anybody alive holds one of the first `slots` slots, whatever the file says of them by now. */
export function isAnybodyAttached(file: SharedFile, slots: number): boolean {
  return Array.from({ length: slots }).some((_, slot) => isByteWriteLocked(file.fd, slotByte(slot)));
}

/** Removes the bells in a folder that nobody holds open any more. */
export function sweepDeadBells(directory: string): void {
  sweepBells(directory, BELL_PREFIX);
}

/** Removes what killed owners of anonymous files have left in the runtime directory. */
export function sweepAnonymousBells(): void {
  sweepDeadBells(runtimeDirectory());
}

/** One taken slot: alive for as long as this object, its thread and its process are. */
export class Participant {
  readonly slot: number;
  readonly doorbell: Doorbell;
  readonly spot: ParkingSpot;
  /** The statistics line of the slot; written by this participant alone. Indexes: {@link StatisticsIndex}. */
  readonly statistics: Float64Array;
  readonly #table: SlotTable;
  readonly #own: SharedFile;
  readonly #generation: number;
  #left = false;

  constructor(table: SlotTable, slot: number, own: SharedFile, doorbell: Doorbell) {
    this.#table = table;
    this.slot = slot;
    this.#own = own;
    this.doorbell = doorbell;
    const base = table.baseOf(slot);
    this.#generation = load(table.words, base + GENERATION);
    this.spot = new ParkingSpot(table.words, base, table.sleeperBit(slot));
    this.statistics = statisticsLineOf(table, slot);
  }

  /** Address of the futex word of this participant. */
  get bellAddress(): number {
    return this.#table.bellAddress(this.slot);
  }

  /** Whether the file still says that the slot is this participant's: peers find its bell by that. */
  get isRecorded(): boolean {
    const base = this.#table.baseOf(this.slot);
    const { words } = this.#table;
    return load(words, base + STATE) === SlotState.active && load(words, base + GENERATION) === this.#generation;
  }

  /** Leaves: gives the slot back and wakes those who may wait for what will not come. Idempotent. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    const base = this.#table.baseOf(this.slot);
    this.spot.leave();
    store(this.#table.words, base + STATE, SlotState.vacant);
    this.doorbell.close();
    this.#own.close(); // drops the lock: from here on others may take the slot
    this.#table.ringAll(this.slot);
  }
}

/** What has been done through a slot by all its owners; indexes: {@link StatisticsIndex}. */
export function statisticsLineOf(table: SlotTable, slot: number): Float64Array {
  return new Float64Array(table.words.buffer, table.baseOf(slot) * 4 + SLOT.fields.messages.offset, 7);
}

/** Positions in {@link Participant.statistics}. */
export const StatisticsIndex = {
  messages: 0,
  bytes: 1,
  batches: 2,
  refusals: 3,
  parks: 4,
  rings: 5,
  highWaterBytes: 6,
} as const;

/**
 * Runs `critical` with the attach lock of the file, which attaching, deleting and resizing take.
 *
 * @throws ERR_MEMLANE_BUSY when a stopped process holds it for ten seconds; a dead one holds nothing.
 */
export function withAttachLock<Result>(own: SharedFile, critical: () => Result): Result {
  const deadline = performance.now() + ATTACH_PATIENCE_MS;
  while (!tryLockByte(own.fd, ATTACH_BYTE)) {
    if (performance.now() > deadline)
      throw new MemlaneError('ERR_MEMLANE_BUSY', 'Another process has been attaching for ten seconds', {
        path: own.path,
      });
    sleepSync(1);
  }
  try {
    return critical();
  } finally {
    unlockByte(own.fd, ATTACH_BYTE);
  }
}
