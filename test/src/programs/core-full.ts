/* Lets a region outgrow a file system of 1 MiB. */
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Region } from '@memlane/core';
import { parameters, say, thrownBy } from '../support/speech.ts';

const folder = parameters<string>();
const path = `${folder}/a`;

const created = thrownBy(() => Region.create(path, 2 ** 21))?.code;
const entries = readdirSync(folder);

const region = Region.create(path, 2 ** 18, { maxLength: 2 ** 24 });
region.bytes.fill(7);
const state = () => {
  const { length } = region;
  const same = region.bytes.subarray(0, 2 ** 18).every((byte) => byte === 7);
  return { length, size: statSync(path).size, bytes: region.buffer.byteLength, value: same ? 7 : -1 };
};
const grow = (length: number) => ({ code: thrownBy(() => region.grow(length))?.code, ...state() });

const refused = grow(2 ** 21);
writeFileSync(`${folder}/b`, Buffer.alloc(600_000));
const again = grow(2 ** 19);
rmSync(`${folder}/b`);
region.grow(2 ** 19);
region.bytes.fill(8, 2 ** 18);
say('result', { created: { code: created, entries }, refused, again, afterwards: state() });
