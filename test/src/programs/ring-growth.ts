// Writes into a ring that grows, and resizes it all the time: { path, role: 'producer', life }; or joins it from the oldest
// message on, reads some, and joins again: { path, role: 'consumer', stays? }. Message n of a life has the type that `typeOf`
// in ../ring/growth.ts says. Says 'ready' when it is attached. Killed in the end.
import { memory } from '@memlane/core';
import { FULL, type MemlaneError, openRing, type Producer } from 'memlane';
import { Succession, wordsOf } from '../ring/growth.ts';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

const { path, role, life, levels, stays } = parameters<{
  path: string;
  role: 'producer' | 'consumer';
  life: number;
  levels: number;
  stays?: boolean;
}>();
const judge = process.ppid;
const random = new Random(life + 1);
const ring = openRing(path);
if (role === 'producer') produce(ring.producer());
else if (stays) {
  const consumer = ring.consumer({ from: 'oldest' });
  say('ready');
  setInterval(() => consumer.isPeerAlive(), 1000);
} else consume();

function produce(producer: Producer): void {
  say('ready');
  for (let n = 0; process.ppid === judge; ) {
    if (random.chance(0.05)) resize(producer);
    const words = wordsOf(life, n);
    const offset = producer.tryClaim(words.byteLength, words[0]);
    if (offset === FULL) producer.waitSync(10, words.byteLength);
    else {
      producer.view.i32.set(words, offset >> 2);
      producer.commit();
      n += 1;
    }
    if (random.chance(0.01)) memory.sleepSync(1);
  }
}

function resize(producer: Producer): void {
  try {
    producer.resize(ring.capacityBytes << random.below(levels + 1));
  } catch (error) {
    if ((error as MemlaneError).code !== 'ERR_MEMLANE_BUSY') throw error;
  }
}

function consume(): void {
  for (let joins = 0; process.ppid === judge; joins++) {
    const consumer = ring.consumer({ from: random.chance(0.8) ? 'oldest' : 'now' });
    const succession = new Succession();
    for (let polls = random.below(20); polls > 0; polls--) {
      consumer.poll(succession.handler, random.below(50));
      if (random.chance(0.05)) memory.sleepSync(1);
    }
    consumer.close();
    if (joins === 0) say('ready');
  }
}
