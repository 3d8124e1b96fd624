// Deletes compiled files whose source is gone. `tsc -b` leaves them, and then a deleted test still runs and a deleted
// module still ships.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { workspaceDirectories } from './workspace.mjs';

const compiled = /(\.d\.ts|\.d\.ts\.map|\.js|\.js\.map)$/;

for (const directory of workspaceDirectories()) {
  const dist = join(directory, 'dist');
  if (!existsSync(dist)) continue;
  for (const file of readdirSync(dist, { recursive: true })) {
    if (compiled.test(file) && !existsSync(join(directory, 'src', file.replace(compiled, '.ts')))) {
      rmSync(join(dist, file));
    }
  }
}
