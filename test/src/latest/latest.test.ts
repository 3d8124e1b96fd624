import { describe, expect, test } from '@jest/globals';
import {
  attachLatestValue,
  createAnonymousLatestValue,
  createLatestValue,
  type LatestValue,
  type LatestValueShape,
  openLatestValue,
  openOrCreateLatestValue,
  removeLatestValue,
} from 'memlane';
import { scratchFolder } from '../support/scratch.ts';

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

describe.each(['named', 'anonymous', 'on disk'] as const)('a latest value, %s', (backing) => {
  /** Runs with two openings of one latest value. */
  async function withPair(
    shape: LatestValueShape,
    run: (one: LatestValue, other: LatestValue) => void | Promise<void>,
  ): Promise<void> {
    using scratch = scratchFolder(backing === 'on disk' ? 'disk' : 'memory');
    const path = scratch.file('value');
    using one = backing !== 'anonymous' ? createLatestValue(path, shape) : createAnonymousLatestValue(shape);
    using other = backing !== 'anonymous' ? openLatestValue(path) : attachLatestValue(one.descriptor());
    await run(one, other);
  }

  test('gives the newest, and nothing before there is any', () =>
    withPair({ valueBytes: 100 }, (one, other) => {
      const reader = other.reader();
      const target = new Uint8Array(100);
      expect(reader.read()).toBeNull();
      expect(reader.readInto(target)).toBe(-1);
      expect([reader.changed(), reader.version, reader.changed(0), reader.changed(1)]).toEqual([false, 0, false, true]);
      const writer = one.writer();
      writer.write('one');
      expect(reader.changed()).toBe(true);
      expect(reader.read()).toEqual({ data: Buffer.from('one'), version: 1 });
      expect(reader.changed()).toBe(false);
      expect(reader.read()).toEqual({ data: Buffer.from('one'), version: 1 });
      for (let version = 2; version < 20; version++) writer.write(new Uint8Array(version).fill(version));
      expect(reader.readInto(target)).toBe(19);
      expect([...target.subarray(17, 21)]).toEqual([19, 19, 0, 0]);
      expect(reader.version).toBe(19);
      expect(writer.version).toBe(19);
    }));

  test('of any length, the empty one and the longest included', () =>
    withPair({ valueBytes: 33 }, (one, other) => {
      const writer = one.writer();
      const reader = other.reader();
      for (const length of [0, 33, 1, 32, 0, 7, 33]) {
        writer.write(Buffer.alloc(length, length + 1));
        expect(reader.read()?.data).toEqual(Buffer.alloc(length, length + 1));
        const target = new Uint8Array(length);
        expect(reader.readInto(target)).toBe(length);
        expect(Buffer.from(target)).toEqual(Buffer.alloc(length, length + 1));
      }
      writer.write('ö€');
      expect(reader.read()?.data.toString()).toBe('ö€');
      expect(() => writer.write(new Uint8Array(34))).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(() => writer.begin(-1)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(() => writer.begin(1.5)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(() => writer.write(5 as never)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(() => reader.readInto(new Uint8Array(4))).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(() => reader.readInto([] as never)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      expect(reader.read()?.data.toString()).toBe('ö€');
    }));

  test('written in place, or not at all', () =>
    withPair({ valueBytes: 64 }, (one, other) => {
      const writer = one.writer();
      const reader = other.reader();
      writer.write('before');
      const offset = writer.begin(16);
      expect(offset % 8).toBe(0);
      writer.view.f64[offset >> 3] = 99.5;
      writer.view.f64[(offset >> 3) + 1] = -1;
      expect(reader.changed(1)).toBe(false);
      expect(reader.read()?.data.toString()).toBe('before');
      writer.commit();
      const data = reader.read()?.data as Buffer;
      expect([data.length, data.readDoubleLE(0), data.readDoubleLE(8)]).toEqual([16, 99.5, -1]);
      writer.view.i32[writer.begin(4) >> 2] = 1;
      writer.abort();
      writer.commit(); // nothing has been begun
      expect(reader.version).toBe(2);
      expect(reader.changed()).toBe(false);
      writer.begin(60);
      writer.view.u8[writer.begin(1)] = 7; // shorter than it was begun with
      writer.commit();
      expect(reader.read()).toEqual({ data: Buffer.from([7]), version: 3 });
    }));

  test.each([2 ** 31, 2 ** 32])('versions go on across %d', (wrap) =>
    withPair({ valueBytes: 8, startVersion: wrap - 10 }, (one, other) => {
      const writer = one.writer();
      const reader = other.reader();
      expect([reader.version, reader.changed()]).toEqual([(wrap - 10) | 0, false]);
      for (let count = 1; count <= 20; count++) {
        writer.write(`n ${count}`);
        expect(reader.changed()).toBe(true);
        expect(reader.read()).toEqual({ data: Buffer.from(`n ${count}`), version: (wrap - 10 + count) | 0 });
        expect(reader.changed()).toBe(false);
        expect(reader.changed((wrap - 11 + count) | 0)).toBe(true);
      }
      writer.close();
      using next = one.writer();
      expect(next.version).toBe((wrap + 10) | 0);
    }),
  );

  test('has one writer, whose successor goes on', () =>
    withPair({}, (one, other) => {
      const reader = other.reader();
      expect(reader.isWriterAlive()).toBe(false);
      const writer = one.writer();
      expect(reader.isWriterAlive()).toBe(true);
      expect(() => one.writer()).toThrow(code('ERR_MEMLANE_BUSY'));
      expect(() => other.writer()).toThrow(code('ERR_MEMLANE_BUSY'));
      writer.write('a');
      writer.begin(10);
      writer.close();
      writer.close();
      for (const use of [() => writer.begin(1), () => writer.commit(), () => writer.abort(), () => writer.write('x')])
        expect(use).toThrow(code('ERR_MEMLANE_CLOSED'));
      expect(reader.isWriterAlive()).toBe(false);
      expect(reader.read()?.version).toBe(1);
      const next = other.writer();
      next.write('b');
      expect(reader.read()).toEqual({ data: Buffer.from('b'), version: 2 });
      expect(one.statistics()).toMatchObject({ values: 2, bytes: 2, writerPid: process.pid, isWriterAlive: true });
    }));

  test('readers take a place when they wait, and not before', () =>
    withPair({ readers: 2 }, async (one, other) => {
      const readers = Array.from({ length: 10 }, () => other.reader());
      const writer = one.writer();
      writer.write('x');
      for (const reader of readers) {
        expect(reader.read()?.version).toBe(1);
        await reader.wait({ since: 0 }); // there is nothing to wait for
      }
      expect(one.statistics().waitingReaders).toBe(0);
      const waits = readers.slice(0, 2).map((reader) => reader.wait());
      expect(one.statistics().waitingReaders).toBe(2);
      await expect((readers[2] as (typeof readers)[0]).wait()).rejects.toEqual(code('ERR_MEMLANE_BUSY'));
      writer.write('y');
      await Promise.all(waits);
      expect(one.statistics().waitingReaders).toBe(2);
      readers[0]?.close();
      expect((readers[2] as (typeof readers)[0]).waitSync(1)).toBe(true);
      expect((readers[2] as (typeof readers)[0]).waitSync(1, 2)).toBe(false);
      expect(one.statistics().waitingReaders).toBe(2);
    }));

  test('waits for a change, in the event loop and in the thread', () =>
    withPair({}, async (one, other) => {
      const writer = one.writer();
      const reader = other.reader();
      expect(reader.waitSync(5)).toBe(false);
      setTimeout(() => writer.write('soon'), 20);
      await reader.wait();
      expect(reader.read()?.data.toString()).toBe('soon');
      expect(reader.waitSync(5)).toBe(false);
      expect(reader.waitSync(5, 0)).toBe(true);
      const cause = new Error('enough');
      await expect(reader.wait({ signal: AbortSignal.abort(cause) })).rejects.toBe(cause);
      const controller = new AbortController();
      setTimeout(() => controller.abort(cause), 10);
      await expect(reader.wait({ signal: controller.signal })).rejects.toBe(cause);
      const wait = reader.wait();
      await expect(reader.wait()).rejects.toEqual(code('ERR_MEMLANE_CONCURRENT'));
      setTimeout(() => reader.close(), 10);
      await expect(wait).rejects.toEqual(code('ERR_MEMLANE_CLOSED'));
      expect(() => reader.read()).toThrow(code('ERR_MEMLANE_CLOSED'));
      expect(() => reader.readInto(new Uint8Array(9))).toThrow(code('ERR_MEMLANE_CLOSED'));
      expect(() => reader.changed()).toThrow(code('ERR_MEMLANE_CLOSED'));
      await expect(other.reader({ wait: 'park' }).wait({ since: 1 })).rejects.toEqual(
        code('ERR_MEMLANE_WAIT_STRATEGY'),
      );
      expect(() => other.reader({ wait: 'nap' as never })).toThrow(code('ERR_MEMLANE_ARGUMENT'));
      await expect(other.reader().wait({ since: 0.5 })).rejects.toEqual(code('ERR_MEMLANE_ARGUMENT'));
    }));

  test('iteration yields each change, the newest alone where several came', () =>
    withPair({}, async (one, other) => {
      const writer = one.writer();
      const reader = other.reader();
      writer.write('1');
      const seen: string[] = [];
      for await (const { data, version } of reader) {
        seen.push(`${version}: ${data}`);
        if (version === 1) for (const next of ['2', '3', '4']) writer.write(next);
        if (version === 4) setTimeout(() => writer.write('5'), 10);
        if (version === 5) reader.close();
      }
      expect(seen).toEqual(['1: 1', '4: 4', '5: 5']);
      const values = other.reader().values({ signal: AbortSignal.timeout(30) });
      expect((await values.next()).value?.version).toBe(5);
      await expect(values.next()).rejects.toMatchObject({ name: 'TimeoutError' });
    }));

  test('a loop over a value that changes all the time lets the event loop turn', () =>
    withPair({}, async (one, other) => {
      const writer = one.writer();
      let turned = false;
      setTimeout(() => {
        turned = true;
      }, 1);
      writer.write('0');
      for await (const { version } of other.reader()) {
        if (turned) break;
        writer.write(String(version));
      }
      expect(turned).toBe(true);
    }));
});

test('is named, opened, handed on and removed like a ring', () => {
  using scratch = scratchFolder();
  const path = scratch.file('value');
  expect(() => openLatestValue(path)).toThrow(code('ENOENT'));
  const one = openOrCreateLatestValue(path, { valueBytes: 10 });
  const other = openOrCreateLatestValue(path, { valueBytes: 20 });
  expect(other.valueBytes).toBe(10);
  expect(() => createLatestValue(path)).toThrow(code('ERR_MEMLANE_EXISTS'));
  const writer = one.writer();
  expect(() => removeLatestValue(path)).toThrow(code('ERR_MEMLANE_BUSY'));
  writer.write('x');
  const observer = openLatestValue(path, { access: 'read' });
  expect(observer.reader().read()?.data.toString()).toBe('x');
  expect(() => observer.writer()).toThrow(code('ERR_MEMLANE_READ_ONLY'));
  expect(() => observer.reader().waitSync(0)).toThrow(code('ERR_MEMLANE_READ_ONLY'));
  expect(() => observer.unlink()).toThrow(code('ERR_MEMLANE_READ_ONLY'));
  for (const each of [one, other, observer]) {
    each.close();
    each.close();
    expect(() => each.reader()).toThrow(code('ERR_MEMLANE_CLOSED'));
  }
  removeLatestValue(path);
  expect(scratch.entries()).toEqual([]);
});

test.each<[LatestValueShape]>([
  [{ valueBytes: 0 }],
  [{ valueBytes: 2 ** 28 + 1 }],
  [{ valueBytes: '8' as never }],
  [{ readers: 0 }],
  [{ readers: 1024 }],
  [{ buffers: 2 }],
  [{ buffers: 6 }],
  [{ buffers: 128 }],
  [{ buffers: 8, valueBytes: 2 ** 28 }],
  [{ startVersion: -1 }],
  [{ startVersion: 2 ** 32 }],
])('%j is no shape', (shape) => {
  expect(() => createAnonymousLatestValue(shape)).toThrow(code('ERR_MEMLANE_ARGUMENT'));
});
