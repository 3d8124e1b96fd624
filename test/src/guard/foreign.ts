import { closeSync, openSync } from 'node:fs';
import { constants, memory, PAGE_SIZE, viewMemory } from '@memlane/linux';

/** Maps a file where nobody watches: a fault in it must end the process, as it would without the guard. */
export function mapUnwatched(
  path: string,
  access: 'read' | 'readwrite',
  pages: number,
): { address: number; bytes: Uint8Array } {
  const fd = openSync(path, access === 'read' ? 'r' : 'r+');
  const protection = constants.PROT_READ | (access === 'read' ? 0 : constants.PROT_WRITE);
  const length = pages * PAGE_SIZE;
  const address = memory.map(0, length, protection, constants.MAP_SHARED, fd, 0);
  closeSync(fd);
  return { address, bytes: new Uint8Array(viewMemory(address, length)) };
}
