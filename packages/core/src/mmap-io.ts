import { addressOf, constants, LinuxError, PAGE_SIZE, systemCalls, toPages } from '@memlane/linux';
import { Reservation } from './reservation.ts';

/**
 * A replacement for the package mmap-io 1.1.7: the same functions, constants, argument checks and messages, over a
 * {@link Reservation} instead of an addon. docs/mmap-io.md lists every difference.
 */
export interface MmapIo {
  readonly PROT_NONE: 0;
  readonly PROT_READ: 1;
  readonly PROT_WRITE: 2;
  readonly PROT_EXEC: 4;
  readonly MAP_SHARED: 1;
  readonly MAP_PRIVATE: 2;
  readonly MAP_POPULATE: 32768;
  readonly MAP_NONBLOCK: 65536;
  readonly MADV_NORMAL: 0;
  readonly MADV_RANDOM: 1;
  readonly MADV_SEQUENTIAL: 2;
  readonly MADV_WILLNEED: 3;
  readonly MADV_DONTNEED: 4;
  /** Bytes of a memory page; offsets are multiples of it. */
  readonly PAGESIZE: number;
  readonly map: typeof map;
  readonly advise: typeof advise;
  readonly incore: typeof incore;
  sync: typeof sync;
}

export const PROT_NONE: 0 = constants.PROT_NONE;
export const PROT_READ: 1 = constants.PROT_READ;
export const PROT_WRITE: 2 = constants.PROT_WRITE;
export const PROT_EXEC: 4 = constants.PROT_EXEC;
export const MAP_SHARED: 1 = constants.MAP_SHARED;
export const MAP_PRIVATE: 2 = constants.MAP_PRIVATE;
export const MAP_POPULATE: 32768 = constants.MAP_POPULATE;
export const MAP_NONBLOCK: 65536 = constants.MAP_NONBLOCK;
export const MADV_NORMAL: 0 = constants.MADV_NORMAL;
export const MADV_RANDOM: 1 = constants.MADV_RANDOM;
export const MADV_SEQUENTIAL: 2 = constants.MADV_SEQUENTIAL;
export const MADV_WILLNEED: 3 = constants.MADV_WILLNEED;
export const MADV_DONTNEED: 4 = constants.MADV_DONTNEED;
export const PAGESIZE: number = PAGE_SIZE;

const EPERM = 1;
const ENOMEM = 12;
const ENOSYS = 38;

/** Flags by which the caller would choose the address, which is the reservation's here. */
const CHOSEN_ADDRESS = constants.MAP_FIXED | 0x100000; // MAP_FIXED_NOREPLACE

/**
 * Maps `size` bytes of the open file `fd` from byte `offset` (a multiple of PAGESIZE) on and returns them as a Buffer
 * whose pages are the file's. The mapping outlives the descriptor and goes when the Buffer is garbage collected.
 *
 * Does not block, except with MAP_POPULATE; later accesses block while the kernel reads from the device. An access
 * past the end of the file kills the process (SIGBUS), as does a store without PROT_WRITE (SIGSEGV).
 *
 * @param protection PROT_* joined by `|`. PROT_WRITE with MAP_SHARED needs a descriptor opened for reading and writing.
 * @param flags MAP_SHARED or MAP_PRIVATE, and MAP_POPULATE, MAP_NONBLOCK or any other flag that mmap(2) knows.
 * @param advice MADV_* for the whole of it.
 * @throws Error 'mmap failed, ERRNO' with `code`, `errno`, `syscall`, and as `cause` a LinuxError with a remedy.
 * @throws ERR_MEMLANE_TOO_LARGE past 4 GiB on Node.js 20: map a window (size, offset) there.
 * @example
 * const fd = openSync('table.bin', 'r+');
 * const table = mmap.map(fstatSync(fd).size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd);
 */
