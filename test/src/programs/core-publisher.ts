/* Creates files and publishes them, against others who want the same names. */
import { readFileSync } from 'node:fs';
import { Region, SharedFile } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { refuseTmpfile } from '../core/refuse-tmpfile.ts';
import { Commands, parameters, say, thrownBy } from '../support/speech.ts';

const { folder, number, tmpfile } = parameters<{ folder: string; number: number; tmpfile: boolean }>();
if (!tmpfile) refuseTmpfile();
const commands = new Commands();
say('ready');

function race(round: number): string {
  const path = `${folder}/race-${round}`;
  const file = SharedFile.createUnnamed(folder, PAGE_SIZE);
  const region = Region.map(file, {});
  region.bytes.fill(number);
  const code = thrownBy(() => file.publish(path))?.code;
  region.close();
  if (code === undefined) return 'won';
  if (code !== 'ERR_MEMLANE_EXISTS') return code;
  const bytes = readFileSync(path);
  return `lost to ${bytes.equals(Buffer.alloc(PAGE_SIZE, bytes[0])) ? bytes[0] : 'half a file'}`;
}

const command = await commands.next();
if (command === 'create') {
  SharedFile.createUnnamed(folder, PAGE_SIZE);
  say('created');
  await commands.next();
}
say(
  'outcomes',
  Array.from({ length: Number(command.split(' ')[1]) }, (_, round) => race(round)),
);
process.exit();
