// Cuts files when it is told to, after as many microseconds as it is told, and perhaps makes them as long again: a line
// of JSON { path, length, regrowTo?, delayUs } each. Says 'cut' for each.
import { truncateSync } from 'node:fs';
import { Commands, say } from '../support/speech.ts';

const commands = new Commands();
say('ready');
for (;;) {
  const { path, length, regrowTo, delayUs } = JSON.parse(await commands.next());
  for (const end = performance.now() + delayUs / 1000; performance.now() < end; );
  truncateSync(path, length);
  if (regrowTo !== undefined) truncateSync(path, regrowTo);
  say('cut');
}
