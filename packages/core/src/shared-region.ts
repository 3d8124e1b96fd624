import { EventEmitter } from 'node:events';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  checkInteger,
  checkOptions,
  checkPath,
  type LinuxError,
  MemlaneError,
  PAGE_SIZE,
  toPages,
  truncate,
  tryLockByte,
  unlockByte,
} from '@memlane/linux';
import { COORDINATOR_BYTE, type Participant, SlotTable } from './participants.ts';
import { Peer } from './peer.ts';
import { Region } from './region.ts';
import { ResizeWords } from './resize.ts';
import { ACKNOWLEDGEMENT, CONTROL, RESIZE } from './resize-descriptor.ts';
import { checkTrustOptions, SharedFile, type Trust } from './shared-file.ts';
import { Role } from './slot-descriptor.ts';
import { corrupt, readSuperblock, writeSuperblock } from './superblock.ts';
import { FileKind, SUPERBLOCK } from './superblock-descriptor.ts';

/** How a shared region is opened by whoever comes first; the others find it decided. */
export interface SharedRegionOptions extends Trust {
  /** Most bytes that the file may ever have: address space that every member reserves. Default: its length now. */
  readonly maxLength?: number;
}

/** How a resize is carried out. */
export interface ResizeOptions {
  /** How long to wait for the members that are alive. Default 1000. */
  readonly timeoutMs?: number;
}

interface SharedRegionEvents {
  /** Somebody wants to cut the file: nothing beyond `length` may be used from here on. Called before the pages go. */
  shrink: [length: number];
  /** The file has another length, and the region with it. */
  resize: [length: number];
}

const CONTROL_EXTENSION = '.memlane';
const { MEMBERS, SLOTS_OFFSET, ACKNOWLEDGEMENTS_OFFSET, SIGNATURE } = CONTROL;
const CONTROL_BYTES = toPages(ACKNOWLEDGEMENTS_OFFSET + MEMBERS * ACKNOWLEDGEMENT.bytes);
const HEAD_BYTES = SUPERBLOCK.bytes + RESIZE.bytes;
const DEFAULT_TIMEOUT_MS = 1000;
/** A process that ends has given up some of its files and locks, but not all: it takes less than this. */
const DYING_MS = 5;
const at = (field: { offset: number }): number => SUPERBLOCK.bytes + field.offset;

/**
 * A file that several processes have mapped and that any of them may cut or extend: nobody is left with pages that are
 * gone, because a file is cut only after everybody has let go of that part.
 *
 * Any file will do: what the members agree on stands in a small control file beside it (`PATH.memlane`). A member that is
 * dead is skipped; one that is stopped or blocks its event loop makes a cut fail with ERR_MEMLANE_BUSY, and the file is
 * as it was. Members learn of a resize in their event loop; one that runs long without turning it calls {@link poll}.
 * Whoever cuts the file without asking meets the guard: see {@link Region.check}.
 *
 * @example
 * using shared = SharedRegion.open('/var/lib/app/data', { maxLength: 1 << 30 });
 * shared.on('shrink', (length) => index.dropBeyond(length));
 * await shared.resize(4096);
 */
export class SharedRegion extends EventEmitter<SharedRegionEvents> implements Disposable {
  /** The file's pages. Its length follows the file's; close it by closing this. */
  readonly region: Region;
  /** Most bytes that the file may have. */
  readonly maxLength: number;
  readonly #control: Region;
  readonly #table: SlotTable;
  readonly #words: ResizeWords;
  readonly #member: Participant;
  readonly #peers: readonly Peer[];
  /** The end of the last resize that was asked for here: they come one after the other. */
  #lastResize: Promise<void> = Promise.resolve();
  #seen = -1;
  #newsArrived = (): void => {};
  #closed = false;

