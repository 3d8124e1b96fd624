// Lies about everything in a ring file as fast as it can, and lets the honest ones begin anew now and then:
// { path, seed, forMs }.
import { Region } from 'memlane';
import { Liar, someLie } from '../fuzz/lies.ts';
import { Random } from '../support/random.ts';
import { parameters, pause, say } from '../support/speech.ts';

const { path, seed, forMs } = parameters<{ path: string; seed: number; forMs: number }>();
const random = new Random(seed);
using liar = new Liar(Region.open(path));
say('lying');
const end = performance.now() + forMs;
let lies = 0;
for (let siege = 0; performance.now() < end; siege++) {
  // In turn: anything; everything but positions, which end a conversation at once; nothing but lengths.
  const lengths = random.pick([30, 1000, 20_000]);
  for (let n = 0; n < lengths; n++) {
    const lie = someLie(random);
    if (siege % 3 > 0 && lie.of === 'position') continue;
    if (siege % 3 > 1 && lie.of === 'word') continue;
    liar.tell(lie);
    lies += 1;
  }
  if (siege % 4 === 0) await pause(random.below(3));
  liar.repent(random.next());
  if (siege % 2 === 0) await pause(random.below(4));
}
liar.repent(0);
say('ended', lies);
