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

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'leaves nothing when it is ended by %s',
  async (signal) => {
    using directory = scratchFolder();
    using example = new Example(program, [], directory.path);
    await example.prints('memlane, one by one'); // a row of the second act: processes come and go
    expect(directory.entries()).toHaveLength(1);
    example.kill(signal);
    const { code, stderr } = await example.outcome;
    expect(stderr).toBe('');
    expect(code).toBeGreaterThan(128);
    expect(directory.entries()).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  'leaves nothing even when it is killed',
  async () => {
    using directory = scratchFolder();
    using example = new Example(program, [], directory.path);
    await example.prints('memlane, one by one');
    example.kill('SIGKILL');
    await example.outcome;
    while (directory.entries().length > 0) await delay(20); // until the watchdog
  },
  PATIENCE_MS,
);
