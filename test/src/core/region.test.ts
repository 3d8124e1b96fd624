import { chmodSync, closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Region, type RegionOptions, SharedFile } from '@memlane/core';
import { addressOf, constants, getSeals, PAGE_SIZE, replaceSystemCall, systemCalls } from '@memlane/linux';
import { mappingAt, openDescriptors } from '../linux/proc.ts';
import { Program, runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type PlainError, thrownBy } from '../support/speech.ts';

/** Writes `pages` pages, each filled with its number plus one. */
function numberedPages(path: string, pages: number): void {
  const bytes = Buffer.alloc(pages * PAGE_SIZE);
  for (let page = 0; page < pages; page++) bytes.fill(page + 1, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  writeFileSync(path, bytes, { mode: 0o600 });
}

describe('create', () => {
  test('makes a file of zeros, its space taken, whose bytes are the region', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using region = Region.create(path, 3 * PAGE_SIZE);
    expect(region).toMatchObject({ path, length: 3 * PAGE_SIZE, offset: 0, access: 'readwrite', closed: false });
    expect(statSync(path)).toMatchObject({ size: 3 * PAGE_SIZE, blocks: (3 * PAGE_SIZE) / 512 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(region.bytes.every((byte) => byte === 0)).toBe(true);
    expect(region.bytes).toHaveLength(3 * PAGE_SIZE);
    expect(region.buffer.byteLength).toBe(3 * PAGE_SIZE);
    expect(region.address).toBe(addressOf(region.bytes));
    const { ino: inode } = statSync(path);
    expect(mappingAt(region.address)).toMatchObject({ inode, permissions: 'rw-s', fileOffset: 0 });

    new Int32Array(region.buffer, 0, 4)[3] = 0x01020304;
    expect(readFileSync(path).readInt32LE(12)).toBe(0x01020304);
    const fd = openSync(path, 'r+');
    writeSync(fd, 'shared', 2 * PAGE_SIZE);
    closeSync(fd);
    expect(Buffer.from(region.bytes.subarray(2 * PAGE_SIZE, 2 * PAGE_SIZE + 6)).toString()).toBe('shared');
  });

  test('takes any length and mode, and makes the folders on the way, for their owner alone', () => {
    using scratch = scratchFolder();
    const path = scratch.file('deep/er/a');
    using region = Region.create(path, PAGE_SIZE + 1, { mode: 0o640 });
    region.bytes[PAGE_SIZE] = 9;
    expect(statSync(path).size).toBe(PAGE_SIZE + 1);
    expect(readFileSync(path)[PAGE_SIZE]).toBe(9);
    expect(statSync(path).mode & 0o777).toBe(0o640 & ~process.umask());
    expect(statSync(scratch.file('deep')).mode & 0o777).toBe(0o700);
  });

  test('does not touch a file that has the name', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    writeFileSync(path, 'mine');
    const before = openDescriptors();
    expect(thrownBy(() => Region.create(path, PAGE_SIZE))).toMatchObject({ code: 'ERR_MEMLANE_EXISTS', path });
    expect(readFileSync(path, 'utf8')).toBe('mine');
    expect(scratch.entries()).toEqual(['a']);
    expect(openDescriptors()).toEqual(before);
  });

  test('leaves nothing when the file system is full', () => {
    using scratch = scratchFolder();
    const before = openDescriptors();
    using _fault = replaceSystemCall('fallocate', () => () => -28);
    expect(thrownBy(() => Region.create(scratch.file('a'), PAGE_SIZE))).toMatchObject({
      name: 'LinuxError',
      code: 'ENOSPC',
      syscall: 'fallocate',
      remedy: expect.stringContaining('/dev/shm'),
    });
    expect(scratch.entries()).toEqual([]);
    expect(openDescriptors()).toEqual(before);
  });

  test('leaves nothing when it cannot be mapped', () => {
    using scratch = scratchFolder();
    const before = openDescriptors();
    using _fault = replaceSystemCall('mmap', () => () => -12);
    expect(thrownBy(() => Region.create(scratch.file('a'), PAGE_SIZE))).toMatchObject({ code: 'ENOMEM' });
    expect(thrownBy(() => Region.createAnonymous(PAGE_SIZE))).toMatchObject({ code: 'ENOMEM', syscall: 'mmap' });
    expect(scratch.entries()).toEqual([]);
    expect(openDescriptors()).toEqual(before);
  });

  test('leaves no hole in what the engine will free when a mapping fails late', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    numberedPages(path, 2);
    for (const failing of [0, 1]) {
      const calls: { address: number; bytes: number; anonymous: boolean }[] = [];
      using _fault = replaceSystemCall('mmap', (original) => (...parameters) => {
        const [address, bytes, , , fd] = parameters;
        if (calls.push({ address, bytes, anonymous: fd < 0 }) - 1 !== failing) return original(...parameters);
        systemCalls.munmap(address, bytes);
        return -12;
      });
      expect(thrownBy(() => Region.open(path, { mirror: PAGE_SIZE }))).toMatchObject({ code: 'ENOMEM' });
      // What is there now cannot be asked: the engine may have collected it meanwhile.
      const address = calls[0]?.address;
      expect(calls.at(-1)).toEqual({ address, bytes: 3 * PAGE_SIZE, anonymous: true });
      expect(calls).toHaveLength(failing + 2);
    }
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 53, '4096', undefined])('refuses length %p', (length) => {
    using scratch = scratchFolder();
    const create = [
      () => Region.create(scratch.file('a'), length as number),
      () => Region.createAnonymous(length as number),
    ];
    for (const attempt of create)
      expect(thrownBy(attempt)).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringMatching(/^length is /),
      });
    expect(scratch.entries()).toEqual([]);
  });
});

