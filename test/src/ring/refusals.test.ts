import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { createRing } from 'memlane';
import { Program, runProgram, whyNotRoot } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import type { PlainError } from '../support/speech.ts';
import { refusals } from './refusals/refusals.ts';

describe.each(['memory', 'disk'] as const)('refused by name, in %s', (medium) => {
  const outcomes = new Map<string, string | undefined>();
  let crash: unknown;

  beforeAll(async () => {
    using scratch = scratchFolder(medium);
    await using program = new Program('ring-refusals', { folder: scratch.path });
    try {
      await program.success();
    } catch (error) {
      crash = error;
    }
    for (const { name, failure } of program.all<{ name: string; failure?: string }>('case'))
      outcomes.set(name, failure);
  });

  test.each(refusals.map(({ name }) => name))('%s', (name) => {
    if (!outcomes.has(name)) throw crash ?? new Error('the case was not run');
    expect(outcomes.get(name)).toBeUndefined();
  });
});

const NOBODY = 65534;
const SOMEBODY = 54321;

type Outcome = PlainError | 'done';

/** What becomes of it when that user tries. */
async function tries(uid: number, wanted: readonly object[], wrapper: readonly string[] = []): Promise<Outcome[]> {
  return await runProgram<Outcome>('ring-as-user', { uid, tries: wanted }, { event: 'tried', wrapper });
}

/** What is expected of an error: its code, that it says what to do, and words of it. */
function refusal(code: string, ...words: readonly string[]): unknown {
  const message = words.reduce((pattern, word) => `${pattern}(?=.*${word.replaceAll('/', '\\/')})`, '');
  return expect.objectContaining({
    code,
    name: code.startsWith('ERR_MEMLANE_') ? 'MemlaneError' : 'LinuxError',
    message: expect.stringMatching(new RegExp(message, 's')),
    remedy: expect.stringMatching(/.{20}/),
  });
}

const asRoot = whyNotRoot === null ? test : test.skip;

describe('between users', () => {
  asRoot(`a ring of another user (${whyNotRoot ?? 'as root'})`, async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    chmodSync(scratch.path, 0o777);
    createRing(path, { capacityBytes: 65536, mode: 0o644 }).close();
    chownSync(path, SOMEBODY, SOMEBODY);
    const owner = refusal('ERR_MEMLANE_OWNER', String(SOMEBODY), 'trustOwner');
    const [byRoot, trusted] = await tries(0, [
      { action: 'open', path },
      { action: 'attach', path, options: { trustOwner: SOMEBODY } },
    ]);
    expect(byRoot).toEqual(owner);
    expect(trusted).toBe('done');
    const reading = { access: 'read' };
    expect(
      await tries(NOBODY, [
        { action: 'open', path },
        { action: 'open', path, options: reading },
        { action: 'open', path, options: { ...reading, trustOwner: SOMEBODY } },
        { action: 'open', path, options: { ...reading, trustOwner: SOMEBODY + 1 } },
      ]),
    ).toEqual([refusal('EACCES', path), owner, 'done', owner]);
    expect(await tries(SOMEBODY, [{ action: 'attach', path }])).toEqual(['done']);
    expect(scratch.entries()).toEqual(['ring']);
  });

  asRoot(`a place in a ring whose owner would not be allowed to ring (${whyNotRoot ?? 'as root'})`, async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    chmodSync(scratch.path, 0o777);
    createRing(path, { capacityBytes: 65536 }).close();
    chmodSync(path, 0o666);
    const options = { allowWorldWritable: true };
    expect(
      await tries(NOBODY, [
        { action: 'open', path, options },
        { action: 'attach', path, options },
      ]),
    ).toEqual(['done', refusal('ERR_MEMLANE_OWNER', 'user 0', 'Run as the owner')]);
    expect(scratch.entries()).toEqual(['ring']);
  });

  asRoot(`a ring of root's, without the permission (${whyNotRoot ?? 'as root'})`, async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    chmodSync(scratch.path, 0o755);
    createRing(path, { capacityBytes: 65536 }).close();
    expect(
      await tries(NOBODY, [
        { action: 'open', path },
        { action: 'create', path: scratch.file('other') },
      ]),
    ).toEqual([refusal('EACCES', path, 'owner and mode'), refusal('EACCES', scratch.path)]);
    chmodSync(path, 0o644);
    const reading = { access: 'read' };
    expect(await tries(NOBODY, [{ action: 'open', path, options: reading }])).toEqual(['done']); // root is trusted
    chmodSync(scratch.path, 0o700);
    expect(await tries(NOBODY, [{ action: 'open', path, options: reading }])).toEqual([refusal('EACCES', path)]);
    expect(scratch.entries()).toEqual(['ring']);
  });

  asRoot(`a folder for named rings that is another user's (${whyNotRoot ?? 'as root'})`, async () => {
    using scratch = scratchFolder();
    chownSync(scratch.path, SOMEBODY, SOMEBODY);
    await using program = new Program(
      'ring-as-user',
      { uid: 0, tries: [{ action: 'create', path: 'orders' }] },
      { environment: { MEMLANE_DIR: scratch.path } },
    );
    await program.success();
    expect(program.all('tried')).toEqual([refusal('ERR_MEMLANE_OWNER', scratch.path, String(SOMEBODY))]);
  });
});

