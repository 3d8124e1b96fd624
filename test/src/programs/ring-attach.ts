// Opens a ring, takes a place in it and says what was found: { path, role, call? }. Killed by its first system call of
// that name, if one is given. Stays until told anything.
import { replaceSystemCall, type SystemCalls } from '@memlane/linux';
import { openRing } from 'memlane';
import { Commands, parameters, plainError, say } from '../support/speech.ts';

const { path, role, call } = parameters<{ path: string; role: 'producer' | 'consumer'; call?: keyof SystemCalls }>();
const commands = new Commands();
if (call !== undefined)
  replaceSystemCall(call, () => (): never => {
    process.kill(process.pid, 'SIGKILL');
    throw new Error('still alive');
  });
try {
  const ring = openRing(path);
  const end = role === 'producer' ? ring.producer() : ring.consumer();
  say('attached', { peerAlive: end.isPeerAlive() });
} catch (error) {
  say('refused', plainError(error));
}
await commands.next();
process.exit();
