import { spawnSync } from 'node:child_process';

/** Cuts a file, or makes it longer by a hole, from another process; returns when that is done. */
export function cut(path: string, length: number): void {
  const { status, stderr } = spawnSync('truncate', [`--size=${length}`, path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`truncate: ${stderr}`);
}
