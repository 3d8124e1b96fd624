// Opens a ring whose two sides move on by many rings between every two loads of the observer, some times in a row, and
// then stand still: { path, capacityBytes }. Says 'ended' with the backlogs that it saw.
import { openRing } from 'memlane';
import { cursor, lane, locate, peek, poke } from '../ring/ring-bytes.ts';
import { parameters, say } from '../support/speech.ts';

const { path, capacityBytes } = parameters<{ path: string; capacityBytes: number }>();
const consumedAt = locate(cursor, 'consumed').offset >> 2;
const publishedAt = locate(lane, 'published').offset >> 2;
let moves = 0;

// There is no seam below the memory operations, so the engine's own one is wrapped. (By that name, for nothing but
// memory.ts may say it.)
const operations = Reflect.get(globalThis, 'Atomics') as { load(words: Int32Array, index: number): number };
const load = operations.load;
operations.load = (words, index) => {
  const value = load(words, index);
  if ((index === consumedAt || index === publishedAt) && moves > 0) {
    moves -= 1;
    poke(path, lane, 'published', peek(path, lane, 'published') + 5 * capacityBytes);
    poke(path, cursor, 'consumed', peek(path, cursor, 'consumed') + 5 * capacityBytes);
  }
  return value;
};

const backlogs: number[] = [];
for (let round = 0; round < 20; round++) {
  moves = round;
  using ring = openRing(path, { access: 'read' });
  moves = round;
  backlogs.push(ring.statistics().backlogBytes);
}
say('ended', { backlogs, moved: peek(path, lane, 'published') !== 0 });
