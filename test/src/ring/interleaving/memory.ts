import { beforeStep, isNested } from './turn.ts';

/*
 * What ./hooks.ts puts in the place of packages/core/src/memory.ts: the same operations, before each of which somebody else
 * may have a turn.
 */

type Memory = typeof import('@memlane/core')['memory'];

// With a query, or it would be this module.
const real: Memory = await import(new URL('memory.js?real', import.meta.resolve('@memlane/core')).href);

export const load: Memory['load'] = (words, index) => {
  beforeStep();
  return real.load(words, index);
};

export const store: Memory['store'] = (words, index, value) => {
  beforeStep();
  real.store(words, index, value);
};

export const getAndAdd: Memory['getAndAdd'] = (words, index, delta) => {
  beforeStep();
  return real.getAndAdd(words, index, delta);
};

export const setBits: Memory['setBits'] = (words, index, bits) => {
  beforeStep();
  real.setBits(words, index, bits);
};

export const clearBits: Memory['clearBits'] = (words, index, bits) => {
  beforeStep();
  real.clearBits(words, index, bits);
};

export const compareAndSet: Memory['compareAndSet'] = (words, index, expected, value) => {
  beforeStep();
  return real.compareAndSet(words, index, expected, value);
};

export const fence: Memory['fence'] = () => {
  beforeStep();
  real.fence();
};

export const pause: Memory['pause'] = () => real.pause();

/** Who has his turn in the middle of another's step cannot wait for a lock that the other one holds. */
export const sleepSync: Memory['sleepSync'] = (ms) => {
  if (isNested()) throw new Error('contended');
  real.sleepSync(ms);
};
