// Many short lives of producers in one process: { path, traffic, firstLife, lives, atOnce, most }. Each life writes up to
// `most` messages whose type is its number and theirs, and leaves. Says 'full' when so many are attached for the first time,
// 'written' with the number of messages of each life.
import { FULL, openRing, type Producer } from 'memlane';
import { packKey } from '../ring/storm-journal.ts';
import { fill, lengthOf, type Traffic } from '../ring/traffic.ts';
import { Random } from '../support/random.ts';
import { Commands, parameters, pause, say } from '../support/speech.ts';

const { path, traffic, firstLife, lives, atOnce, most } = parameters<{
  path: string;
  traffic: Traffic;
  firstLife: number;
  lives: number;
  atOnce: number;
  most: number;
}>();
const random = new Random(traffic.seed + firstLife);
const ring = openRing(path);
const counts: number[] = [];

interface Life {
  readonly producer: Producer;
  readonly life: number;
  readonly count: number;
  number: number;
}

let begun = 0;
const begin = (): Life => {
  const count = random.below(most + 1);
  counts.push(count);
  const life = firstLife + begun;
  begun += 1;
  return { producer: ring.producer(), life, count, number: 0 };
};

const living = Array.from({ length: atOnce }, begin);
say('full');
await new Commands().next();
while (living.length > 0) {
  const at = random.below(living.length);
  const one = living[at] as Life;
  if (one.number < one.count) {
    write(one);
    if (random.chance(0.01)) await pause(1);
    continue;
  }
  one.producer.close();
  if (begun < lives) living[at] = begin();
  else living.splice(at, 1);
}
say('written', counts);
process.exit();

function write(one: Life): void {
  const key = packKey({ life: one.life, number: one.number });
  const length = lengthOf(traffic, key);
  const offset = one.producer.tryClaim(length, key);
  if (offset === FULL) {
    one.producer.waitSync(1, length);
    return;
  }
  fill(one.producer.view.u8, offset, length, traffic, key);
  one.producer.commit();
  one.number += 1;
}
