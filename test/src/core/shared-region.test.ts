import { closeSync, openSync, renameSync, statSync, truncateSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ACKNOWLEDGEMENT, ResizeWords, SharedRegion } from '@memlane/core';
import { inPidNamespace, whyNoPidNamespace } from '../support/namespace.ts';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type PlainError, pause, rejectionOf, thrownBy } from '../support/speech.ts';

const KIB = 1024;
const FULL = 256 * KIB;

interface Look {
  readonly length: number;
  readonly members: number;
  readonly fileLength: number;
  readonly last: number;
  readonly faults: number;
}

async function member(parameters: object, wrapper?: readonly string[]): Promise<Program> {
  const program = new Program('shared-member', parameters, { wrapper });
  await program.next('joined');
  return program;
}

async function look(program: Program): Promise<Look> {
  program.tell('look');
  return await program.next<Look>('looked');
}

/** Waits until a member sees that length. */
async function sees(program: Program, length: number): Promise<Look> {
  for (;;) {
    const seen = await look(program);
    if (seen.length === length) return seen;
    await pause(5);
  }
}

function newFile(path: string, length = FULL): string {
  closeSync(openSync(path, 'w', 0o600));
  truncateSync(path, length);
  return path;
}

describe('alone', () => {
  test('grows and shrinks, any file; what was there stays', async () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'), 5000);
    using shared = SharedRegion.open(path, { maxLength: FULL });
    const told: [string, number][] = [];
    shared.on('shrink', (length) => told.push(['shrink', length]));
    shared.on('resize', (length) => told.push(['resize', length]));
    shared.bytes[4999] = 7;
    await shared.resize(FULL);
    expect([shared.length, statSync(path).size]).toEqual([FULL, FULL]);
    shared.bytes[FULL - 1] = 9;
    await shared.resize(5000);
    expect([shared.length, statSync(path).size, shared.bytes[4999]]).toEqual([5000, 5000, 7]);
    await shared.resize(FULL);
    expect(shared.bytes[FULL - 1]).toBe(0);
    expect(told).toEqual([
      ['resize', FULL],
      ['shrink', 5000],
      ['resize', 5000],
      ['resize', FULL],
    ]);
    shared.region.check();
  });

  test('resizes of one member come one after the other', async () => {
    using scratch = scratchFolder();
    using shared = SharedRegion.create(scratch.file('data'), 4096, { maxLength: FULL });
    const lengths = [FULL, 100, 8192, 1, 4096];
    const seen: number[] = [];
    await Promise.all(lengths.map((length) => shared.resize(length).then(() => seen.push(shared.length))));
    expect(seen).toEqual(lengths);
  });

  test('refusals: past the reservation, nonsense, closed', async () => {
    using scratch = scratchFolder();
    const shared = SharedRegion.create(scratch.file('data'), 4096, { maxLength: 8192 });
    for (const length of [8193, 0, -1, 1.5, Number.NaN])
      expect((await rejectionOf(() => shared.resize(length)))?.code).toBe('ERR_MEMLANE_ARGUMENT');
    shared.close();
    shared.close();
    expect((await rejectionOf(() => shared.resize(4096)))?.code).toBe('ERR_MEMLANE_CLOSED');
    expect(thrownBy(() => shared.poll())?.code).toBe('ERR_MEMLANE_CLOSED');
  });

  test('what is refused leaves no file behind', () => {
    using scratch = scratchFolder();
    const path = scratch.file('data');
    const wrong: [options: unknown, message: RegExp][] = [
      [null, /^options is null/],
      [{ maxLength: 4095 }, /^maxLength is 4095/],
      [{ maxLength: null }, /^maxLength is null/],
      [{ mode: '600' }, /^mode is '600'/],
      [{ trustOwner: 'root' }, /^trustOwner is 'root'/],
      [{ allowWorldWritable: 1 }, /^allowWorldWritable is 1/],
    ];
    for (const [options, message] of wrong)
      expect(thrownBy(() => SharedRegion.create(path, 4096, options as object))).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringMatching(message),
      });
    expect(thrownBy(() => SharedRegion.create(5 as never, 4096))?.message).toMatch(/^path is 5/);
    const reservation = 2 ** 52; // more than any engine reserves
    expect(thrownBy(() => SharedRegion.create(path, 4096, { maxLength: reservation }))?.code).toBe(
      'ERR_MEMLANE_TOO_LARGE',
    );
    expect(scratch.entries()).toEqual([]);
    // Refused when it is opened: the file is there already, and has no business to stay.
    const umask = process.umask(0);
    try {
      expect(thrownBy(() => SharedRegion.create(path, 4096, { mode: 0o666 }))?.code).toBe('ERR_MEMLANE_PERMISSIVE');
    } finally {
      process.umask(umask);
    }
    expect(scratch.entries()).toEqual([]);
  });

  test('a control file that somebody has destroyed is said to be, and does not kill', () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    using shared = SharedRegion.open(path);
    truncateSync(`${path}.memlane`, 0);
    thrownBy(() => shared.poll()); // may be the access that meets it
    expect(thrownBy(() => shared.poll())?.code).toBe('ERR_MEMLANE_TRUNCATED');
    expect(thrownBy(() => SharedRegion.open(path))?.code).toBe('ERR_MEMLANE_NOT_MEMLANE');
  });

  test('a file replaced while a member of the old one lives is refused, afterwards accepted', () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    const old = SharedRegion.open(path);
    const fd = openSync(scratch.file('new'), 'w', 0o600);
    writeSync(fd, Buffer.alloc(100, 5));
    closeSync(fd);
    renameSync(scratch.file('new'), path);
    expect(thrownBy(() => SharedRegion.open(path))?.code).toBe('ERR_MEMLANE_DELETED');
    old.close();
    using shared = SharedRegion.open(path, { maxLength: 4096 });
    expect([shared.length, shared.maxLength, shared.bytes[99]]).toEqual([100, 4096, 5]);
  });
});

