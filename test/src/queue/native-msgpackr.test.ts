import { expect, test } from '@jest/globals';
import { attachQueue, createAnonymousQueue } from 'memlane';
import * as msgpackr from 'msgpackr'; // with its native extraction of strings, which cannot read shared memory

test.each([10, 100, 20_000, 2_000_000])('strings of %i characters arrive beside a msgpackr of the user', (length) => {
  using sender = createAnonymousQueue<readonly string[]>({ maxLargeBytes: 16 * 2 ** 20 });
  using receiver = attachQueue<readonly string[]>(sender.descriptor());
  const value = ['tea', 'ü'.repeat(length), 'x'.repeat(length), 'milk'];
  expect(sender.trySend(value)).toBe(true);
  const job = receiver.tryReceive();
  expect(job?.value).toEqual(value);
  expect(msgpackr.unpack(msgpackr.pack(value))).toEqual(value);
  job?.ack();
});
