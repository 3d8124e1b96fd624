import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Region } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { Program, runProgram } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';

describe.each(['named', 'anonymous'])('a descriptor of a region (%s)', (kind) => {
  test.each([
    ['a worker thread, by postMessage', 'worker'],
    ['a child process, by fork', 'fork'],
  ])('leads %s to the same pages, which stay with each as long as it wants them', async (_name, receiver) => {
    using scratch = scratchFolder();
    const path = kind === 'named' ? scratch.file('a') : undefined;
    expect(await runProgram('core-handover', { path, receiver })).toEqual([
      {
        received: { first: 'from the owner', addressDiffers: true },
        afterReceiverWrote: 'from the receiver',
        receiverAfterOwnerClosed: 'written later',
        receiverCouldStillWrite: true,
      },
    ]);
  });
});

test('a worker thread that is terminated with a region open leaves the memory of others alone', async () => {
  using scratch = scratchFolder();
  expect(await runProgram('core-handover', { path: scratch.file('a'), receiver: 'terminated' })).toEqual([
    { value: 'still here', descriptorsLeft: 0 },
  ]);
});

test('a relative path means the same file to a process in another folder, and after chdir', async () => {
  using scratch = scratchFolder();
  expect(await runProgram('core-relative', scratch.path)).toEqual([
    { path: scratch.file('a'), opened: scratch.file('a'), shared: 5, entries: ['folder'] },
  ]);
});

test('processes that never met share the pages of a name', async () => {
  using scratch = scratchFolder();
  const path = scratch.file('a');
  using region = Region.create(path, PAGE_SIZE, { maxLength: PAGE_SIZE });
  await using one = new Program('core-follower', region.descriptor());
  await using two = new Program('core-follower', region.descriptor());
  region.bytes[0] = 9;
  region.bytes[PAGE_SIZE - 1] = 8;
  for (const program of [one, two]) {
    await program.next('sees');
    program.tell(String(PAGE_SIZE));
    expect(await program.next('sees')).toMatchObject({ first: 9, last: 8 });
    program.kill();
    await program.end();
  }
  expect(readFileSync(path)[0]).toBe(9);
});
