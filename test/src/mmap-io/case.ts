import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MmapIo } from '@memlane/core/mmap-io';

/** What a case did: returned a value that survives JSON, threw, or took its process with it. */
export type Outcome =
  | { readonly returns: unknown }
  | { readonly throws: string }
  | { readonly dies: 'SIGSEGV' | 'SIGABRT' };

/** One thing that users of mmap-io can observe. */
export interface Case {
  readonly name: string;
  readonly run: (mmap: MmapIo, folder: string) => unknown;
  /** What both packages do, or what each does; 'depends' where the original's answer hangs on its neighbours in memory. */
  readonly expect: Outcome | { readonly dropIn: Outcome; readonly original: Outcome | 'depends' };
}

/** Bytes of a page, from the kernel: nothing of ours is trusted with it here. */
export const PAGE: number =
  1024 * Number(/^KernelPageSize: *(\d+) kB$/m.exec(readFileSync('/proc/self/smaps', 'latin1'))?.[1]);

/** Bytes of the file that most cases map: four pages and a part of a fifth. */
export const SIZE: number = 5 * PAGE - 480;

/** The four characters at a byte offset of that file: the offset's last four digits. */
export function spelled(offset: number): string {
  return String(offset % 10000).padStart(4, '0');
}

/** A file of SIZE bytes that spells its own offsets: '0000', '0004', ... */
export function fileIn(folder: string): string {
  const path = join(folder, 'file');
  writeFileSync(path, Array.from({ length: SIZE / 4 }, (_, index) => spelled(index * 4)).join(''));
  return path;
}

export function mapped(mmap: MmapIo, folder: string, flags: number = mmap.MAP_SHARED): Buffer {
  const fd = openSync(fileIn(folder), 'r+');
  return mmap.map(SIZE, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd);
}

export const returns: (value: unknown) => Outcome = (value) => ({ returns: value });
export const throws: (message: string) => Outcome = (message) => ({ throws: message });

/** The outcome that a package must have, or 'depends'. */
export function expected({ expect }: Case, implementation: 'dropIn' | 'original'): Outcome | 'depends' {
  return 'dropIn' in expect ? expect[implementation] : expect;
}