describe('across users', () => {
  asRoot.each([
    { sleeper: 'the owner', uid: SOMEBODY, options: {} },
    { sleeper: 'root', uid: 0, options: { trustOwner: SOMEBODY } },
  ])(`$sleeper is woken by the other (${whyNotRoot ?? 'as root'})`, async ({ uid, options }) => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    chownSync(scratch.path, SOMEBODY, SOMEBODY);
    createRing(path, { capacityBytes: 65536 }).close();
    chownSync(path, SOMEBODY, SOMEBODY);
    const other = uid === 0 ? { uid: SOMEBODY } : { uid: 0, options: { trustOwner: SOMEBODY } };
    const way = { path, wait: 'event', blocking: false };
    await using consumer = new Program('ring-sleeper', { ...way, role: 'consumer', uid, options });
    await consumer.next('attached');
    await using producer = new Program('ring-sleeper', { ...way, role: 'producer', ...other });
    const written = await producer.next<number>('attached');
    // Both sides sleep in turn: the ring is filled and emptied until several rings full have gone through.
    for (let read = 0; read < 4 * written; ) read += (await consumer.next<string[]>('read')).length;
    await producer.next('written');
  });
});

describe('on file systems of their own', () => {
  const mounts = whyNoMounts();
  const mounted = mounts === null ? test : test.skip;
  // In a mount namespace of the program's own: it goes with it, whatever becomes of the test.
  const on = (options: string, folder: string): string[] => [
    'unshare',
    '--mount',
    'sh',
    '-c',
    `mount -t tmpfs -o ${options} none "$0" && exec "$@"`,
    folder,
  ];

  mounted(`a file system that is full (${mounts ?? 'as root'})`, async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    const wrapper = on('size=64k', scratch.path);
    const full = refusal('ENOSPC', '/dev/shm is 64 MB');
    expect(
      await tries(
        0,
        [
          { action: 'create', path },
          { action: 'open', path },
          { action: 'create', path, options: { capacityBytes: 65536 } },
          { action: 'create', path, options: { capacityBytes: 32768 } },
          { action: 'attach', path },
          { action: 'create', path: scratch.file('second'), options: { capacityBytes: 32768 } },
          { action: 'attach', path },
        ],
        wrapper,
      ),
    ).toEqual([full, refusal('ENOENT'), full, 'done', 'done', full, 'done']);
  });

  mounted(`a file system that is read-only (${mounts ?? 'as root'})`, async () => {
    using scratch = scratchFolder();
    const path = scratch.file('ring');
    createRing(path, { capacityBytes: 65536 }).close();
    const wrapper = [
      'unshare',
      '--mount',
      'sh',
      '-c',
      'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
      scratch.path,
    ];
    expect(
      await tries(
        0,
        [
          { action: 'create', path: scratch.file('other') },
          { action: 'open', path },
          { action: 'open', path, options: { access: 'read' } },
        ],
        wrapper,
      ),
    ).toEqual([refusal('EROFS', 'read access'), refusal('EROFS', path), 'done']);
  });
});

/** Why nothing can be mounted here, or null when it can. */
function whyNoMounts(): string | null {
  if (whyNotRoot !== null) return whyNotRoot;
  const { status, error } = spawnSync('unshare', ['--mount', 'true']);
  return status === 0 ? null : `no mounts: ${error?.message ?? 'unshare is refused'}`;
}
