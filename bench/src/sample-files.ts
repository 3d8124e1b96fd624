import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Everything that the processes of a sample made: what is called as they were told, and what begins so. */
export function filesOf(path: string): string[] {
  const [directory, prefix] = [dirname(path), basename(path)];
  return readdirSync(directory)
    .filter((name) => name === prefix || name.startsWith(`${prefix}.`))
    .map((name) => join(directory, name));
}

export function removeFiles(path: string): void {
  for (const file of filesOf(path)) rmSync(file, { recursive: true, force: true });
}