describe('among processes', () => {
  test('200 resizes of a file that four processes use all the time: no fault anywhere', async () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    const programs = await Promise.all([1, 2, 3, 4].map(() => member({ path, busy: true })));
    try {
      for (let round = 0; round < 50; round++)
        for (const [index, program] of programs.entries()) {
          const length = 1 + ((round * 7919 + index * 104729) % FULL);
          program.tell(`resize ${length} 20000`);
          expect(await program.next('resized')).toBe(length);
        }
      const last = 10 * KIB;
      programs[0].tell(`resize ${last} 20000`);
      await programs[0].next('resized');
      for (const program of programs) {
        const { faults, fileLength, members } = await sees(program, last);
        expect({ faults, fileLength, members }).toEqual({ faults: 0, fileLength: last, members: 4 });
      }
    } finally {
      for (const program of programs) await program[Symbol.asyncDispose]();
    }
  }, 90_000);

  test('a member that was killed is skipped', async () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    await using one = await member({ path });
    await using other = await member({ path });
    other.kill();
    await other.end();
    one.tell('resize 100 20000');
    expect(await one.next('resized')).toBe(100);
  });

  test('a member that is killed while it is waited for is skipped', async () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    await using one = await member({ path });
    await using other = await member({ path });
    other.kill('SIGSTOP');
    one.tell('resize 100 20000');
    await one.next('shrink');
    other.kill('SIGKILL');
    expect(await one.next('resized')).toBe(100);
  });

  test('a stopped member makes it fail, with the file as it was; it goes on when it does', async () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    await using one = await member({ path });
    await using other = await member({ path, busy: true });
    other.kill('SIGSTOP');
    one.tell('resize 100 300');
    const error = await one.next<PlainError>('refused');
    expect(error).toMatchObject({ code: 'ERR_MEMLANE_BUSY', message: expect.stringContaining(String(other.pid)) });
    expect(statSync(path).size).toBe(FULL);
    expect((await look(one)).length).toBe(FULL);
    other.kill('SIGCONT');
    expect(await sees(other, FULL)).toMatchObject({ faults: 0, fileLength: FULL });
    one.tell('resize 100 20000');
    expect(await one.next('resized')).toBe(100);
    expect(await sees(other, 100)).toMatchObject({ faults: 0 });
  });

  test('who blocks the event loop does not answer, unless it polls', async () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    await using one = await member({ path });
    await using other = await member({ path });
    other.tell('block 1500');
    await other.next('blocking');
    one.tell('resize 100 200');
    expect(await one.next('refused')).toMatchObject({ code: 'ERR_MEMLANE_BUSY' });
    await look(other);
    other.tell('block 3000 poll');
    await other.next('blocking');
    one.tell('resize 100 20000');
    expect(await one.next('resized')).toBe(100);
    expect(await sees(other, 100)).toMatchObject({ faults: 0 });
  });

  const inNamespace = whyNoPidNamespace === null ? test : test.skip;
  inNamespace(
    `a member in another pid namespace is asked like any other (${whyNoPidNamespace ?? 'as root'})`,
    async () => {
      using scratch = scratchFolder();
      const path = newFile(scratch.file('data'));
      await using one = await member({ path });
      await using other = await member({ path, busy: true }, inPidNamespace);
      one.tell('resize 100 20000');
      expect(await one.next('resized')).toBe(100);
      expect(await sees(other, 100)).toMatchObject({ faults: 0, members: 2 });
      other.tell('resize 5000 20000');
      expect(await other.next('resized')).toBe(5000);
      expect(await sees(one, 5000)).toMatchObject({ faults: 0 });
    },
  );
});

describe('rule 7: a coordinator that dies in the middle', () => {
  test.each([
    { dies: 'before the cut', length: FULL },
    { dies: 'after the cut', length: 100 },
  ])('$dies: the others end it, and see the length that the file has', async ({ dies, length }) => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    await using one = await member({ path, busy: true });
    await using other = await member({ path });
    await using coordinator = await member({ path, dies });
    coordinator.tell('resize 100 20000');
    await coordinator.end();
    for (const program of [one, other]) {
      expect(await program.next('shrink')).toBe(100);
      expect(await program.next('resize')).toBe(length);
      expect(await sees(program, length)).toMatchObject({ faults: 0, fileLength: length });
    }
    one.tell('resize 7000 20000');
    expect(await one.next('resized')).toBe(7000);
    await sees(other, 7000);
  });

  test('with nobody else there, the next one to come ends it', async () => {
    using scratch = scratchFolder();
    const path = newFile(scratch.file('data'));
    await using coordinator = await member({ path, dies: 'before the cut' });
    coordinator.tell('resize 100 20000');
    await coordinator.end();
    using shared = SharedRegion.open(path);
    await shared.resize(5000);
    expect([shared.length, statSync(path).size]).toEqual([5000, 5000]);
  });

  test('a resize begun over an odd generation has another one', () => {
    const words = new Int32Array(new SharedArrayBuffer(4096));
    const resize = new ResizeWords(words, new Float64Array(words.buffer), 0, 1024);
    const first = resize.begin(10, 0);
    resize.acknowledge(1, first);
    const second = resize.begin(20, 2);
    expect(second % 2).toBe(1);
    expect(resize.hasAcknowledged(1, second)).toBe(false);
    expect(resize.state()).toEqual({ generation: second, target: 20 });
    resize.end();
    expect(resize.state().target).toBeUndefined();
    expect(ACKNOWLEDGEMENT.bytes).toBeGreaterThanOrEqual(128);
  });
});