export function map(
  size: number,
  protection: number,
  flags: number,
  fd: number,
  offset?: number,
  advice?: number,
): Buffer {
  check(typeof size === 'number', 'mmap: size (arg[0]) must be an integer');
  check(typeof protection === 'number', 'mmap: protection_flags (arg[1]) must be an integer');
  check(typeof flags === 'number', 'mmap: flags (arg[2]) must be an integer');
  check(typeof fd === 'number', 'mmap: fd (arg[3]) must be an integer (a file descriptor)');
  const length = toInteger(size);
  const access = toInt32(protection);
  const kind = toInt32(flags);
  const file = toInt32(fd);
  const start = toInteger(offset);
  const wanted = toInt32(advice);

  // What an ordinary user gets for a fixed address of 0; with CAP_SYS_RAWIO the kernel would really map page 0.
  if ((kind & CHOSEN_ADDRESS) !== 0) refuse('mmap failed', 'mmap', -EPERM);
  rehearse(length, access, kind, file, start);

  const reservation = Reservation.allocate(length);
  const { address } = reservation;
  const mapped = systemCalls.mmap(address, length, access, kind | constants.MAP_FIXED, file, start);
  const advised = mapped < 0 || wanted === 0 ? 0 : systemCalls.madvise(address, length, wanted);
  if (mapped < 0 || advised < 0) {
    reservation.retire();
    if (mapped < 0) refuse('mmap failed', 'mmap', mapped);
    refuse('madvise() failed', 'madvise', advised);
  }
  return Buffer.from(reservation.buffer, 0, length);
}

/**
 * Makes and removes the mapping at an address of the kernel's choice, so that whatever the kernel refuses is refused
 * here. Before Linux 6.12 a MAP_FIXED that fails late (a sealed memory file, say) leaves a hole in V8's reservation;
 * another thread may map into it, and V8 would unmap that when it frees the buffer.
 */
function rehearse(length: number, protection: number, flags: number, fd: number, offset: number): void {
  const cheaply = flags & ~constants.MAP_POPULATE;
  const address = systemCalls.mmap(0, length, protection, cheaply, fd, offset);
  if (address < 0) refuse('mmap failed', 'mmap', address);
  systemCalls.munmap(address, length);
}

/**
 * Tells the kernel how the buffer, or the part [offset, offset + length) of it, will be used (madvise(2)).
 * `offset` is a multiple of PAGESIZE.
 *
 * @throws Error 'madvise() failed, ERRNO', with errno 12 when the range leaves the pages of the buffer.
 * @example
 * mmap.advise(table, mmap.MADV_RANDOM);
 */
export function advise(buffer: ArrayBufferView, advice: number): void;
export function advise(buffer: ArrayBufferView, offset: number, length: number, advice: number): void;
export function advise(...parameters: unknown[]): void {
  check(
    parameters.length === 2 || parameters.length === 4,
    'advise() takes 2 or 4 arguments: (buffer :Buffer, advise :int) | (buffer :Buffer, offset :int, length :int, advise :int).',
  );
  const [buffer, second, length, advice] = parameters;
  check(ArrayBuffer.isView(buffer), 'advice(): buffer (arg[0]) must be a Buffer');
  check(typeof second === 'number', 'advice(): (arg[1]) must be an integer');
  const whole = parameters.length === 2;
  const range = rangeOf(buffer, whole ? 0 : toInteger(second), whole ? buffer.byteLength : toInteger(length));
  const wanted = toInt32(whole ? second : advice);
  const result = onRange(range, (address, bytes) => systemCalls.madvise(address, bytes, wanted));
  if (result < 0) refuse('madvise() failed', 'madvise', result);
}

/**
 * Counts the pages of the buffer: [those that are not in memory, those that are] (mincore(2)).
 *
 * @throws Error 'mincore() failed, ERRNO', with errno 22 when the buffer does not begin at a page.
 * @example
 * const [absent, resident] = mmap.incore(table);
 */
export function incore(buffer: ArrayBufferView): [unmapped: number, mapped: number];
export function incore(...parameters: unknown[]): [unmapped: number, mapped: number] {
  check(parameters.length === 1, 'incore() takes 1 argument: (buffer :Buffer) .');
  const [buffer] = parameters;
  check(ArrayBuffer.isView(buffer), 'advice(): buffer (arg[0]) must be a Buffer');
  const pages = new Uint8Array(toPages(buffer.byteLength) / PAGE_SIZE);
  const result = systemCalls.mincore(addressOf(buffer), buffer.byteLength, pages);
  check(result !== -ENOSYS, 'mincore() not implemented');
  if (result < 0) refuse('mincore() failed', 'mincore', result);
  let mapped = 0;
  for (const page of pages) mapped += page & 1; // the other bits are reserved
  return [pages.length - mapped, mapped];
}