  private constructor(file: SharedFile, control: Control, wantedMaxLength: number) {
    super();
    const { region, table, words } = control;
    this.#control = region;
    this.#table = table;
    this.#words = words;
    let maxLength = 0;
    // Before the length is looked at: whoever begins to cut from here on waits for this member.
    this.#member = table.takeAny(Role.member, (slot) => {
      words.acknowledge(slot, 0);
      maxLength = agree(control, file, slot, wantedMaxLength);
    });
    this.maxLength = maxLength;
    try {
      this.#peers = Array.from({ length: MEMBERS }, (_, slot) => new Peer(table, slot));
      const length = Math.min(words.state().target ?? maxLength, file.length, maxLength);
      this.region = Region.map(file, { length, maxLength });
      this.#member.doorbell.listen(() => this.#noticed(), false);
    } catch (error) {
      this.#member.leave();
      throw error;
    }
    this.poll();
  }

  /**
   * Creates a file of `length` bytes, all zero, space reserved, and joins as its first member.
   *
   * @throws as {@link Region.create}.
   */
  static create(path: string, length: number, options: SharedRegionOptions & { mode?: number } = {}): SharedRegion {
    checkInteger('length', length, 1, Number.MAX_SAFE_INTEGER);
    const { maxLength = length, mode, ...trust } = checkOptions('options', options);
    checkTrustOptions(trust);
    // With the address space that will be asked for: where it is refused, there is no file yet.
    using made = Region.create(path, length, { maxLength, mode });
    try {
      return SharedRegion.open(path, { ...trust, maxLength });
    } catch (error) {
      made.file.unlink();
      throw error;
    }
  }

  /**
   * Joins the members of an existing file, whatever is in it.
   *
   * @throws ERR_MEMLANE_BUSY when 64 members are alive; ERR_MEMLANE_DELETED when the file was replaced while members of the
   *   old one live; as {@link Region.open}.
   */
  static open(path: string, options: SharedRegionOptions = {}): SharedRegion {
    checkPath('path', path);
    const { maxLength = 1, ...trust } = checkOptions('options', options);
    checkInteger('maxLength', maxLength, 1, Number.MAX_SAFE_INTEGER);
    const file = SharedFile.open(path, 'readwrite', trust);
    let control: Control | undefined;
    try {
      control = openControl(path, trust);
      return new SharedRegion(file, control, Math.max(maxLength, file.length));
    } catch (error) {
      control?.region.close();
      file.close();
      throw error;
    }
  }

  get length(): number {
    return this.region.length;
  }

  get bytes(): Uint8Array {
    return this.region.bytes;
  }

  /** Members alive, this one included. */
  get members(): number {
    return this.#others().length + 1;
  }

  /**
   * Cuts or extends the file, for all members. Resolves when the file has its new length, every member has let go of what
   * was cut, and has been told.
   *
   * @throws (rejects) ERR_MEMLANE_BUSY when a living member does not answer in time, or another resize takes that long:
   *   the file is as it was; ERR_MEMLANE_ARGUMENT past {@link maxLength}; LinuxError ENOSPC, likewise.
   */
  async resize(newLength: number, options: ResizeOptions = {}): Promise<void> {
    this.#expectOpen();
    checkInteger('newLength', newLength, 1, this.maxLength);
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = checkOptions('options', options);
    checkInteger('timeoutMs', timeoutMs, 0, 2 ** 31 - 1);
    const resize = this.#lastResize.then(() => this.#resize(newLength, performance.now() + timeoutMs));
    this.#lastResize = resize.catch(() => {});
    await resize;
  }

  /** Takes note of a resize at once, from code that does not let the event loop turn. Costs one load when there is none. */
  poll(): void {
    this.#expectOpen();
    this.#control.check();
    while (this.#seen !== this.#words.generation) this.#follow();
  }

  /** Leaves; the file stays. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#newsArrived();
    for (const peer of this.#peers) peer.close();
    this.#member.leave(); // whoever waits for an answer of this member learns of that by its death sign
    this.region.close();
    this.#control.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #resize(newLength: number, deadline: number): Promise<void> {
    const { fd } = await this.#lock(deadline);
    const { file } = this.region;
    try {
      if (newLength > file.length) file.grow(newLength);
      const cuts = newLength < file.length;
      const generation = this.#words.begin(newLength, this.#member.slot);
      try {
        if (cuts) await this.#everybodyLetGo(generation, deadline);
        if (cuts) truncate(file.fd, newLength, file.path);
      } finally {
        this.#words.end();
      }
    } finally {
      if (!this.#closed) unlockByte(fd, COORDINATOR_BYTE);
      this.#announce();
    }
  }

  #expectOpen(): void {
    if (this.#closed)
      throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The shared region is closed', { path: this.region.path });
  }

  /** Something has changed: a resize begins or ends, a member has acknowledged, left or died. */
  #noticed(): void {
    if (this.#closed) return;
    this.poll();
    this.#newsArrived();
  }

  #follow(): void {
    const { generation, target } = this.#words.state();
    const before = this.region.length;
    if (target === undefined) {
      const length = Math.min(this.region.file.length, this.maxLength);
      if (length > before) this.region.grow(length);
      else if (length < before) this.#letGo(length);
      if (length !== before || this.#seen % 2 !== 0) this.emit('resize', length);
    } else {
      if (target < before) this.#letGo(target);
      this.#words.acknowledge(this.#member.slot, generation);
      const coordinator = this.#words.coordinator & (MEMBERS - 1);
      if (coordinator !== this.#member.slot) this.#answer(this.#peers[coordinator]);
    }
    this.#seen = generation;
  }

  #answer(coordinator: Peer): void {
    // A coordinator that dies has nobody to end its resize but those who wait for the end.
    if (!coordinator.watchDeath(() => this.#endForTheDead())) this.#endForTheDead();
    coordinator.nudge();
  }

  #letGo(length: number): void {
    this.emit('shrink', length);
    this.region.shrink(length);
  }

  #endForTheDead(): void {
    if (this.#closed || !this.#words.isUnderWay) return;
    const own = this.#table.file.reopen();
    let mine = false;
    try {
      mine = tryLockByte(own.fd, COORDINATOR_BYTE);
      if (mine) this.#words.end();
    } finally {
      own.close();
    }
    if (mine) this.#announce();
    // Held by the next coordinator, who ends it, or still by the dead one: its files are closed one after the other.
    else setTimeout(() => this.#endForTheDead(), DYING_MS).unref();
  }

  async #everybodyLetGo(generation: number, deadline: number): Promise<void> {
    this.#announce();
    for (;;) {
      const news = new Promise<void>((resolve) => {
        this.#newsArrived = resolve;
      });
      const missing = this.#others().find((slot) => !this.#words.hasAcknowledged(slot, generation));
      if (missing === undefined) return;
      const watched = this.#peers[missing].watchDeath(() => this.#noticed());
      const left = deadline - performance.now();
      if (left <= 0)
        throw new MemlaneError(
          'ERR_MEMLANE_BUSY',
          `Process ${this.#table.pidOf(missing)} has the file mapped and does not answer`,
          { path: this.region.path },
        );
      const timer = new AbortController();
      const patience = delay(watched ? left : DYING_MS, undefined, { signal: timer.signal }).catch(() => {});
      await Promise.race([news, patience]);
      timer.abort();
      this.#expectOpen();
    }
  }

  /** Slots of the other members that are alive. */
  #others(): number[] {
    return Array.from({ length: MEMBERS }, (_, slot) => slot).filter(
      (slot) => slot !== this.#member.slot && this.#table.isAlive(slot),
    );
  }

  /** Tells everybody, oneself included, to look. */
  #announce(): void {
    if (this.#closed) return; // its leaving has told them
    this.poll();
    for (const slot of this.#others()) this.#peers[slot].nudge();
  }

  /** Takes the coordinator's lock, which the kernel gives back for whoever dies. */
  async #lock(deadline: number): Promise<{ fd: number }> {
    const { file } = this.#control;
    while (!tryLockByte(file.fd, COORDINATOR_BYTE)) {
      if (performance.now() > deadline)
        throw new MemlaneError('ERR_MEMLANE_BUSY', 'Another resize is under way', { path: this.region.path });
      await delay(1);
      this.#expectOpen();
    }
    return file;
  }
}

