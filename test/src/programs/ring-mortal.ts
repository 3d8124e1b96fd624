// Takes a place in a ring, waits until the other side sleeps, and is killed by its next system call of that name, which
// is the one that would have woken the other side: { path, role, call, other? }. Says 'survived' when it was not.
import { replaceSystemCall, type SystemCalls } from '@memlane/linux';
import { openRing } from 'memlane';
import { asleep, CONSUMER, PRODUCER } from '../ring/ring-bytes.ts';
import { parameters, pause, say } from '../support/speech.ts';

const {
  path,
  role,
  call,
  when,
  other = role === 'producer' ? CONSUMER : PRODUCER,
} = parameters<{
  path: string;
  role: 'producer' | 'consumer';
  call: keyof SystemCalls;
  when: 'attaching' | 'working';
  /** Slot of who is to sleep. */
  other?: number;
}>();
const ring = openRing(path);

if (when === 'attaching') dieIn(call);
const end = role === 'producer' ? ring.producer() : ring.consumer();
say('attached');

// Attaching has woken the other side for a look; only when it sleeps again is there somebody to be woken.
for (let calm = 0; calm < 5; calm++) {
  await pause(10);
  if (!asleep(path, other)) calm = 0;
}
if (when === 'working') dieIn(call);

if ('tryWrite' in end) end.tryWrite('last words');
else end.poll(() => {});
say('survived');

function dieIn(name: keyof SystemCalls): void {
  replaceSystemCall(name, (original) => {
    const deadly = (...parameters: unknown[]): unknown => {
      process.kill(process.pid, 'SIGKILL');
      return (original as (...parameters: unknown[]) => unknown)(...parameters);
    };
    return deadly as typeof original;
  });
}
