import { expect, test } from '@jest/globals';
import { createLatestValue } from 'memlane';
import { Program } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause } from '../support/speech.ts';
import { fault, VALUE_BYTES } from './pattern.ts';

test('no torn, stale or missing value while a writer at full speed is killed again and again', () =>
  withSeed(async (random) => {
    using scratch = scratchFolder(random.pick(['memory', 'disk']));
    const path = scratch.file('value');
    using value = createLatestValue(path, { valueBytes: VALUE_BYTES, startVersion: 2 ** 32 - 30_000 });
    await using reader = new Program('latest-reader', { path, way: random.pick(['read', 'readInto']) });
    await using sleeper = new Program('latest-reader', { path, way: random.pick(['waitSync', 'iterate']) });
    await Promise.all([reader.next('ready'), sleeper.next('ready')]);
    const here = value.reader();
    const target = new Uint8Array(VALUE_BYTES);
    const words = new Int32Array(target.buffer);
    let version = here.version;
    for (let kill = 0; kill < 8; kill++) {
      const inside = kill % 2 === 0 ? random.between(1, 20_000) : undefined;
      await using writer = new Program('latest-writer', { path, inside });
      // The successor goes on where the dead one was last seen.
      expect((await writer.next<number>('begun')) | 0).toBe(version);
      if (inside === undefined) {
        await pause(random.between(1, 40));
        writer.kill();
      }
      expect((await writer.end()).signal).toBe('SIGKILL');
      const length = here.readInto(target);
      expect(fault(words, length, here.version)).toBeUndefined();
      expect((here.version - version) | 0).toBeGreaterThan(-1);
      version = here.version;
      expect(here.isWriterAlive()).toBe(false);
    }
    expect((version - (2 ** 32 - 30_000)) | 0).toBeGreaterThan(30_000); // it went on across 2^32
    // What is the newest reaches everybody, also who sleeps.
    await pause(150);
    for (const program of [reader, sleeper]) {
      program.tell('end');
      const result = await program.next<{ reads: number; changes: number; version: number }>('result');
      expect(result.version).toBe(version);
      expect(result.changes).toBeGreaterThan(8);
      await program.success();
    }
  }));