describe('open', () => {
  test('maps a file that memlane knows nothing of, whole', () => {
    using scratch = scratchFolder('disk');
    const path = scratch.file('database');
    numberedPages(path, 3);
    using region = Region.open(path);
    expect(region.length).toBe(3 * PAGE_SIZE);
    expect([0, PAGE_SIZE, 3 * PAGE_SIZE - 1].map((at) => region.bytes[at])).toEqual([1, 2, 3]);
    region.bytes[PAGE_SIZE] = 77;
    expect(readFileSync(path)[PAGE_SIZE]).toBe(77);
    expect(statSync(path).size).toBe(3 * PAGE_SIZE);
  });

  test('maps windows, which are the same pages wherever they overlap', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    numberedPages(path, 5);
    using window = Region.open(path, { offset: 2 * PAGE_SIZE, length: PAGE_SIZE + 10 });
    using rest = Region.open(path, { offset: 3 * PAGE_SIZE });
    expect(window).toMatchObject({ offset: 2 * PAGE_SIZE, length: PAGE_SIZE + 10 });
    expect(rest).toMatchObject({ offset: 3 * PAGE_SIZE, length: 2 * PAGE_SIZE });
    expect([window.bytes[0], window.bytes[PAGE_SIZE + 9]]).toEqual([3, 4]);
    expect([rest.bytes[0], rest.bytes[2 * PAGE_SIZE - 1]]).toEqual([4, 5]);
    window.bytes[PAGE_SIZE + 9] = 99;
    expect(rest.bytes[9]).toBe(99);
  });

  test('reads what others store, without the right to store', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using writer = Region.create(path, PAGE_SIZE);
    chmodSync(path, 0o400);
    using reader = Region.open(path, { access: 'read' });
    writer.bytes[5] = 55;
    expect(reader.bytes[5]).toBe(55);
    expect(reader.access).toBe('read');
    expect(mappingAt(reader.address)).toMatchObject({ permissions: 'r--s', path });
  });

  test.each<[string, RegionOptions, string, RegExp]>([
    ['an offset inside a page', { offset: 1 }, 'ERR_MEMLANE_ARGUMENT', /^offset is 1, .*page size/],
    ['a negative offset', { offset: -PAGE_SIZE }, 'ERR_MEMLANE_ARGUMENT', /^offset is -/],
    ['no length', { length: 0 }, 'ERR_MEMLANE_ARGUMENT', /^length is 0/],
    ['a fraction', { length: 1.5 }, 'ERR_MEMLANE_ARGUMENT', /^length is 1.5/],
    ['more than there is', { length: 2 * PAGE_SIZE + 1 }, 'ERR_MEMLANE_TRUNCATED', /^The file has/],
    ['an end past the end', { offset: PAGE_SIZE, length: PAGE_SIZE + 1 }, 'ERR_MEMLANE_TRUNCATED', /^The file has/],
    ['a start at the end', { offset: 2 * PAGE_SIZE }, 'ERR_MEMLANE_TRUNCATED', /^The file has/],
    ['a start past the end', { offset: 8 * PAGE_SIZE }, 'ERR_MEMLANE_TRUNCATED', /^The file has/],
    ['numbers that add up past 2^53', { offset: PAGE_SIZE, length: 2 ** 53 - 1 }, 'ERR_MEMLANE_ARGUMENT', /^length/],
    ['less reserved than mapped', { maxLength: PAGE_SIZE }, 'ERR_MEMLANE_ARGUMENT', /^maxLength is /],
    ['a mirror inside a page', { mirror: 10 }, 'ERR_MEMLANE_ARGUMENT', /^mirror is 10, .*whole pages/],
    ['a mirror of a part', { length: 10, mirror: PAGE_SIZE }, 'ERR_MEMLANE_ARGUMENT', /^mirror/],
    ['more mirror than region', { mirror: 3 * PAGE_SIZE }, 'ERR_MEMLANE_ARGUMENT', /^mirror/],
    ['a mirror that could grow', { mirror: PAGE_SIZE, maxLength: 4 * PAGE_SIZE }, 'ERR_MEMLANE_ARGUMENT', /^maxLength/],
    [
      'an unknown access',
      { access: 'write' as 'read' },
      'ERR_MEMLANE_ARGUMENT',
      /^access is 'write', .* read, readwrite/,
    ],
    ['no access', { access: null as never }, 'ERR_MEMLANE_ARGUMENT', /^access is null/],
    ['null for a length', { length: null as never }, 'ERR_MEMLANE_ARGUMENT', /^length is null/],
    ['null for the longest', { maxLength: null as never }, 'ERR_MEMLANE_ARGUMENT', /^maxLength is null/],
    ['an owner by name', { trustOwner: 'root' as never }, 'ERR_MEMLANE_ARGUMENT', /^trustOwner is 'root'/],
    ['trust as a word', { allowWorldWritable: 'no' as never }, 'ERR_MEMLANE_ARGUMENT', /^allowWorldWritable is 'no'/],
    ['null', null as never, 'ERR_MEMLANE_ARGUMENT', /^options is null/],
    [
      'a mirror of a page of which a part is mapped',
      { length: PAGE_SIZE + 1, mirror: PAGE_SIZE },
      'ERR_MEMLANE_ARGUMENT',
      /^mirror/,
    ],
  ])('refuses %s, and holds nothing afterwards', (_name, options, code, message) => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    numberedPages(path, 2);
    const before = openDescriptors();
    expect(thrownBy(() => Region.open(path, options))).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(openDescriptors()).toEqual(before);
  });

  test('refuses an empty file and a missing one', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    writeFileSync(path, '', { mode: 0o600 });
    expect(thrownBy(() => Region.open(path))).toMatchObject({ code: 'ERR_MEMLANE_TRUNCATED', path });
    expect(thrownBy(() => Region.open(scratch.file('b')))).toMatchObject({ name: 'LinuxError', code: 'ENOENT' });
  });

  test('trusts as much as it is told', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    numberedPages(path, 1);
    chmodSync(path, 0o666);
    expect(thrownBy(() => Region.open(path))).toMatchObject({ code: 'ERR_MEMLANE_PERMISSIVE' });
    using region = Region.open(path, { allowWorldWritable: true });
    expect(region.bytes[0]).toBe(1);
  });
});

