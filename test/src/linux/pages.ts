import { closeSync, openSync } from 'node:fs';
import { addressOf, constants, memory, PAGE_SIZE } from '@memlane/linux';

const { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } = constants;

/** Address space that pages of a file may be laid over, and a view of it. */
export interface Pages {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export function reserve(pages: number): Pages {
  const length = pages * PAGE_SIZE;
  const bytes = new Uint8Array(new SharedArrayBuffer(length, { maxByteLength: length }), 0, length);
  return { address: addressOf(bytes), bytes };
}

/** Makes pages anonymous again, so that the engine gets back what it gave. */
function giveBack({ address, bytes }: Pages): void {
  memory.map(address, bytes.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/** Lays the first pages of a file over shared memory, until the end of the scope. */
export function mapShared(file: string | number, pages = 1): Pages & Disposable {
  const { address, bytes } = reserve(pages);
  const fd = typeof file === 'number' ? file : openSync(file, 'r+');
  try {
    memory.map(address, bytes.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  } finally {
    if (typeof file === 'string') closeSync(fd);
  }
  return { address, bytes, [Symbol.dispose]: () => giveBack({ address, bytes }) };
}
