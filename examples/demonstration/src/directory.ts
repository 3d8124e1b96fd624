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

export function removeDirectory(directory: string): void {
  // A process that is just being killed may still put a file there.
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