describe('a mirror', () => {
  test('is the same bytes once more, behind the region', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    numberedPages(path, 4);
    using region = Region.open(path, { offset: PAGE_SIZE, mirror: 2 * PAGE_SIZE });
    expect(region.length).toBe(3 * PAGE_SIZE);
    expect(region.bytes).toHaveLength(3 * PAGE_SIZE);
    expect(region.buffer.byteLength).toBe(5 * PAGE_SIZE);
    const all = new Uint8Array(region.buffer, 0, 5 * PAGE_SIZE);
    expect([0, 1, 2, 3, 4].map((page) => all[page * PAGE_SIZE])).toEqual([2, 3, 4, 3, 4]);

    // A record across the end is contiguous: its tail is at the beginning of the mirrored part.
    const record = Buffer.from('wraps around');
    all.set(record, 3 * PAGE_SIZE - 5);
    expect(Buffer.from(all.subarray(PAGE_SIZE, PAGE_SIZE + 7)).toString()).toBe(' around');
    all[PAGE_SIZE + 100] = 11;
    expect(all[3 * PAGE_SIZE + 100]).toBe(11);
    all[5 * PAGE_SIZE - 1] = 12;
    expect([all[3 * PAGE_SIZE - 1], readFileSync(path)[4 * PAGE_SIZE - 1]]).toEqual([12, 12]);
  });

  test('may be of the whole', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    numberedPages(path, 1);
    using region = Region.open(path, { mirror: PAGE_SIZE, access: 'read' });
    const all = new Uint8Array(region.buffer, 0, 2 * PAGE_SIZE);
    expect([all[0], all[PAGE_SIZE]]).toEqual([1, 1]);
    expect(mappingAt(region.address + PAGE_SIZE)).toMatchObject({ permissions: 'r--s', fileOffset: 0 });
  });
});

