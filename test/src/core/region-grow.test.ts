import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Region, SharedFile } from '@memlane/core';
import { PAGE_SIZE, replaceSystemCall, systemCalls } from '@memlane/linux';
import { rootTest } from '../linux/machine.ts';
import { mappingAt } from '../linux/proc.ts';
import { Program, runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { thrownBy } from '../support/speech.ts';

const MAX = 64 * PAGE_SIZE;

describe('a writable region', () => {
  test('grows where it is: address and views stay, and the new part is the file', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using region = Region.create(path, PAGE_SIZE, { maxLength: MAX });
    const { address, buffer } = region;
    const old = new Uint8Array(buffer, 0, PAGE_SIZE);
    old.fill(1);
    for (const pages of [2, 3, 7, 64]) {
      region.grow(pages * PAGE_SIZE);
      expect(region).toMatchObject({ address, length: pages * PAGE_SIZE });
      expect(region.buffer).toBe(buffer);
      expect(region.bytes).toHaveLength(pages * PAGE_SIZE);
      expect(statSync(path)).toMatchObject({ size: pages * PAGE_SIZE, blocks: (pages * PAGE_SIZE) / 512 });
      expect(old.every((byte) => byte === 1)).toBe(true);
      const last = pages * PAGE_SIZE - 1;
      expect(region.bytes[last]).toBe(0);
      region.bytes[last] = pages;
      expect(readFileSync(path)[last]).toBe(pages);
    }
    old[0] = 42;
    expect(readFileSync(path)[0]).toBe(42);
    expect(mappingAt(region.address + MAX - 1)).toMatchObject({ permissions: 'rw-s', inode: statSync(path).ino });
  });

  test('grows from and to the middle of a page', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using region = Region.create(path, 10, { maxLength: MAX });
    region.bytes.fill(1);
    region.grow(20);
    region.bytes.fill(2, 10);
    region.grow(PAGE_SIZE + 1);
    region.bytes[PAGE_SIZE] = 3;
    expect(statSync(path).size).toBe(PAGE_SIZE + 1);
    const expected = Buffer.alloc(PAGE_SIZE + 1);
    expected.fill(1, 0, 10).fill(2, 10, 20)[PAGE_SIZE] = 3;
    expect(readFileSync(path).equals(expected)).toBe(true);
  });

  test('grows as a window: the file behind its offset', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    writeFileSync(path, Buffer.alloc(2 * PAGE_SIZE, 1), { mode: 0o600 });
    using region = Region.open(path, { offset: PAGE_SIZE, maxLength: MAX });
    region.grow(2 * PAGE_SIZE);
    region.bytes[2 * PAGE_SIZE - 1] = 9;
    expect(statSync(path).size).toBe(3 * PAGE_SIZE);
    expect(readFileSync(path)[3 * PAGE_SIZE - 1]).toBe(9);
  });

  test('takes over what another one has made longer, and never cuts it', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using first = Region.create(path, PAGE_SIZE, { maxLength: MAX });
    using second = Region.attach(first.descriptor());
    first.grow(8 * PAGE_SIZE);
    first.bytes[8 * PAGE_SIZE - 1] = 8;
    second.grow(2 * PAGE_SIZE);
    expect(statSync(path).size).toBe(8 * PAGE_SIZE);
    second.grow(8 * PAGE_SIZE);
    expect(second.bytes[8 * PAGE_SIZE - 1]).toBe(8);
  });

  test('to the length it has is no change', () => {
    using scratch = scratchFolder();
    using region = Region.create(scratch.file('a'), PAGE_SIZE, { maxLength: MAX });
    region.bytes[0] = 1;
    region.grow(PAGE_SIZE);
    expect([region.length, region.bytes[0]]).toEqual([PAGE_SIZE, 1]);
  });

  test.each([
    ['past its reservation', MAX + 1],
    ['backwards', PAGE_SIZE - 1],
    ['by a fraction', PAGE_SIZE + 0.5],
    ['to nothing known', undefined],
  ])('does not grow %s', (_name, length) => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using region = Region.create(path, PAGE_SIZE, { maxLength: MAX });
    expect(thrownBy(() => region.grow(length as number))).toMatchObject({
      code: 'ERR_MEMLANE_ARGUMENT',
      message: expect.stringContaining(`from ${PAGE_SIZE} to ${MAX}`),
    });
    expect([region.length, statSync(path).size]).toEqual([PAGE_SIZE, PAGE_SIZE]);
  });

  test('without a reservation, or with a mirror, has no room', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using region = Region.create(path, 2 * PAGE_SIZE);
    using mirrored = Region.open(path, { mirror: PAGE_SIZE });
    for (const each of [region, mirrored]) {
      expect(thrownBy(() => each.grow(3 * PAGE_SIZE))).toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
      each.grow(2 * PAGE_SIZE);
      expect(each.length).toBe(2 * PAGE_SIZE);
    }
    expect(statSync(path).size).toBe(2 * PAGE_SIZE);
  });
});

