// Cuts the file of a region, then closes it, while the thread pool works on it: { path, job }. Says 'result'.
import { randomFill } from 'node:crypto';
import { openSync, readFileSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { PAGE_SIZE } from '@memlane/linux';
import { guard, Region } from 'memlane';
import { cut } from '../guard/cut.ts';
import { parameters, say, thrownBy } from '../support/speech.ts';

const { path, job } = parameters<{ path: string; job: keyof typeof jobs }>();
const region = Region.create(path, 32 * 2 ** 20);
const { bytes } = region;
bytes.set(Buffer.alloc(bytes.length, 'not the same everywhere'));

const jobs = {
  deflate: () => promisify(deflate)(bytes, { level: 9 }),
  randomFill: () => promisify(randomFill as (view: Uint8Array, done: (error: Error | null) => void) => void)(bytes),
  write: () => promisify(write)(openSync(`${path}2`, 'w'), bytes, 0, bytes.length, 0),
};

// As many as the pool has threads. Refused by the kernel (EFAULT) where it makes the access itself.
const running = Promise.allSettled([jobs[job](), jobs[job](), jobs[job](), jobs[job]()]);
cut(path, PAGE_SIZE);
// Here at the latest; the job perhaps was here before.
const last = bytes[bytes.length - 1];
const check = thrownBy(() => region.check())?.code;
const before = readFileSync(path);
region.close();
bytes.fill(1);
await running;
const { faults, failed, passedOn, watched } = guard.status();
say('result', {
  last: job === 'randomFill' ? 0 : last,
  check,
  status: { faults, failed, passedOn, watched },
  untouched: job === 'randomFill' || readFileSync(path).equals(before),
});
