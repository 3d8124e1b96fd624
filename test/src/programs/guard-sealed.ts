// Tries every way to cut or change memory that somebody else has sealed: { path }. Says 'result'.
import { spawnSync } from 'node:child_process';
import { constants as fs, ftruncateSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { addSeals, constants, truncate } from '@memlane/linux';
import { parameters, rejectionOf, say, thrownBy } from '../support/speech.ts';

const { path } = parameters<{ path: string }>();
const fd = openSync(path, fs.O_RDWR);
const shell = (script: string): boolean =>
  spawnSync('sh', ['-c', script, 'sh', path], { stdio: 'ignore' }).status === 0;

const ways: Readonly<Record<string, () => unknown>> = {
  ftruncate: () => truncate(fd, 0),
  'ftruncate to a page less': () => truncate(fd, 4096),
  'fs.ftruncateSync': () => ftruncateSync(fd, 1),
  'fs.truncateSync': () => truncateSync(path, 0),
  "openSync 'w'": () => openSync(path, 'w'),
  writeFileSync: () => writeFileSync(path, ''),
  'taking the seal away': () => addSeals(fd, 0),
  'another seal': () => addSeals(fd, constants.F_SEAL_WRITE),
};
const results: Record<string, unknown> = {};
for (const [name, way] of Object.entries(ways)) results[name] = thrownBy(way)?.code;
results['FileHandle.truncate'] = (await rejectionOf(async () => (await open(path, 'r+')).truncate(0)))?.code;
results['truncate(1)'] = shell('truncate --size=0 "$1"');
results['redirection of a shell'] = shell(': > "$1"');
results.dd = shell('dd if=/dev/null of="$1"');
say('result', results);
