// Looks whether a check can miss a fault that lies between it and another, in code that was optimised with no fault in
// it: { path, rounds }. Says 'result': how often each way of checking has missed one.
import { memory } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { Region } from 'memlane';
import { cut } from '../guard/cut.ts';
import { parameters, say, thrownBy } from '../support/speech.ts';

const PAGES = 8;
const WARM_UPS = 20_000;

const { path, rounds } = parameters<{ path: string; rounds: number }>();
using region = Region.create(path, PAGES * PAGE_SIZE);
const words = new Int32Array(region.buffer, 0, region.length / 4);
const far = (PAGES * PAGE_SIZE) / 4 - 1;

const ways: Readonly<Record<string, () => number>> = {
  'before and after a read': () => {
    region.check();
    const value = words[far] as number;
    region.check();
    return value;
  },
  'after each step of a loop': () => {
    let sum = 0;
    for (let i = 0; i <= far; i += 1024) {
      sum += words[i] as number;
      region.check();
    }
    return sum;
  },
  'once, after a loop that has checked before': () => {
    region.check();
    let sum = 0;
    for (let i = 0; i <= far; i += 1024) sum += words[i] as number;
    region.check();
    return sum;
  },
  'after a store': () => {
    region.check();
    words[far] = 5;
    region.check();
    return 5;
  },
  'the counter itself, as in a lane': () => {
    const { counters, counter, acknowledged } = region.faults as NonNullable<Region['faults']>;
    if (memory.load(counters, counter) !== acknowledged) throw new Error('before the fault');
    const value = words[far] as number;
    if (memory.load(counters, counter) !== acknowledged) region.check();
    return value;
  },
};

const missed: Record<string, number> = {};
for (const [name, look] of Object.entries(ways)) {
  missed[name] = 0;
  for (let i = 0; i < WARM_UPS; i++) look();
  for (let round = 0; round < rounds; round++) {
    cut(path, PAGE_SIZE);
    if (thrownBy(look)?.code !== 'ERR_MEMLANE_TRUNCATED') missed[name]++;
    cut(path, PAGES * PAGE_SIZE);
    region.remap();
    look(); // and never cries without a fault
  }
}
say('result', missed);
