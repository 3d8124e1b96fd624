// What a region is after faults: { path, scenario }. Says 'result' with what the scenario has seen.
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { NativeLibrary, PAGE_SIZE } from '@memlane/linux';
import { type Fault, guard, Region } from 'memlane';
import { cut } from '../guard/cut.ts';
import { openDescriptors } from '../linux/proc.ts';
import { parameters, say } from '../support/speech.ts';

const { path, scenario } = parameters<{ path: string; scenario: keyof typeof scenarios }>();
const P = PAGE_SIZE;

/** What `action` throws: code, path (true where it is that of the file) and offset. */
function refused(action: () => unknown): unknown {
  try {
    action();
    return 'nothing';
  } catch (error) {
    const { code, path: named, offset } = error as { code: string; path?: string; offset?: number };
    return { code, path: named === path, offset };
  }
}

/** A byte of the file, as others see it. */
function fileByte(at: number): number | undefined {
  return readFileSync(path)[at];
}

function putFileByte(at: number, byte: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Uint8Array.of(byte), 0, 1, at);
  closeSync(fd);
}

const scenarios = {
  /** What a cut costs, in faults: one, however many pages are gone and whatever is done to them. */
  count() {
    const regions = Array.from({ length: 4 }, (_, i) => Region.create(`${path}${i}`, 1000 * P));
    const words = regions.map(({ buffer }) => new Int32Array(buffer, 0, 250 * P));
    const each = (way: (page: Int32Array) => void) =>
      words.map((all) => {
        const before = guard.status().faults;
        for (let page = 0; page < 1000; page++) way(all.subarray((page * P) / 4, ((page + 1) * P) / 4));
        return guard.status().faults - before;
      });
    const store = (page: Int32Array) => page.fill(7);
    const read = (page: Int32Array) => page.reduce((sum, word) => sum + word, 0);
    const whole = each(store);
    cut(`${path}0`, 0);
    cut(`${path}1`, P);
    cut(`${path}2`, 500 * P + 1);
    const gone = [each(read), each(store)];
    const { installed, installs, watched, faults, passedOn, failed } = guard.status();
    const remembered = regions.map((region) => region.faults?.acknowledged === 0);
    for (const region of regions) region.close();
    const status = { installed, installs, watched, faults, passedOn, failed };
    return { whole, gone, status, remembered, afterwards: guard.status().watched };
  },

  remap() {
    using region = Region.create(path, 4 * P);
    const { bytes } = region;
    bytes.fill(1);
    cut(path, P);
    bytes[3 * P] = 9;
    const atFault = refused(() => region.check());
    const whileShort = refused(() => region.remap());
    cut(path, 4 * P);
    putFileByte(2 * P, 5);
    const apart = { here: [bytes[2 * P], bytes[3 * P]], file: fileByte(3 * P), check: refused(() => region.check()) };
    region.remap();
    const check = refused(() => region.check());
    const read = [bytes[0], bytes[2 * P], bytes[3 * P]];
    bytes[3 * P] = 6;
    putFileByte(P, 8);
    const again = { file: fileByte(3 * P), here: bytes[P] };
    cut(path, 2 * P);
    const readAgain = bytes[2 * P + 5];
    return { atFault, whileShort, apart, check, read, again, readAgain, second: refused(() => region.check()) };
  },

  /** The file is cut and touched many times over, and each is found. */
  again() {
    using region = Region.create(path, 4 * P);
    const { bytes } = region;
    let found = 0;
    for (let round = 0; round < 200; round++) {
      // By this process: two hundred others would take a second, and what the guard sees is the same.
      truncateSync(path, P);
      bytes[P + round] = 1;
      if ((refused(() => region.check()) as { offset: number }).offset === P + round) found++;
      truncateSync(path, 4 * P);
      region.remap();
      region.check();
    }
    return { found, faults: guard.status().faults };
  },

  verify() {
    using region = Region.create(path, 4 * P);
    region.verify();
    cut(path, 3 * P + 10);
    const part = [refused(() => region.check()), refused(() => region.verify())];
    cut(path, P);
    const more = [refused(() => region.check()), refused(() => region.verify())];
    using window = Region.open(path, { length: P });
    cut(path, 0);
    const faults = guard.status().faults;
    const all = refused(() => window.verify());
    cut(path, 4 * P);
    return { part, more, all, faults, regrown: refused(() => region.verify()) };
  },

  'verify a window'() {
    using _whole = Region.create(path, 4 * P);
    using window = Region.open(path, { offset: 2 * P, length: P });
    cut(path, 3 * P);
    const enough = refused(() => window.verify());
    cut(path, P);
    const before = refused(() => window.verify());
    const read = window.bytes[7];
    return { enough, before, read, check: refused(() => window.check()) };
  },

  grow() {
    using region = Region.create(path, 2 * P, { maxLength: 64 * P });
    region.grow(40 * P);
    region.bytes.fill(1);
    cut(path, 30 * P);
    const read = [region.bytes[29 * P], region.bytes[35 * P]];
    return { read, faults: guard.status().faults, check: refused(() => region.check()) };
  },

  /** Pages that were replaced before are the file's again, and may be lost again. */
  'grow after a fault'() {
    using region = Region.create(path, P + 100, { maxLength: 64 * P });
    cut(path, 0);
    region.bytes.fill(1);
    const first = refused(() => region.check());
    cut(path, P + 100);
    region.grow(4 * P);
    const kept = refused(() => region.check());
    region.bytes[P] = 3;
    const written = fileByte(P);
    cut(path, 0);
    const read = [region.bytes[P], region.bytes[3 * P]];
    const faults = guard.status().faults;
    cut(path, 4 * P);
    region.remap();
    return { first, kept, written, read, faults, check: refused(() => region.check()) };
  },

  'grow a read-only region after a store'() {
    using writer = Region.create(path, P, { maxLength: 8 * P });
    using reader = Region.open(path, { access: 'read', maxLength: 8 * P });
    reader.bytes[0] = 5;
    writer.grow(4 * P);
    writer.bytes[1] = 6;
    reader.grow(4 * P);
    const read = [reader.bytes[0], reader.bytes[1]];
    reader.bytes[0] = 7;
    reader.bytes[3 * P] = 8;
    return {
      read,
      stored: [reader.bytes[0], reader.bytes[3 * P]],
      file: [fileByte(0), fileByte(3 * P)],
      check: refused(() => reader.check()),
      faults: guard.status().faults,
    };
  },

  mirror() {
    using _whole = Region.create(path, 6 * P);
    using region = Region.open(path, { mirror: 4 * P });
    const all = new Uint8Array(region.buffer, 0, 10 * P);
    all[2 * P] = 4;
    const { watched } = guard.status();
    cut(path, 3 * P);
    const read = [all[6 * P], all[9 * P + 1]]; // both in the mirror, the second one behind the end
    const inMirror = { read, check: refused(() => region.check()), faults: guard.status().faults };
    const there = all[4 * P];
    const both = { there, faults: guard.status().faults };
    cut(path, 6 * P);
    region.remap();
    all[9 * P] = 7;
    return { watched, inMirror, both, check: refused(() => region.check()), twice: [all[5 * P], fileByte(5 * P)] };
  },

  async events() {
    using first = Region.create(path, 8 * P);
    using second = Region.create(`${path}2`, 8 * P);
    const heard: (Fault & { here: boolean })[] = [];
    /** Until it has heard of something, and for as long as it could hear of more. */
    const listened = async () => {
      for (let waits = 0; heard.length === 0 && waits < 1000; waits++) await sleep(10);
      await sleep(50);
    };
    const listener = (fault: Fault) => heard.push({ ...fault, here: fault.path === path });
    guard.on('fault', listener);
    cut(path, P);
    cut(`${path}2`, 0);
    first.bytes[3 * P + 1] = 1;
    await listened();
    const one = heard.splice(0);
    first.bytes[2 * P] = 1;
    second.bytes.fill(0);
    cut(path, 0);
    first.bytes[5] = 1;
    await listened();
    const other = heard.splice(0);
    cut(path, 8 * P);
    first.remap();
    cut(path, 0);
    first.bytes[6] = 1;
    await listened();
    const anew = heard.splice(0);
    guard.off('fault', listener);
    const pipes = [...openDescriptors().values()].filter((name) => name.startsWith('pipe:')).length;
    guard.on('fault', listener);
    const withListener = [...openDescriptors().values()].filter((name) => name.startsWith('pipe:')).length;
    const plain = (faults: typeof heard) =>
      faults.map(({ cause, offset, fileLength, count, here }) => ({ cause, offset, fileLength, count, here }));
    // The process ends although the listener stays.
    return { one: plain(one), other: plain(other), anew: plain(anew), pipes: withListener - pipes };
  },

  readOnly() {
    using writer = Region.create(path, 4 * P);
    writer.bytes.fill(1);
    using region = Region.open(path, { access: 'read' });
    const { bytes } = region;
    const sum = () => {
      let total = 0;
      for (let i = 0; i < bytes.length; i++) total += bytes[i] as number;
      return total;
    };
    const store = (value: number) => {
      for (let i = P; i < 3 * P; i++) bytes[i] = value;
    };
    for (let i = 0; i < 300; i++) sum();
    bytes[5] = 9;
    const one = { read: [bytes[5], bytes[6]], file: fileByte(5), check: refused(() => region.check()) };
    for (let i = 0; i < 300; i++) store(i);
    store(3);
    const many = { sum: sum(), faults: guard.status().faults, file: fileByte(P) };
    // The page of the first store is this region's own by now, all others are the file's.
    writer.bytes.fill(2, 0, P);
    writer.bytes.fill(2, 3 * P);
    const after = [bytes[5], bytes[6], bytes[3 * P]];
    region.remap();
    return { one, many, after, remapped: [bytes[5], bytes[P]], check: refused(() => region.check()) };
  },

  'read-only and cut'() {
    using _writer = Region.create(path, 4 * P);
    using region = Region.open(path, { access: 'read' });
    cut(path, P);
    region.bytes[2 * P] = 1;
    const stored = { read: region.bytes[2 * P], check: refused(() => region.check()) };
    return { stored, read: region.bytes[3 * P], faults: guard.status().faults };
  },

  sealed() {
    using owner = Region.createAnonymous(4 * P);
    owner.bytes.fill(1);
    const unwatched = guard.status().watched;
    using reader = Region.attach({ ...owner.descriptor(), access: 'read' });
    reader.bytes.fill(2, P, 2 * P);
    let code: string | undefined;
    try {
      reader.check();
    } catch (error) {
      code = (error as { code: string }).code;
    }
    owner.check();
    return { unwatched, watched: guard.status().watched, read: reader.bytes[P], owner: owner.bytes[P], code };
  },

  async 'a store in a worker'() {
    using writer = Region.create(path, 4 * P);
    using region = Region.open(path, { access: 'read' });
    const worker = new Worker(new URL(import.meta.url), { workerData: region.buffer, argv: process.argv.slice(2) });
    await new Promise((resolve) => worker.once('exit', resolve));
    return { read: region.bytes[2 * P], file: writer.bytes[2 * P], check: refused(() => region.check()) };
  },

  /** A region in a place that another has left begins without that one's faults. */
  places() {
    writeFileSync(path, new Uint8Array(2 * P), { mode: 0o600 });
    const { watched } = guard.status();
    let inherited = 0;
    let missed = 0;
    for (let i = 0; i < 20_000; i++) {
      using region = Region.open(path, { access: i % 2 === 0 ? 'read' : 'readwrite' });
      if (refused(() => region.check()) !== 'nothing') inherited++;
      if (i % 4 !== 0) continue;
      const offset = i % (2 * P);
      region.bytes[offset] = 1; // read-only: a fault, which its successor must not inherit
      if ((refused(() => region.check()) as { offset?: number }).offset !== offset) missed++;
    }
    return { inherited, missed, watched: guard.status().watched - watched, faults: guard.status().faults };
  },

  /** Each of many has a fault of its own. */
  many() {
    const regions = Array.from({ length: 1500 }, (_, i) => Region.create(`${path}${i}`, 2 * P));
    for (const [i, region] of regions.entries()) if (i % 3 === 0) truncateSync(region.path as string, P);
    for (const region of regions) region.bytes.fill(1);
    const wrong = regions.filter((region, i) => (refused(() => region.check()) === 'nothing') !== (i % 3 !== 0)).length;
    const { watched, faults } = guard.status();
    for (const region of regions) region.close();
    return { wrong, watched, faults, left: guard.status().watched };
  },

  /** All places are taken: refused, with nothing left behind; a place that becomes free serves again. */
  full() {
    using region = Region.create(path, P);
    const watch = new NativeLibrary(guard.status().library).bind(
      'int guard_watch(uint64_t start, uint64_t bytes, int fd, uint64_t fileOffset, uint32_t protection, uint32_t owner, int counter)',
    );
    // Addresses that nobody has, each a page of its own.
    let taken = 0;
    while (watch(P * (taken + 1), P, region.file.fd, 0, 3, 0, -1) >= 0) taken++;
    const descriptors = openDescriptors().size;
    const code = (refused(() => Region.open(path)) as { code: string }).code;
    const leaked = openDescriptors().size - descriptors;
    cut(path, 0);
    const read = region.bytes[0];
    const check = refused(() => region.check());
    region.close();
    cut(path, P);
    using successor = Region.open(path);
    return { taken, code, leaked, read, check, successor: successor.bytes[0] };
  },

  /** The descriptor of a region is another file by now: its length says nothing about the pages. */
  'another descriptor'() {
    using region = Region.create(path, 4 * P);
    region.bytes[0] = 5;
    writeFileSync(`${path}2`, '');
    const { fd } = region.file;
    closeSync(fd);
    const other = openSync(`${path}2`, 'r+');
    cut(path, P);
    const read = [region.bytes[2 * P], region.bytes[0]];
    const code = (refused(() => region.check()) as { code: string }).code;
    return { same: fd === other, read, code };
  },
};

if (isMainThread) say('result', await scenarios[scenario]());
else new Uint8Array(workerData, 2 * P, P).fill(4);
