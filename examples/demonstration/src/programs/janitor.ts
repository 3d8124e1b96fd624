// Removes the folder of the demonstration when its process is gone, also by kill -9: the pipe from it then ends.
// janitor DIRECTORY
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { removeDirectory } from '../directory.ts';

const LOOK_MS = 100;
/** Those who are still at work look every second whether their parent is alive, and some put back what is deleted. */
const CLEAN_LOOKS = 30;
const MOST_LOOKS = 300;

await once(process.stdin.resume(), 'end');
for (let looks = 0, clean = 0; looks < MOST_LOOKS && clean < CLEAN_LOOKS; looks++) {
  clean = removeDirectory(process.argv[2]) ? clean + 1 : 0;
  await delay(LOOK_MS);
}
