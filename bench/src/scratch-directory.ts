import { mkdtempSync, rmSync } from 'node:fs';

/** Makes a directory on shared memory that is gone when this process ends. */
export function makeScratchDirectory(): string {
  const directory = mkdtempSync('/dev/shm/memlane-bench-');
  // Again and again, because a child that has just been killed may still be finishing a system call in it.
  const options = { recursive: true, force: true, maxRetries: 10, retryDelay: 20 };
  process.on('exit', () => rmSync(directory, options));
  return directory;
}
