/* Makes and opens regions by a relative path, then goes elsewhere. */
import { mkdirSync, readdirSync } from 'node:fs';
import { Region } from '@memlane/core';
import { parameters, say } from '../support/speech.ts';

const folder = parameters<string>();
mkdirSync(`${folder}/folder`);
process.chdir(folder);
const region = Region.create('a', 4096);
const opened = Region.open('a');
process.chdir('folder');
const attached = Region.attach(opened.descriptor());
attached.bytes[0] = 5;
const shared = region.bytes[0];
region.file.unlink();
say('result', { path: region.path, opened: opened.descriptor().path, shared, entries: readdirSync(folder) });
