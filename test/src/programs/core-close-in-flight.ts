/* Closes a region while a job of the thread pool reads or writes it. */
import { randomFill } from 'node:crypto';
import { openSync, readFileSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { deflate, inflateSync } from 'node:zlib';
import { Region } from '@memlane/core';
import { parameters, say } from '../support/speech.ts';

const { path, job } = parameters<{ path: string; job: 'deflate' | 'write' | 'randomFill' }>();
const length = 64 * 2 ** 20;
const region = Region.create(path, length);
const { bytes } = region;
// Nothing that deflates at once.
const numbers = new Float64Array(region.buffer, 0, length / 8);
for (let i = 0; i < numbers.length; i++) numbers[i] = Math.sqrt(i + 1);
const before = Buffer.from(bytes);

const jobs = {
  deflate: async () => inflateSync(await promisify(deflate)(bytes, { level: 1 })),
  write: async () => {
    const copy = `${path}.copy`;
    const fd = openSync(copy, 'w+');
    await promisify(write)(fd, bytes, 0, length, 0);
    return readFileSync(copy);
  },
  randomFill: async () => {
    await promisify(randomFill as (view: Uint8Array, done: (error: Error | null) => void) => void)(bytes);
    return undefined;
  },
};

/** Whether each byte is that of `whole` or 0. */
function partOf(bytes: Buffer, whole: Buffer): boolean {
  const block = 2 ** 16;
  for (let at = 0; at < bytes.length; at += block) {
    const [some, all] = [bytes.subarray(at, at + block), whole.subarray(at, at + block)];
    if (!some.equals(all) && !some.every((byte, index) => byte === 0 || byte === all[index])) return false;
  }
  return true;
}

let ended = false;
const running = jobs[job]().finally(() => {
  ended = true;
});
// Without a turn of the event loop, in which the job could be found to have ended.
const start = performance.now();
while (performance.now() < start + 3);
const inFlight = !ended;
region.close();
const atClose = readFileSync(path);
const outcome = await running;

say('result', {
  inFlight,
  // What was read before the close, zeros after it: every byte is one or the other.
  plausible: outcome === undefined || (outcome.length === length && partOf(outcome, before)),
  fileAsAtClose: readFileSync(path).equals(atClose) && (job === 'randomFill' || atClose.equals(before)),
});
