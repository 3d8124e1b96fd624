// Creates a ring and is killed by its first system call of that name, before it or after it: { path, call, after, shape? }.
import { replaceSystemCall, type SystemCalls } from '@memlane/linux';
import { createRing, type RingShape } from 'memlane';
import { parameters, say } from '../support/speech.ts';

const { path, call, after, shape } = parameters<{
  path: string;
  call: keyof SystemCalls;
  after: boolean;
  shape?: RingShape;
}>();
replaceSystemCall(call, (original) => {
  const deadly = (...parameters: unknown[]): unknown => {
    if (after) (original as (...parameters: unknown[]) => unknown)(...parameters);
    process.kill(process.pid, 'SIGKILL');
    throw new Error('still alive');
  };
  return deadly as typeof original;
});
createRing(path, { capacityBytes: 65536, ...shape });
say('survived');
