import { expect, test } from '@jest/globals';
import { createAnonymousRing } from '@memlane/ring';

const MESSAGES = 20_000;

test('a timer runs while a busy ring is written and iterated over', async () => {
  using ring = createAnonymousRing({ capacityBytes: 2 ** 20 });
  const producer = ring.producer();
  const consumer = ring.consumer();

  let written = 0;
  let runs = 0;
  const whileWriting = setInterval(() => {
    runs += 1;
  });
  for (; written < MESSAGES; written++) await producer.write(`${written}`);
  clearInterval(whileWriting);
  expect(runs).toBeGreaterThan(0);
  producer.end();

  runs = 0;
  const whileReading = setInterval(() => {
    runs += 1;
  });
  let read = 0;
  for await (const { data } of consumer) expect(data.toString()).toBe(`${read++}`);
  clearInterval(whileReading);
  expect(read).toBe(MESSAGES);
  expect(runs).toBeGreaterThan(0);
});
