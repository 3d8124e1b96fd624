// Reads until told to end, each value checked: { path, way }. Says 'result': { reads, changes, version }, in the end.
import { openLatestValue, type VersionedValue } from 'memlane';
import { fault, VALUE_BYTES } from '../latest/pattern.ts';
import { Commands, parameters, say } from '../support/speech.ts';

type Way = 'read' | 'readInto' | 'waitSync' | 'iterate';
const { path, way } = parameters<{ path: string; way: Way }>();
const commands = new Commands();
let over = false;
const ending = commands.next().then(() => {
  over = true;
});
const reader = openLatestValue(path).reader();
const target = new Uint8Array(VALUE_BYTES);
const words = new Int32Array(target.buffer);
let [reads, changes, last] = [0, 0, reader.version];
say('ready');

function check(length: number, version: number): void {
  if (length < 0) return;
  const wrong = fault(words, length, version);
  if (wrong !== undefined) throw new Error(wrong);
  if (((version - last) | 0) < 0) throw new Error(`version ${version} came after ${last}`);
  reads += 1;
  if (version !== last) changes += 1;
  last = version;
}

function checkCopy({ data, version }: VersionedValue): void {
  target.set(data);
  check(data.length, version);
}

if (way === 'iterate') {
  const abort = new AbortController();
  ending.then(() => abort.abort());
  try {
    for await (const value of reader.values({ signal: abort.signal })) checkCopy(value);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  }
}
while (!over) {
  for (let look = 0; look < 200; look++) {
    if (way === 'waitSync') reader.waitSync(1);
    if (way === 'read') {
      const value = reader.read();
      if (value !== null) checkCopy(value);
    } else check(reader.readInto(target), reader.version);
  }
  await new Promise(setImmediate);
}
say('result', { reads, changes, version: last });
process.exit();
