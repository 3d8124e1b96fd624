import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';
import { O_TMPFILE } from '@memlane/linux';

const openSync = fs.openSync;

/** From here on, no file system of this process knows O_TMPFILE. Not for Jest, whose modules have their own exports. */
export function refuseTmpfile(code: 'EOPNOTSUPP' | 'EISDIR' | 'EACCES' = 'EOPNOTSUPP'): void {
  fs.openSync = (path, flags, mode) => {
    if (typeof flags === 'number' && (flags & O_TMPFILE) === O_TMPFILE)
      throw Object.assign(new Error(code), { code, errno: -constants.errno[code], syscall: 'open' });
    return openSync(path, flags, mode);
  };
  syncBuiltinESMExports();
}
