// The folder of one demonstration: in memory, and gone afterwards.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Complaint } from './complaint.ts';

/** @throws Complaint */
export function makeDirectory(): string {
  const parent = process.env.MEMLANE_DIR ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
  try {
    return mkdtempSync(join(parent, 'memlane-demonstration-'));
  } catch (error) {
    throw new Complaint(`${parent}: no folder can be made there: ${(error as Error).message}`);
  }
}

/** Removes the folder; returns whether it is gone. A process that is just being killed may still put a file there. */
export function removeDirectory(directory: string): boolean {
  try {
    rmSync(directory, { recursive: true, force: true, maxRetries: 1, retryDelay: 50 });
  } catch {
    // Sometimes it says so when the folder has not become empty, sometimes not.
  }
  return !existsSync(directory);
}