describe('a read-only region', () => {
  test('grows when the file has; address and views stay', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using writer = Region.create(path, PAGE_SIZE + 5, { maxLength: MAX });
    using reader = Region.open(path, { access: 'read', maxLength: MAX });
    writer.bytes.fill(1);
    const { address } = reader;
    const old = new Uint8Array(reader.buffer, 0, PAGE_SIZE);
    expect(thrownBy(() => reader.grow(4 * PAGE_SIZE))).toMatchObject({ code: 'ERR_MEMLANE_TRUNCATED', path });
    for (const pages of [4, 64]) {
      writer.grow(pages * PAGE_SIZE);
      writer.bytes.fill(pages, (pages - 1) * PAGE_SIZE);
      reader.grow(pages * PAGE_SIZE);
      expect(reader).toMatchObject({ address, length: pages * PAGE_SIZE });
      expect(Buffer.from(reader.bytes).equals(Buffer.from(writer.bytes))).toBe(true);
    }
    writer.bytes[0] = 77;
    expect(old[0]).toBe(77);
    for (const at of [0, MAX - 1]) expect(mappingAt(address + at)?.permissions).toBe('r--s');
  });

  test('never makes the file longer', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using writer = Region.create(path, PAGE_SIZE);
    using reader = Region.open(path, { access: 'read', maxLength: MAX });
    expect(thrownBy(() => reader.grow(2 * PAGE_SIZE))).toMatchObject({ code: 'ERR_MEMLANE_TRUNCATED' });
    expect(statSync(path).size).toBe(writer.length);
    expect(reader.length).toBe(PAGE_SIZE);
  });
});

