/* Creates files where the file system has no files without a name. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { Region, SharedFile } from '@memlane/core';
import { PAGE_SIZE, replaceSystemCall } from '@memlane/linux';
import { refuseTmpfile } from '../core/refuse-tmpfile.ts';
import { parameters, say, thrownBy } from '../support/speech.ts';

const folder = parameters<string>();
const entries = (): string[] => readdirSync(folder).sort();
refuseTmpfile('EOPNOTSUPP');

const file = SharedFile.createUnnamed(folder, PAGE_SIZE);
const hidden = entries();
const hiddenMode = statSync(`${folder}/${hidden[0]}`).mode & 0o777;
const pathBefore = file.path ?? null;
writeFileSync(file.handoverPath, 'complete', { flag: 'r+' });
file.publish(`${folder}/a`);
const published = entries();
file.close();
const links = statSync(`${folder}/a`).nlink;
const contents = readFileSync(`${folder}/a`, 'utf8').slice(0, 8);

// What the kernels say that have never heard of the flag.
refuseTmpfile('EISDIR');
const exists = thrownBy(() => Region.create(`${folder}/a`, PAGE_SIZE))?.code;
const existsAfterwards = entries();
let full: string | undefined;
{
  using _fault = replaceSystemCall('fallocate', () => () => -28);
  full = thrownBy(() => Region.create(`${folder}/b`, PAGE_SIZE))?.code;
}
const fullAfterwards = entries();
const tooLarge = thrownBy(() => Region.create(`${folder}/b`, PAGE_SIZE, { maxLength: 2 ** 50 }))?.code;
const tooLargeAfterwards = entries();
Region.create(`${folder}/b`, PAGE_SIZE).close();
const region = entries();
refuseTmpfile('EACCES');
const other = thrownBy(() => Region.create(`${folder}/c`, PAGE_SIZE))?.code;

say('result', {
  hidden,
  hiddenMode,
  pathBefore,
  published,
  links,
  contents,
  existsAfterwards,
  exists,
  full,
  fullAfterwards,
  tooLarge,
  tooLargeAfterwards,
  region,
  other,
});
