import { expect, test } from '@jest/globals';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';

// A bell that rings while its thread is being terminated once aborted the whole process: ADR 4.
test('worker threads can be terminated while they are being rung', async () => {
  using scratch = scratchFolder(); // for the bells that they leave behind
  const environment = { MEMLANE_DIR: scratch.path };
  await using program = new Program('ring-terminate-busy', { times: 100 }, { environment });
  await program.success(60_000);
  expect(program.all('survived')).toEqual([100]);
});