describe('what cannot grow stays as it was', () => {
  test('when the file system is full', () => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using region = Region.create(path, PAGE_SIZE, { maxLength: MAX });
    region.bytes.fill(1);
    {
      using _fault = replaceSystemCall('fallocate', () => () => -28);
      expect(thrownBy(() => region.grow(2 * PAGE_SIZE))).toMatchObject({ name: 'LinuxError', code: 'ENOSPC', path });
    }
    expect([region.length, region.buffer.byteLength, statSync(path).size]).toEqual([PAGE_SIZE, PAGE_SIZE, PAGE_SIZE]);
    expect(region.bytes.every((byte) => byte === 1)).toBe(true);
    region.grow(2 * PAGE_SIZE);
    expect(region.length).toBe(2 * PAGE_SIZE);
  });

  rootTest('when a real file system is full, and grows when there is space again', async () => {
    using scratch = scratchFolder();
    mkdirSync(scratch.file('small'));
    const results = await runProgram('core-full', scratch.file('small'), {
      wrapper: [
        ...['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs -o size=1m memlane "$1" && shift && exec "$@"', 'sh'],
        scratch.file('small'),
      ],
    });
    const asBefore = { length: 2 ** 18, size: 2 ** 18, bytes: 2 ** 18, value: 7 };
    expect(results).toEqual([
      {
        created: { code: 'ENOSPC', entries: [] },
        refused: { code: 'ENOSPC', ...asBefore },
        again: { code: 'ENOSPC', ...asBefore },
        afterwards: { length: 2 ** 19, size: 2 ** 19, bytes: 2 ** 19, value: 7 },
      },
    ]);
  });

  test.each([
    ['read', 'before it has looked', PAGE_SIZE],
    ['read', 'when it has unmapped the range', PAGE_SIZE],
    ['read', 'when it has unmapped the range', PAGE_SIZE + 9],
    ['readwrite', 'before it has looked', PAGE_SIZE],
    ['readwrite', 'when it has unmapped the range', PAGE_SIZE],
    ['readwrite', 'when it has unmapped the range', PAGE_SIZE + 9],
  ] as const)('when the kernel refuses a mapping (%s, %s, from %d)', (access, moment, length) => {
    using scratch = scratchFolder();
    const path = scratch.file('a');
    using writer = Region.create(path, length, { maxLength: MAX });
    writer.bytes.fill(1);
    using region = Region.open(path, { access, maxLength: MAX });
    const end = 4 * PAGE_SIZE;
    writer.grow(end);
    writer.bytes[end - 1] = 4;
    {
      let refused = 0;
      using _fault = replaceSystemCall('mmap', (original) => (...parameters) => {
        const [address, bytes, , , fd] = parameters;
        // The anonymous pages by which a read-only region makes way are granted.
        if (fd < 0 || refused++ > 0) return original(...parameters);
        if (moment !== 'before it has looked') systemCalls.munmap(address, bytes);
        return -12;
      });
      expect(thrownBy(() => region.grow(end))).toMatchObject({ code: 'ENOMEM', syscall: 'mmap', path });
    }
    expect(region.length).toBe(length);
    expect(region.bytes.every((byte) => byte === 1)).toBe(true);
    // The engine will free all of it: nobody else may be given an address inside.
    for (let at = 0; at < end; at += PAGE_SIZE) expect(mappingAt(region.address + at)).toBeDefined();
    region.grow(end);
    expect([region.bytes[length - 1], region.bytes[length], region.bytes[end - 1]]).toEqual([1, 0, 4]);
  });
});

test('grows without fallocate where a file system has none', () => {
  using scratch = scratchFolder();
  const path = scratch.file('a');
  using _fault = replaceSystemCall('fallocate', () => () => -95);
  using region = Region.create(path, PAGE_SIZE, { maxLength: MAX });
  region.grow(5 * PAGE_SIZE);
  region.bytes[5 * PAGE_SIZE - 1] = 5;
  expect(statSync(path).size).toBe(5 * PAGE_SIZE);
  // A second one that asks for less finds the file long enough: it must not be cut.
  const file = SharedFile.open(path);
  file.grow(2 * PAGE_SIZE);
  file.close();
  expect(readFileSync(path)[5 * PAGE_SIZE - 1]).toBe(5);
});

test.each(['read', 'readwrite'] as const)('another process follows (%s)', async (access) => {
  using scratch = scratchFolder();
  const path = scratch.file('a');
  using region = Region.create(path, PAGE_SIZE, { maxLength: MAX });
  region.bytes[0] = 1;
  await using peer = new Program('core-follower', { ...region.descriptor(), access });
  expect(await peer.next('sees')).toEqual({ length: PAGE_SIZE, size: PAGE_SIZE, last: 0, first: 1 });
  region.grow(3 * PAGE_SIZE);
  region.bytes[3 * PAGE_SIZE - 1] = 33;
  peer.tell(String(3 * PAGE_SIZE));
  expect(await peer.next('sees')).toEqual({ length: 3 * PAGE_SIZE, size: 3 * PAGE_SIZE, last: 33, first: 1 });
  if (access === 'read') return;
  peer.tell(String(5 * PAGE_SIZE));
  expect(await peer.next('sees')).toMatchObject({ length: 5 * PAGE_SIZE, last: 0 });
  expect(region.file.length).toBe(5 * PAGE_SIZE);
  region.grow(5 * PAGE_SIZE);
  region.bytes[5 * PAGE_SIZE - 1] = 55;
  peer.tell(String(5 * PAGE_SIZE));
  expect(await peer.next('sees')).toMatchObject({ last: 55 });
});
