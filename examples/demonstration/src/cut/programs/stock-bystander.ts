// Does the same as bystander.ts with mmap-io in place of memlane. It is not expected to come to an end of its own.
// stock-bystander FILE
import { openSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { report } from '../../role.ts';
import { PAUSE_MS, readPages } from '../pages.ts';

/** What is used of it. Its own types are missing where it is. */
interface MmapIo {
  readonly PROT_READ: number;
  readonly MAP_SHARED: number;
  map(bytes: number, protection: number, flags: number, fd: number): Buffer;
}

/** An optional dependency: it has to be compiled. */
async function load(): Promise<MmapIo | undefined> {
  const name: string = 'mmap-io';
  try {
    return (await import(name)).default;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND') report({ failure: 'it is not installed' });
    else if (message.includes('NODE_MODULE_VERSION'))
      report({ failure: 'it was compiled for another version of Node.js' });
    else report({ failure: `it cannot be loaded: ${message.split('\n')[0]}` });
    return undefined;
  }
}

const mmap = await load();
if (mmap !== undefined) {
  const path = process.argv[2];
  const bytes = mmap.map(statSync(path).size, mmap.PROT_READ, mmap.MAP_SHARED, openSync(path, 'r'));
  readPages(bytes);
  report({ ready: true });
  for (;;) {
    await delay(PAUSE_MS);
    readPages(bytes);
  }
}
