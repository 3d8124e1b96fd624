// Removes the folder of the demonstration when its process is gone, also by kill -9: the pipe from it then ends.
// janitor DIRECTORY
import { once } from 'node:events';
import { removeDirectory } from '../directory.ts';

await once(process.stdin.resume(), 'end');
removeDirectory(process.argv[2]);