describe('createAnonymous', () => {
  test('makes memory without a name that is sealed', () => {
    using region = Region.createAnonymous(2 * PAGE_SIZE, 'some memory');
    expect(region.path).toBeUndefined();
    expect(mappingAt(region.address)?.path).toBe('/memfd:some memory (deleted)');
    expect(region.bytes.every((byte) => byte === 0)).toBe(true);
    expect(region.file.sealed).toBe(true);
    const { F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK } = constants;
    expect(getSeals(region.file.fd)).toBe(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    using other = Region.createAnonymous(PAGE_SIZE);
    expect(mappingAt(other.address)?.path).toBe('/memfd:memlane (deleted)');
  });

  test('nobody can cut it, make it longer, or allow that: not with ftruncate, truncate or open for writing', async () => {
    using region = Region.createAnonymous(2 * PAGE_SIZE);
    region.bytes.fill(5);
    const results = await runProgram<Record<string, PlainError>>('core-cutter', region.descriptor());
    const refused = { code: 'EPERM' };
    expect(results).toEqual([
      {
        ftruncate: expect.objectContaining(refused),
        grow: expect.objectContaining(refused),
        truncate: expect.objectContaining(refused),
        openForWriting: expect.objectContaining(refused),
        unseal: expect.objectContaining(refused),
        truncateCommand: 1,
      },
    ]);
    expect(statSync(region.descriptor().path).size).toBe(2 * PAGE_SIZE);
    expect(region.bytes.every((byte) => byte === 5)).toBe(true);
  });

  test('does not grow either', () => {
    const file = SharedFile.createAnonymous('test', PAGE_SIZE);
    file.seal();
    using region = Region.map(file, { maxLength: 4 * PAGE_SIZE });
    region.bytes[0] = 1;
    expect(thrownBy(() => region.grow(2 * PAGE_SIZE))).toMatchObject({ name: 'LinuxError', code: 'EPERM' });
    expect([region.length, region.bytes[0]]).toEqual([PAGE_SIZE, 1]);
  });
});

describe('attach', () => {
  test('refuses what is no descriptor', () => {
    for (const wrong of [undefined, null, 'path', {}, { type: 'memlane.ring' }])
      expect(thrownBy(() => Region.attach(wrong as never))).toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
  });

  test.each<[string, unknown[]]>([
    ['type', [undefined, 'memlane.ring']],
    ['path', [undefined, null, '', 5]],
    ['anonymous', [undefined, null, 0, 'false']],
    ['identity', [undefined, null, 5, []]],
    ['identity.dev', [undefined, null, '1', 1n]],
    ['identity.ino', [undefined, null, '1', 1n]],
    ['access', [undefined, null, 'write']],
    ['offset', [undefined, null, '0', 0.5, -1]],
    ['length', [undefined, null, Symbol('a')]],
    ['maxLength', [undefined, null, {}]],
    ['mirror', [undefined, null, Object.create(null), Symbol('a')]],
  ])('names a wrong %s of a descriptor, and holds nothing afterwards', (field, wrong) => {
    using region = Region.createAnonymous(PAGE_SIZE);
    const right = region.descriptor();
    const before = openDescriptors();
    const [outer, inner] = field.split('.') as ['identity', 'dev'?];
    for (const value of wrong) {
      const descriptor = { ...right, [outer]: inner === undefined ? value : { ...right[outer], [inner]: value } };
      expect(thrownBy(() => Region.attach(descriptor as never))).toMatchObject({
        code: 'ERR_MEMLANE_ARGUMENT',
        message: expect.stringContaining(`descriptor.${field} is `),
      });
    }
    expect(openDescriptors()).toEqual(before);
    Region.attach(right).close();
  });

  test('maps what the descriptor says, and the descriptor is plain data', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    numberedPages(path, 6);
    const options: RegionOptions[] = [
      {},
      { offset: PAGE_SIZE, length: 10, maxLength: 3 * PAGE_SIZE },
      { offset: PAGE_SIZE, mirror: 2 * PAGE_SIZE },
      { access: 'read', length: 2 * PAGE_SIZE },
    ];
    for (const option of options) {
      using region = Region.open(path, option);
      const descriptor = region.descriptor();
      expect(JSON.parse(JSON.stringify(descriptor))).toEqual(descriptor);
      expect(structuredClone(descriptor)).toEqual(descriptor);
      using other = Region.attach(descriptor);
      expect(other.descriptor()).toEqual(descriptor);
      expect(other).toMatchObject({ path, offset: region.offset, length: region.length, access: region.access });
      expect(other.buffer.byteLength).toBe(region.buffer.byteLength);
      expect(other.address).not.toBe(region.address);
      expect(Buffer.from(other.bytes).equals(Buffer.from(region.bytes))).toBe(true);
    }
  });

  test('one side closes, the other one keeps its memory', () => {
    using scratch = scratchFolder();
    const region = Region.create(scratch.file('a'), PAGE_SIZE);
    using other = Region.attach(region.descriptor());
    region.bytes[0] = 3;
    region.close();
    expect(other.bytes[0]).toBe(3);
    other.bytes[1] = 4;
    expect(readFileSync(scratch.file('a')).subarray(0, 2)).toEqual(Buffer.of(3, 4));
  });

  test('refuses a file that has taken the place', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using region = Region.create(path, PAGE_SIZE);
    const descriptor = region.descriptor();
    region.file.unlink();
    expect(thrownBy(() => Region.attach(descriptor as never))).toMatchObject({ code: 'ENOENT', path });
    using _replacement = Region.create(path, PAGE_SIZE);
    const before = openDescriptors();
    expect(thrownBy(() => Region.attach(descriptor as never))).toMatchObject({ code: 'ERR_MEMLANE_DELETED', path });
    expect(openDescriptors()).toEqual(before);
  });

  test('refuses an anonymous file whose owner is gone or has closed it', async () => {
    await using owner = new Program('core-anonymous-owner');
    const descriptor = await owner.next<ReturnType<Region['descriptor']>>('descriptor');
    {
      using region = Region.attach(descriptor);
      expect(region.bytes[0]).toBe(1);
    }
    for (const successor of ['fifo', 'socket', 'nothing']) {
      owner.tell(successor);
      expect(await owner.next('same number')).toBe(true);
      expect(thrownBy(() => Region.attach({ ...descriptor, access: 'read' }))).toMatchObject({
        code: 'ERR_MEMLANE_DELETED',
        path: descriptor.path,
      });
      expect(thrownBy(() => Region.attach(descriptor as never))).toMatchObject({ code: 'ERR_MEMLANE_DELETED' });
    }
    owner.kill();
    await owner.end();
    expect(thrownBy(() => Region.attach(descriptor as never))).toMatchObject({ code: 'ERR_MEMLANE_DELETED' });
  });

  test('refuses anonymous memory that its owner could still cut', () => {
    using region = Region.map(SharedFile.createAnonymous('unsealed', PAGE_SIZE), {});
    const before = openDescriptors();
    expect(thrownBy(() => Region.attach(region.descriptor()))).toMatchObject({ code: 'ERR_MEMLANE_UNSEALED' });
    expect(openDescriptors()).toEqual(before);
  });
});
