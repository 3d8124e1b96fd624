// Lets the lengths of all records of a ring of 8-byte messages flicker between right and wrong: { path, forMs }.
import { Region } from 'memlane';
import { dataOffset } from '../ring/ring-bytes.ts';
import { parameters, say } from '../support/speech.ts';

const { path, forMs } = parameters<{ path: string; forMs: number }>();
const RECORD_WORDS = 4;
using region = Region.open(path);
const words = new Int32Array(region.buffer, dataOffset, (region.length - dataOffset) >> 2);

say('lying');
const end = performance.now() + forMs;
while (performance.now() < end)
  for (let times = 0; times < 1000; times++)
    for (const length of [8, -1, 8, 5000])
      for (let word = 0; word < words.length; word += RECORD_WORDS) words[word] = ~length;
say('ended');
