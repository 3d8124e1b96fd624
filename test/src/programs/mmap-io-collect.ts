// node --expose-gc mmap-io-collect.js PACKAGE PATH COUNT: maps the file COUNT times and drops the buffers.
// Prints how many mappings of the file /proc/self/maps has with all of them held, and after they were collected.
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { MmapIo } from '@memlane/core/mmap-io';

const [specifier, path, count] = process.argv.slice(2);
const { default: mmap } = (await import(specifier)) as { default: MmapIo };
const collect = globalThis.gc as () => void;

const linesOf = (text: string): number => readFileSync('/proc/self/maps', 'latin1').split(text).length - 1;
const addressSpaceKib = (): number =>
  Number(/^VmSize:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);

const fd = openSync(path, 'r+');
const size = fstatSync(fd).size;
let checksum = 0;
function mapOne(index: number): Buffer {
  const buffer = mmap.map(size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd);
  buffer[index % size] = 1;
  checksum += buffer[index % size];
  return buffer;
}

mapOne(0);
collect();
const before = addressSpaceKib();
let held: Buffer[] | undefined = [];
for (let index = 0; index < Number(count); index++) held.push(mapOne(index));
closeSync(fd);
const whileHeld = linesOf(path);
held = undefined;

// V8 frees array buffers on a thread of its own, some time after the collection.
const deadline = Date.now() + 30_000;
do {
  collect();
  await setTimeout(20);
} while (linesOf(path) > 0 && Date.now() < deadline);

process.stdout.write(
  JSON.stringify({ checksum, whileHeld, afterwards: linesOf(path), grownKib: addressSpaceKib() - before }),
);
