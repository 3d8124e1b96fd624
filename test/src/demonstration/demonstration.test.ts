import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { Example, type Outcome, PATIENCE_MS } from './example.ts';

const program = 'demonstration/dist/main';

async function demonstrate(directory: Scratch, ...args: string[]): Promise<Outcome> {
  using example = new Example(program, args, directory.path);
  return await example.outcome;
}

test(
  'plays all acts, and everything agrees',
  async () => {
    using files = scratchFolder('disk');
    using directory = scratchFolder();
    // Not a whole number of records, and more of them than the ring has room for.
    const content = randomBytes((6 << 20) + 4321);
    const path = files.file('content');
    writeFileSync(path, content);

    const { code, stdout, stderr } = await demonstrate(directory, '--quick', path);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const sha256 = createHash('sha256').update(content).digest('hex');
    expect([...stdout.matchAll(/sha256 ([0-9a-f]{64})$/gm)].map((match) => match[1])).toEqual([sha256, sha256]);
    expect(stdout).toMatch(/^ok: [0-9 ]+ messages arrived, each once, whole and in order$/m);
    expect(stdout.match(/^(consumer|producer) \d+ killed at [0-9 ]+, .* twice, 0 lost$/gm)).toHaveLength(6);
    expect(stdout).toMatch(/^ok: 700 000 of 700 000 messages handled, 0 lost, \d+ twice$/m);
    expect(stdout.match(/^(cut|every other page) .*: (both went on in a fresh file|nothing there) /gm)).toHaveLength(4);
    expect(stdout).toMatch(
      /^memlane, reading beside it: ERR_MEMLANE_TRUNCATED, byte 36 864 of \/.*\/exchange; alive$/m,
    );
    // mmap-io is an optional dependency, and compiled for one version of Node.js.
    expect(stdout).toMatch(/^mmap-io, reading beside it: (killed by SIGBUS, .* after the cut|not to be seen: it .*)$/m);
    expect(stdout).toMatch(/^ok: ([0-9 ]+) of \1 messages received, 0 lost, 0 repeated, 0 wrong$/m);
    expect(stdout).toContain('ok: everything agreed');
    expect(stdout).not.toContain('\u001b');
    expect(directory.entries()).toEqual([]);
  },
  PATIENCE_MS,
);

test('says in one line what is wrong with the file', async () => {
  using files = scratchFolder('disk');
  using directory = scratchFolder();
  writeFileSync(files.file('empty'), '');
  mkdirSync(files.file('folder'));
  const complaints = {
    [files.file('missing')]: 'no such file or directory',
    [files.file('empty')]: 'the file is empty',
    [files.file('folder')]: 'this is a directory; name a file',
    '/dev/null': 'this is not a regular file',
  };
  for (const [path, complaint] of Object.entries(complaints)) {
    const { code, stdout, stderr } = await demonstrate(directory, path);
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: `${path}: ${complaint}\n` });
  }
  expect(directory.entries()).toEqual([]);
});

/** A row of the second act: processes come and go. One of the last: what is deleted there is put back by the living. */
const RACE = { moment: 'memlane, one by one', options: [] };
const CUT = { moment: 'cut to nothing:', options: ['--quick'] };

test.each([
  { signal: 'SIGINT', ...RACE },
  { signal: 'SIGTERM', ...RACE },
  { signal: 'SIGHUP', ...RACE },
  { signal: 'SIGINT', ...CUT },
] as const)(
  'leaves nothing when it is ended by $signal after "$moment"',
  async ({ signal, moment, options }) => {
    using directory = scratchFolder();
    using example = new Example(program, options, directory.path);
    await example.prints(moment);
    expect(directory.entries()).toHaveLength(1);
    example.kill(signal);
    const { code, stderr } = await example.outcome;
    expect(stderr).toBe('');
    expect(code).toBeGreaterThan(128);
    expect(directory.entries()).toEqual([]);
  },
  PATIENCE_MS,
);

test.each([RACE, CUT])(
  'leaves nothing even when it is killed after "$moment"',
  async ({ moment, options }) => {
    using directory = scratchFolder();
    using example = new Example(program, options, directory.path);
    await example.prints(moment);
    example.kill('SIGKILL');
    await example.outcome;
    // Until the watchdog; and it has to stay so, until all who may put something back are gone.
    for (let quiet = 0; quiet < 100; quiet++) {
      if (directory.entries().length > 0) quiet = 0;
      await delay(20);
    }
  },
  PATIENCE_MS,
);
