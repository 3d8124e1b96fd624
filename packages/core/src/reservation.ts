import { addressOf, constants, MemlaneError, memory, toPages } from '@memlane/linux';

/** Whether a mapping may be stored to. */
export type Access = 'read' | 'readwrite';

export const ACCESSES: readonly Access[] = ['read', 'readwrite'];

/** One range of a file to be laid over a part of a reservation. */
export interface Overlay {
  /** Byte offset inside the reservation; a multiple of the page size. */
  readonly at: number;
  readonly length: number;
  readonly fd: number;
  /** Byte offset inside the file; a multiple of the page size. */
  readonly offset: number;
  readonly access: Access;
  /** false for a private copy-on-write mapping. */
  readonly shared?: boolean;
  readonly path?: string;
}

/**
 * Address space that V8 owns and whose pages are a file's.
 *
 * A growable SharedArrayBuffer is reserved by V8 with mmap, page aligned, and freed with one munmap of the whole
 * reservation; so pages laid over it with MAP_FIXED stay where they are while the buffer grows and go when it is
 * collected. Rejected: a plain SharedArrayBuffer (its memory comes from malloc: overlaying it corrupts the heap), an
 * external ArrayBuffer (forbidden by V8's sandbox, and outside the memory model, which covers shared buffers only).
 */
export class Reservation {
  readonly buffer: SharedArrayBuffer;
  readonly address: number;

  private constructor(buffer: SharedArrayBuffer, address: number) {
    this.buffer = buffer;
    this.address = address;
  }

  /**
   * Reserves `maxLengthBytes` of address space, of which `lengthBytes` can be used at once.
   *
   * @throws ERR_MEMLANE_TOO_LARGE past the engine's limit (4 GiB on Node 20) or the address space.
   */
  static allocate(lengthBytes: number, maxLengthBytes: number = lengthBytes): Reservation {
    let buffer: SharedArrayBuffer;
    try {
      buffer = new SharedArrayBuffer(lengthBytes, { maxByteLength: maxLengthBytes });
    } catch (cause) {
      throw new MemlaneError(
        'ERR_MEMLANE_TOO_LARGE',
        `Node.js ${process.versions.node} refuses to reserve ${maxLengthBytes} bytes`,
        { cause },
      );
    }
    const address = addressOf(new Uint8Array(buffer, 0, Math.min(lengthBytes, 1)));
    // An engine that ignores maxByteLength hands out malloc'ed memory, and overlaying that destroys the heap.
    if (buffer.growable !== true || address % toPages(1) !== 0)
      throw new MemlaneError('ERR_MEMLANE_PLATFORM', 'This engine has no page-aligned growable shared memory');
    return new Reservation(buffer, address);
  }

  /** Lays a range of a file over a part of the reservation. @throws LinuxError of mmap. */
  map(overlay: Overlay): void {
    const { at, length, fd, offset, access, shared = true, path } = overlay;
    const protection = access === 'read' ? constants.PROT_READ : constants.PROT_READ | constants.PROT_WRITE;
    const flags = (shared ? constants.MAP_SHARED : constants.MAP_PRIVATE) | constants.MAP_FIXED;
    memory.map(this.address + at, length, protection, flags, fd, offset, path);
  }

  /** Makes more of the reservation usable. The pages added are anonymous until they are mapped. */
  extend(lengthBytes: number): void {
    // The engine sets the protection of everything below the new length to read-write, which the kernel refuses for
    // pages of a file that was opened for reading: whoever extends such a reservation retires it first.
    this.buffer.grow(lengthBytes);
  }

  /**
   * Replaces every page by a fresh anonymous one: views that are still about read zeros and write nowhere. Safe while a
   * job of the thread pool uses the memory, where munmap would be SIGSEGV and detaching the buffer would abort Node.
   *
   * @param from the first page that is replaced.
   */
  retire(from = 0): void {
    const { MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE } = constants;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    const length = toPages(this.buffer.byteLength) - from;
    memory.map(this.address + from, length, PROT_READ | PROT_WRITE, flags, -1, 0);
  }
}
