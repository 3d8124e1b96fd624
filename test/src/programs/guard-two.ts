// Two guards in one process, as two versions of memlane would bring: { path, copy, order, foreign }. Says 'result' with
// the faults that each has repaired.
import { openSync, writeFileSync } from 'node:fs';
import { NativeLibrary, PAGE_SIZE, viewMemory } from '@memlane/linux';
import { cut } from '../guard/cut.ts';
import { mapUnwatched } from '../guard/foreign.ts';
import { parameters, say } from '../support/speech.ts';

interface Plan {
  readonly path: string;
  /** Where a copy of the shared object is: for the loader, another one. */
  readonly copy: string;
  readonly order: 'copy first' | 'copy last' | 'cycle';
  /** A signal that concerns neither: of an access, or sent. */
  readonly foreign: 'fault' | 'kill' | null;
}

const PAGES = 3000;
const { path, copy, order, foreign } = parameters<Plan>();

const library = new NativeLibrary(copy);
const theirs = {
  install: library.bind('int guard_install(uint32_t pageBytes)'),
  control: library.bind('uintptr_t guard_control()'),
  watch: library.bind(
    'int guard_watch(uint64_t start, uint64_t bytes, int fd, uint64_t fileOffset, uint32_t protection, uint32_t owner, int counter)',
  ),
};
if (order === 'copy first') theirs.install(PAGE_SIZE);
const { guard, Region } = await import('memlane');
using region = Region.create(path, PAGES * PAGE_SIZE);
if (order !== 'copy first') theirs.install(PAGE_SIZE);
// A region that is opened looks after the handlers, and finds those of the copy.
using readOnly = order === 'copy last' ? undefined : Region.open(path, { access: 'read' });

writeFileSync(`${path}2`, new Uint8Array(PAGES * PAGE_SIZE));
if (foreign === 'kill') {
  say('stepping');
  process.kill(process.pid, 'SIGBUS');
}
if (foreign === 'fault') {
  const { bytes } = mapUnwatched(`${path}2`, 'readwrite', PAGES);
  cut(`${path}2`, 0);
  say('stepping');
  say('survived', bytes[0]);
}

const { address, bytes } = mapUnwatched(`${path}2`, 'read', PAGES);
theirs.watch(address, PAGES * PAGE_SIZE, openSync(`${path}2`, 'r'), 0, 1, 0, -1);

/** Stores into every page by one instruction. */
function touch(pages: Uint8Array): void {
  for (let i = 0; i < pages.length; i += PAGE_SIZE) pages[i] = 7;
}

touch(bytes);
const before = guard.status().faults;
// The last order leaves no second region open: watching one would install our handlers again.
if (readOnly !== undefined) touch(readOnly.bytes);
const oursReadOnly = readOnly === undefined ? PAGES : guard.status().faults - before;
const beforeCut = guard.status().faults;
cut(path, PAGE_SIZE);
touch(region.bytes);
const faults = new Int32Array(viewMemory(Number(theirs.control()), 12))[2];
const intact = [bytes, region.bytes].every((pages) => pages.every((byte, i) => byte === (i % PAGE_SIZE === 0 ? 7 : 0)));
say('result', { ours: guard.status().faults - beforeCut, oursReadOnly, theirs: faults, intact });
