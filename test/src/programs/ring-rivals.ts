// Takes and gives back a place in a ring of that name, or removes the ring, over and over: { path, work, forMs }.
// Says 'ended' with how often what came of it; dies of what must not come of it.
import { statSync } from 'node:fs';
import { openOrCreateRing, removeRing } from 'memlane';
import { parameters, say, thrownBy } from '../support/speech.ts';

const { path, work, forMs } = parameters<{ path: string; work: 'attach' | 'remove'; forMs: number }>();
const ALLOWED = {
  attach: ['done', 'ERR_MEMLANE_BUSY', 'ERR_MEMLANE_DELETED'],
  remove: ['done', 'ERR_MEMLANE_BUSY', 'ERR_MEMLANE_DELETED', 'ENOENT'],
};
const outcomes: Record<string, number> = {};
const end = performance.now() + forMs;
while (performance.now() < end) {
  const outcome = thrownBy(work === 'attach' ? attach : remove)?.code ?? 'done';
  if (!ALLOWED[work].includes(outcome)) throw new Error(`${work}: ${outcome}`);
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
say('ended', outcomes);

function remove(): void {
  removeRing(path);
}

/** Whoever holds a place holds it in the ring that has the name, for as long as the place is held. */
function attach(): void {
  using ring = openOrCreateRing(path, { capacityBytes: 4096 });
  using producer = ring.producer();
  const { ino } = ring.descriptor().identity;
  for (let look = 0; look < 5; look++) {
    producer.tryWrite('x');
    const named = statSync(path, { throwIfNoEntry: false })?.ino;
    if (named !== ino)
      throw Object.assign(new Error('removed while in use'), { code: `a place in ${ino}, not ${named}` });
  }
}