interface Control {
  readonly region: Region;
  readonly table: SlotTable;
  readonly words: ResizeWords;
}

/** Opens the control file of a file; whoever comes first creates it. */
function openControl(path: string, trust: Trust): Control {
  const controlPath = path + CONTROL_EXTENSION;
  for (;;) {
    try {
      return mapControl(SharedFile.open(controlPath, 'readwrite', trust));
    } catch (error) {
      if ((error as LinuxError).code !== 'ENOENT') throw error;
    }
    const control = SharedFile.createUnnamed(dirname(controlPath), CONTROL_BYTES);
    try {
      using region = Region.map(control, {});
      writeSuperblock(region.buffer, {
        kind: FileKind.control,
        signature: SIGNATURE,
        pageSize: PAGE_SIZE,
        fileLength: CONTROL_BYTES,
        slotCount: MEMBERS,
        slotsOffset: SLOTS_OFFSET,
      });
      control.publish(controlPath);
    } catch (error) {
      control.close();
      if ((error as MemlaneError).code !== 'ERR_MEMLANE_EXISTS') throw error;
    }
  }
}

function mapControl(control: SharedFile): Control {
  try {
    const { fileId, slotCount, slotsOffset } = readSuperblock(control, {
      kind: FileKind.control,
      signature: SIGNATURE,
      headBytes: HEAD_BYTES,
    });
    const { path } = control;
    if (slotCount !== MEMBERS) throw corrupt('slotCount', slotCount, path);
    if (slotsOffset !== SLOTS_OFFSET) throw corrupt('slotsOffset', slotsOffset, path);
    if (control.length !== CONTROL_BYTES) throw corrupt('fileLength', control.length, path);
    const region = Region.map(control, {});
    const words = new Int32Array(region.buffer, 0, CONTROL_BYTES >> 2);
    const numbers = new Float64Array(region.buffer, 0, CONTROL_BYTES >> 3);
    const geometry = { words, address: region.address, slotsOffset, slotCount, fileId };
    return {
      region,
      table: new SlotTable(control, geometry),
      words: new ResizeWords(words, numbers, SUPERBLOCK.bytes, ACKNOWLEDGEMENTS_OFFSET),
    };
  } catch (error) {
    control.close();
    throw error;
  }
}

/**
 * Agrees with the other members on the file and on the address space, or decides both where there are none. Called with
 * the attach lock.
 */
function agree({ region, table }: Control, file: SharedFile, ownSlot: number, wantedMaxLength: number): number {
  const head = new DataView(region.buffer, 0, HEAD_BYTES);
  const read = (field: { offset: number }): number => head.getFloat64(at(field), true);
  const write = (field: { offset: number }, value: number): void => head.setFloat64(at(field), value, true);
  const { dev, ino, maxLength } = RESIZE.fields;
  for (let slot = 0; slot < MEMBERS; slot++) {
    if (slot === ownSlot || !table.isAlive(slot)) continue;
    if (read(dev) !== file.identity.dev || read(ino) !== file.identity.ino)
      throw new MemlaneError('ERR_MEMLANE_DELETED', `Process ${table.pidOf(slot)} has another file of that name`, {
        path: file.path,
      });
    const agreed = read(maxLength);
    if (!Number.isSafeInteger(agreed) || agreed < 1) throw corrupt('maxLength', agreed, table.file.path);
    return agreed;
  }
  write(dev, file.identity.dev);
  write(ino, file.identity.ino);
  write(maxLength, wantedMaxLength);
  return wantedMaxLength;
}
