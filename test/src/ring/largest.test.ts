import { expect, test } from '@jest/globals';
import { createAnonymousRing } from '@memlane/ring';

const GIB = 2 ** 30;

// Two mappings of 1 GiB are 2^31 bytes, where 32-bit arithmetic ends and Node changes how it writes strings.
test.each([0, GIB - 8, 2 ** 31 - 8, 2 ** 32 - 8])('the largest ring works, beginning at %i', (startPosition) => {
  using ring = createAnonymousRing({ capacityBytes: GIB, startPosition });
  const producer = ring.producer();
  const consumer = ring.consumer();
  expect(producer.tryWrite('Grüße')).toBe(true);
  expect(consumer.tryRead()?.data.toString()).toBe('Grüße');

  const longest = producer.maxMessageBytes;
  expect(longest).toBe(GIB - 8);
  const { u8 } = producer.view;
  const claimed = producer.tryClaim(longest, 7);
  u8[claimed] = 1;
  u8[claimed + longest - 1] = 2;
  producer.commit();
  expect(producer.tryClaim(0)).toBe(-1);
  const seen: number[][] = [];
  consumer.poll((view, offset, length, type) => {
    seen.push([length, type, view.u8[offset] as number, view.u8[offset + length - 1] as number]);
  });
  expect(seen).toEqual([[longest, 7, 1, 2]]);
  expect(producer.tryClaim(0)).not.toBe(-1);
});
