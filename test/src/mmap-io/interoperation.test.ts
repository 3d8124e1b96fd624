import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { PeerRequest } from '../programs/mmap-io-peer.ts';
import { PAGE } from './case.ts';
import { DROP_IN, ORIGINAL, packageFolder, programPath, temporaryFolder, whyNoOriginal } from './harness.ts';

const reason = whyNoOriginal();
const pairs = [[DROP_IN, DROP_IN], ...(reason === null ? [[DROP_IN, ORIGINAL]] : [])];
if (reason !== null) test.skip(`the drop-in beside the original, which does not load: ${reason}`, () => {});

/** Ends inside a page. */
const SIZE = 3 * PAGE + 100;

test.each(pairs)('processes with %s and %s see each other store into one file', async (left, right) => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'file');
  writeFileSync(path, Buffer.alloc(SIZE, '.'));
  // The right one maps from the second page on: the same bytes under other offsets.
  await using first = await Peer.start(left, path, SIZE, 0);
  await using second = await Peer.start(right, path, SIZE - PAGE, PAGE);

  for (const at of [PAGE, 2 * PAGE - 3, SIZE - 6]) {
    await first.ask({ store: [at, 'left'] });
    expect(await second.ask({ load: [at - PAGE, 6] })).toBe('left..');
    await second.ask({ store: [at - PAGE, 'right'] });
    expect(await first.ask({ load: [at, 6] })).toBe('right.');
  }
  expect(readFileSync(path, 'latin1').replaceAll('.', '')).toBe('rightrightright');
});

/** A child process that maps the file. */
class Peer implements AsyncDisposable {
  private readonly process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.process = process;
  }

  static async start(specifier: string, path: string, size: number, offset: number): Promise<Peer> {
    const child = fork(programPath('mmap-io-peer'), [specifier, path, String(size), String(offset)], {
      cwd: packageFolder,
    });
    const peer = new Peer(child);
    expect(await peer.answer()).toBe('mapped');
    return peer;
  }

  async ask(request: PeerRequest): Promise<unknown> {
    this.process.send(request);
    return this.answer();
  }

  private async answer(): Promise<unknown> {
    const over = once(this.process, 'exit').then(([code, signal]) => {
      throw new Error(`the peer ended: ${signal ?? code}`);
    });
    const [message] = await Promise.race([once(this.process, 'message'), over]);
    return message;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const over = once(this.process, 'exit');
    this.process.disconnect();
    await over;
  }
}
