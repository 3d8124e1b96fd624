// For each line 'PATH TIME' it is told: opens or creates that ring at that time (ms since 1970), and says which it got.
import { statSync } from 'node:fs';
import { openOrCreateRing } from 'memlane';
import { Commands, say } from '../support/speech.ts';

const commands = new Commands();
say('ready');
for (;;) {
  const [path = '', time] = (await commands.next()).split(' ');
  while (Date.now() < Number(time)); // all at one moment, as far as the machine allows
  using ring = openOrCreateRing(path, { capacityBytes: 65536 });
  const { ino } = statSync(path);
  say('got', { ino: ring.descriptor().identity.ino, linked: ino });
}
