import { writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { makeFifo } from '@memlane/linux';
import { Program, runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';

/** Runs one scene of the program over a FIFO of its own; what it says is the result. */
async function scene(name: string, nodeOptions: string[] = []): Promise<unknown> {
  using scratch = scratchFolder();
  const path = scratch.file('fifo');
  makeFifo(path);
  const [result] = await runProgram('linux-watch', { scene: name, path }, { nodeOptions });
  return result;
}

describe('watchReadable', () => {
  test('calls for what is to be read, again while it is not read, and not after', async () => {
    expect(await scene('readable')).toEqual({ early: 0, undrained: 3, drained: 0 });
  });

  test('refuses a second watch on one descriptor; the first one goes on', async () => {
    expect(await scene('twice')).toEqual({
      again: { code: 'ERR_MEMLANE_ARGUMENT', namesIt: true },
      hangup: { code: 'ERR_MEMLANE_ARGUMENT', namesIt: true },
      calls: 1,
    });
  });

  test('is not silenced by the garbage collector', async () => {
    expect(await scene('collected', ['--expose-gc'])).toEqual({ watches: 50, called: 50 });
  });

  test('lets the process end, unless it is told to keep it', async () => {
    expect(await scene('unreferenced')).toBe('ended by itself');
    expect(await scene('unreferenced again')).toBe('ended by itself');
    expect(await scene('referenced')).toBe('called');
  });

  test('lets what awaits its listener go on, though nothing else happens in the process', async () => {
    using scratch = scratchFolder();
    const path = scratch.file('fifo');
    makeFifo(path);
    await using program = new Program('linux-watch', { scene: 'alone', path });
    await program.next('watching');
    writeFileSync(path, 'x');
    expect(await program.next('result')).toBe('went on');
  });

  test('is closed before its descriptor, from inside its listener too, and then that number can be watched anew', async () => {
    expect(await scene('closed')).toEqual({ sameNumber: true, first: 1, second: 1 });
  });

  test('a watch that was closed has no say over a later one on the same descriptor', async () => {
    expect(await scene('stale')).toEqual({ calls: 1, refused: 'ERR_MEMLANE_ARGUMENT' });
  });

  test('refuses what cannot be watched without ending the process', async () => {
    expect(await scene('unwatchable')).toEqual({
      file: ['ERR_MEMLANE_ARGUMENT', 'ERR_MEMLANE_ARGUMENT'],
      folder: ['ERR_MEMLANE_ARGUMENT', 'ERR_MEMLANE_ARGUMENT'],
      closed: ['EBADF', 'EBADF'],
      fifoAfterwards: 1,
    });
  });
});

describe('watchHangup', () => {
  test.each(['SIGKILL', 'SIGTERM', 'close'] as const)('tells, once, that the reader is gone: %s', async (way) => {
    using scratch = scratchFolder();
    const path = scratch.file('fifo');
    makeFifo(path);
    await using owner = new Program('linux-watch', { scene: 'owner', path });
    await owner.next('open');
    await using watcher = new Program('linux-watch', { scene: 'hangup', path });
    await watcher.next('watching');
    // Bytes to and fro are none of its business.
    await watcher.next('written');
    expect(watcher.all('gone')).toEqual([]);
    if (way === 'close') owner.tell('close');
    else owner.kill(way);
    await watcher.next('gone');
    await watcher.success();
    expect(watcher.all('result')).toEqual([{ calls: 1 }]);
  });
});
