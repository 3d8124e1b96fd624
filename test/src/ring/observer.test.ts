import { expect, test } from '@jest/globals';
import { createRing } from 'memlane';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';

test('an observer of a ring in full flow opens it every time, and sees a backlog that can be', async () => {
  using scratch = scratchFolder();
  const path = scratch.file('ring');
  const capacityBytes = 4096; // so small that both positions move by many rings between two looks
  createRing(path, { capacityBytes, startPosition: 2 ** 31 - 4096 }).close();
  const flow = (role: string): Program => new Program('ring-flow', { path, role });
  await using producer = flow('producer');
  await using consumer = flow('consumer');
  await producer.next('running');
  await consumer.next('running');
  await using observer = new Program('ring-observer', { path, times: 1000 });
  const { least, most, messages } = await observer.next<{ least: number; most: number; messages: number }>('ended');
  expect(least).toBeGreaterThanOrEqual(0);
  expect(most).toBeLessThanOrEqual(capacityBytes);
  expect(messages).toBeGreaterThan(1000); // there was a flow to be observed
});

test('an observer that is interrupted between its looks puts no two times together', async () => {
  using scratch = scratchFolder();
  const path = scratch.file('ring');
  const capacityBytes = 4096;
  using ring = createRing(path, { capacityBytes });
  ring.producer().tryWrite('x'.repeat(1000));
  await using observer = new Program('ring-torn-look', { path, capacityBytes });
  const { backlogs, moved } = await observer.next<{ backlogs: number[]; moved: boolean }>('ended');
  expect(moved).toBe(true);
  expect(new Set(backlogs)).toEqual(new Set([1008]));
});
