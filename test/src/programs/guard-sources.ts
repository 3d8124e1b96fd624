// Faults of other sources than a cut: { folder, scenario, image }, on a file system that the wrapper has mounted. Says
// 'result' with what the check and the guard say, 'impossible' with the reason where this machine cannot make that.
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { constants, memory, NativeLibrary, PAGE_SIZE, viewMemory } from '@memlane/linux';
import { type Fault, guard, Region } from 'memlane';
import { cut } from '../guard/cut.ts';
import { parameters, pause, say } from '../support/speech.ts';

interface Plan {
  readonly folder: string;
  readonly scenario: keyof typeof scenarios;
  /** What lies under the file system. */
  readonly image?: string;
}

const { folder, scenario, image } = parameters<Plan>();
const path = join(folder, 'file');
const P = PAGE_SIZE;

/** Runs a command that this machine may refuse. */
function run(command: string, ...of: string[]): void {
  try {
    execFileSync(command, of, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  } catch (error) {
    say('impossible', (error as { stderr?: string }).stderr ?? String(error));
    process.exit();
  }
}

/** What is known of the faults of a region after an access. */
async function told(region: Region, faults: Fault[]): Promise<unknown> {
  for (let waits = 0; faults.length === 0 && waits < 1000; waits++) await pause(10);
  const { faults: count, failed, passedOn } = guard.status();
  try {
    region.check();
    return 'nothing';
  } catch (error) {
    const { code, path: named, offset } = error as { code: string; path: string; offset: number };
    const causes = faults.map(({ cause }) => cause);
    return { code, path: named === path, offset, causes, many: count > 1, failed, passedOn };
  }
}

const heard: Fault[] = [];
guard.on('fault', (fault) => heard.push(fault));

/** A file with a hole in it, on a file system that has less space than that. */
async function hole(): Promise<unknown> {
  writeFileSync(path, new Uint8Array(P), { mode: 0o600 });
  cut(path, 64 * 2 ** 20);
  using region = Region.open(path);
  region.bytes[0] = 1;
  const rest = execFileSync('df', ['--block-size=1', '--output=avail', folder], { encoding: 'utf8' });
  // What is left, to the last block, so that the first store into the hole finds nothing.
  const fd = openSync(join(folder, 'filler'), 'w');
  const block = Buffer.alloc(2 ** 16, 7);
  try {
    for (let left = 2 * Number(rest.trim().split('\n')[1]); left > 0; left -= block.length) writeSync(fd, block);
  } catch (error) {
    if ((error as { code: string }).code !== 'ENOSPC') throw error;
  }
  try {
    for (;;) writeSync(fd, block, 0, 1);
  } catch (error) {
    if ((error as { code: string }).code !== 'ENOSPC') throw error;
  }
  fsyncSync(fd);
  closeSync(fd);
  for (let page = 4096; page < 4096 + 8; page++) region.bytes[page * P + 3] = 1;
  return { ...((await told(region, heard)) as object), kept: [region.bytes[0], region.bytes[4096 * P + 3]] };
}

const scenarios = {
  'full tmpfs': hole,
  'full ext4': hole,

  async 'io error'() {
    writeFileSync(path, new Uint8Array(8 * 2 ** 20).fill(5), { mode: 0o600 });
    // Out of the page cache, and with the inode read before the device fails.
    run('umount', folder);
    run('mount', '-o', 'loop,noload,ro', image as string, folder);
    using region = Region.open(path, { access: 'read' });
    cut(image as string, 2 ** 20);
    const last = region.length - 10;
    const read = region.bytes[last];
    return { ...((await told(region, heard)) as object), read };
  },

  async immutable() {
    writeFileSync(path, new Uint8Array(8 * P).fill(5), { mode: 0o600 });
    run('sync', folder);
    using region = Region.open(path);
    run('chattr', '+i', path);
    region.bytes[3 * P + 1] = 7;
    const result = { ...((await told(region, heard)) as object), read: [region.bytes[3 * P + 1], region.bytes[3 * P]] };
    run('chattr', '-i', path);
    return result;
  },

  async 'huge pages of tmpfs'() {
    using region = Region.create(path, 8 * 2 ** 20);
    region.bytes.fill(1);
    cut(path, 2 ** 21 + P);
    const sum = region.bytes.reduce((total, byte) => total + byte, 0);
    return { ...((await told(region, heard)) as object), sum };
  },

  /** A region cannot lie at a multiple of 2 MiB, so what it does is done by hand. */
  async hugetlbfs() {
    const huge = 2 ** 21;
    writeFileSync(path, '', { mode: 0o600 });
    cut(path, 4 * huge);
    const fd = openSync(path, 'r+');
    const length = 4 * huge;
    const protection = constants.PROT_READ | constants.PROT_WRITE;
    const address = memory.map(0, length, protection, constants.MAP_SHARED, fd, 0);
    const bytes = new Uint8Array(viewMemory(address, length));
    const library = new NativeLibrary(guard.status().library);
    library.bind('int guard_install(uint32_t pageBytes)')(PAGE_SIZE);
    const watch = library.bind(
      'int guard_watch(uint64_t start, uint64_t bytes, int fd, uint64_t fileOffset, uint32_t protection, uint32_t owner, int counter)',
    );
    if (watch(address, length, fd, 0, 3, 0, -1) < 0) throw new Error('not watched');
    bytes.fill(1);
    cut(path, 2 * huge);
    bytes[3 * huge + 9] = 7;
    const { faults, failed, passedOn } = guard.status();
    return { read: [bytes[0], bytes[2 * huge], bytes[3 * huge + 9]], faults, failed, passedOn };
  },
};

say('result', await scenarios[scenario]());