/**
 * Writes changed pages back to the file (msync(2)): of the whole buffer, from `offset` on, or of
 * [offset, offset + length). `offset` is a multiple of PAGESIZE. Without `blocking` it only schedules the writes,
 * which Linux does by itself anyway; with it, it blocks until the device has them.
 *
 * @throws Error 'msync() failed, ERRNO', with errno 12 when the range leaves the pages of the buffer.
 * @example
 * mmap.sync(table, true);
 */
export function sync(buffer: ArrayBufferView, blocking: boolean, invalidate?: boolean): void;
export function sync(
  buffer: ArrayBufferView,
  offset?: number,
  length?: number,
  blocking?: boolean,
  invalidate?: boolean,
): void;
export function sync(buffer: unknown, second?: unknown, third?: unknown, fourth?: unknown, fifth?: unknown): void {
  check(ArrayBuffer.isView(buffer), 'sync(): buffer (arg[0]) must be a Buffer');
  const whole = typeof second === 'boolean';
  const offset = whole ? 0 : toInteger(second);
  const length = whole || !third ? Math.max(0, buffer.byteLength - offset) : toInteger(third);
  const [blocking, invalidate] = whole ? [second, third] : [fourth, fifth];
  const flags = (blocking ? constants.MS_SYNC : constants.MS_ASYNC) | (invalidate ? constants.MS_INVALIDATE : 0);
  const result = onRange(rangeOf(buffer, offset, length), (address, bytes) => systemCalls.msync(address, bytes, flags));
  if (result < 0) refuse('msync() failed', 'msync', result);
}

/** A part of a buffer's memory. */
interface Range {
  readonly address: number;
  readonly length: number;
  /** Whether it stays within the buffer's pages; its last page counts whole. */
  readonly inside: boolean;
}

function rangeOf(buffer: ArrayBufferView, offset: number, length: number): Range {
  const base = addressOf(buffer);
  const address = base + offset;
  return { address, length, inside: offset >= 0 && address + length <= toPages(base + buffer.byteLength) };
}

/**
 * Makes a system call on a range. One that leaves the buffer is answered as if nothing were mapped around the buffer:
 * what lies there is V8's or a stranger's, and MADV_DONTNEED would wipe it.
 */
function onRange({ address, length, inside }: Range, call: (address: number, length: number) => number): number {
  if (inside) return call(address, length);
  const result = call(address, 0); // touches nothing, but judges the other arguments
  return result < 0 ? result : -ENOMEM;
}

/** As an addon reads a number (valueOf, strings, NaN as 0; a BigInt or a Symbol throws), but with 53 bits. */
function toInteger(value: unknown): number {
  const integer = Math.trunc(+(value as number));
  return Number.isFinite(integer) ? integer : 0;
}

function toInt32(value: unknown): number {
  return +(value as number) | 0;
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Throws mmap-io's own message, by which its users know an error, and adds what they had to guess. */
function refuse(message: string, syscall: string, result: number): never {
  const cause = new LinuxError(syscall, -result);
  const { code, errno } = cause;
  throw Object.assign(new Error(`${message}, ${errno}`, { cause }), { code, errno, syscall });
}

const mmap: MmapIo = {
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  PROT_EXEC,
  MAP_SHARED,
  MAP_PRIVATE,
  MAP_POPULATE,
  MAP_NONBLOCK,
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_DONTNEED,
  PAGESIZE,
  map,
  advise,
  incore,
  sync,
};
// mmap-io leaves `sync` alone assignable, and users stub it in their tests.
for (const name of Object.keys(mmap)) {
  if (name !== 'sync') Object.defineProperty(mmap, name, { writable: false, configurable: false });
}

export default mmap;
