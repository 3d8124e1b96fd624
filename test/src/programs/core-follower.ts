/* Attaches to a region, and grows its own mapping of it when told. */
import { Region, type RegionDescriptor } from '@memlane/core';
import { Commands, parameters, say } from '../support/speech.ts';

const commands = new Commands();
const region = Region.attach(parameters<RegionDescriptor>());
const first = new Uint8Array(region.buffer, 0, 1);
for (;;) {
  const { length } = region;
  say('sees', { length, size: region.file.length, last: region.bytes[length - 1], first: first[0] });
  region.grow(Number(await commands.next()));
}
