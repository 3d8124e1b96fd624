/* Opens and closes regions of one file many times, with the collector at work all the while. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Region } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { mappings } from '../linux/proc.ts';
import { parameters, say } from '../support/speech.ts';

const { path, cycles } = parameters<{ path: string; cycles: number }>();
const collect = globalThis.gc as () => void;
const length = 16 * PAGE_SIZE;
const pages = length / PAGE_SIZE;
writeFileSync(path, Buffer.alloc(length), { mode: 0o600 });

const descriptors = (): number => readdirSync('/proc/self/fd').length;
const descriptorsBefore = descriptors();
const mappingsBefore = mappings().length;

/** What each page's first word must be in the end. */
const expected = new Int32Array(pages);
let stale: Uint8Array[] = [];
let wrongStaleBytes = 0;
for (let cycle = 1; cycle <= cycles; cycle++) {
  const region = Region.open(path, { maxLength: 4 * length });
  const page = cycle % pages;
  new Int32Array(region.buffer, page * PAGE_SIZE, 1)[0] = cycle;
  expected[page] = cycle;
  // Allocations of the engine, which must never land in pages of the file.
  stale.push(region.bytes, new Uint8Array(PAGE_SIZE).fill(0xee));
  region.close();
  if (cycle % 100 === 0) {
    for (const [index, view] of stale.entries())
      if (index % 2 === 0) {
        if (view[page * PAGE_SIZE] !== 0) wrongStaleBytes++;
        view[0] = 0xdd;
      }
    stale = [];
    collect();
  }
}
collect();
collect();

const bytes = readFileSync(path);
const after = mappings();
say('result', {
  ofTheFile: after.filter((mapping) => mapping.path.startsWith(path)).length,
  mappings: after.length - mappingsBefore,
  descriptors: descriptors() - descriptorsBefore,
  wrongBytes: bytes.filter(
    (byte, index) =>
      byte !==
      (index % PAGE_SIZE < 4 ? ((expected[Math.floor(index / PAGE_SIZE)] as number) >> (8 * (index % 4))) & 255 : 0),
  ).length,
  wrongStaleBytes,
});
