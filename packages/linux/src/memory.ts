import { orThrow } from './errors.ts';
import { systemCalls } from './system-calls.ts';

/** Bytes of a memory page of this machine: 4096 on x64; 4096, 16384 or 65536 on arm64. */
export const PAGE_SIZE: number = systemCalls.getPageSize();

/** Rounds up to whole pages. */
export function toPages(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
}

/**
 * Maps pages at exactly `address` (MAP_FIXED replaces what is there) or, with address 0, where the kernel likes.
 *
 * @throws LinuxError ENOMEM, EACCES, EINVAL, EAGAIN.
 */
export function map(
  address: number,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
  path?: string,
): number {
  return orThrow(systemCalls.mmap(address, length, protection, flags, fd, offset), 'mmap', path);
}

/** @throws LinuxError */
export function unmap(address: number, length: number): void {
  orThrow(systemCalls.munmap(address, length), 'munmap');
}

/** Writes dirty pages of a mapping back (MS_*). Blocks for the device with MS_SYNC. */
export function sync(address: number, length: number, flags: number, path?: string): void {
  orThrow(systemCalls.msync(address, length, flags), 'msync', path);
}

/** As {@link sync}, on a thread of the pool. The caller keeps the mapping in place until it resolves. */
export function syncOffThread(address: number, length: number, flags: number, path?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    systemCalls.msyncAsync(address, length, flags, (result) => {
      try {
        orThrow(result, 'msync', path);
        resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** @throws LinuxError EFAULT from MADV_POPULATE_* where an access would raise SIGBUS. */
export function advise(address: number, length: number, advice: number, path?: string): void {
  orThrow(systemCalls.madvise(address, length, advice), 'madvise', path);
}

/** One byte a page of the range, bit 0 set when the page is in memory. */
export function residency(address: number, length: number): Uint8Array {
  const pages = new Uint8Array(Math.ceil(length / PAGE_SIZE));
  orThrow(systemCalls.mincore(address, length, pages), 'mincore');
  return pages;
}

/** Keeps a range in memory. @throws LinuxError ENOMEM or EAGAIN past the limit of locked memory. */
export function lock(address: number, length: number): void {
  orThrow(systemCalls.mlock(address, length), 'mlock');
}

/** @throws LinuxError */
export function unlock(address: number, length: number): void {
  orThrow(systemCalls.munlock(address, length), 'munlock');
}
