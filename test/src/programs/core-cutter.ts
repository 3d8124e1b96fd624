/* Tries to change the length of somebody's anonymous memory by every way there is. */
import { spawnSync } from 'node:child_process';
import { constants, ftruncateSync, openSync, truncateSync } from 'node:fs';
import { addSeals, constants as linux } from '@memlane/linux';
import { parameters, say, thrownBy } from '../support/speech.ts';

const { path } = parameters<{ path: string }>();
const fd = openSync(path, constants.O_RDWR);
say('result', {
  ftruncate: thrownBy(() => ftruncateSync(fd, 0)),
  grow: thrownBy(() => ftruncateSync(fd, 2 ** 20)),
  truncate: thrownBy(() => truncateSync(path, 1)),
  openForWriting: thrownBy(() => openSync(path, 'w')),
  unseal: thrownBy(() => addSeals(fd, linux.F_SEAL_WRITE)),
  truncateCommand: spawnSync('env', ['truncate', '--size=1', path]).status,
});
