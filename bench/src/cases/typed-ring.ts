// Orders packed by msgpackr into a ring, between threads that poll. Variants: in-place (packed into the claimed bytes, unpacked from
// the ring), copied (packed, then copied into the ring; copied out, then unpacked).
import { createRing, FULL, openRing, type Producer } from '@memlane/ring';
import { Packr } from 'msgpackr/pack';
import { isOrder, type Order, orderOf } from '../order.ts';
import { Arrivals, parseRole, printReady } from '../role.ts';

const CAPACITY_BYTES = 1 << 20;
/** msgpackr goes on in memory of its own unless it has so much room to begin with. */
const CLAIM_BYTES = 2400;

const role = parseRole();
const structures = [Object.keys(orderOf(0))];
const packr = new Packr({ structures });

if (role.produces) {
  using ring = openRing(role.path);
  using producer = ring.producer({ wait: 'spin' });
  const write = role.variant === 'in-place' ? packInPlace : packAndCopy;
  for (let sequence = 0; sequence < role.count; sequence++) write(producer, orderOf(sequence));
  producer.flushSync();
} else {
  using ring = createRing(role.path, { capacityBytes: CAPACITY_BYTES });
  using consumer = ring.consumer({ wait: 'spin' });
  const arrivals = new Arrivals(role);
  const take = (order: Order): void => {
    arrivals.arrive(isOrder(order, arrivals.sequence));
  };
  printReady();
  while (arrivals.sequence < role.count) {
    if (role.variant === 'in-place') {
      consumer.poll(({ buffer }, offset, length) =>
        take(packr.unpack(buffer, { start: offset, end: offset + length })),
      );
    } else {
      for (let message = consumer.tryRead(); message !== null; message = consumer.tryRead())
        take(packr.unpack(message.data));
    }
    if (arrivals.sequence < role.count) consumer.waitSync();
  }
}

function packInPlace(producer: Producer, order: Order): void {
  let offset = producer.tryClaim(CLAIM_BYTES);
  while (offset === FULL) {
    producer.waitSync(Number.POSITIVE_INFINITY, CLAIM_BYTES);
    offset = producer.tryClaim(CLAIM_BYTES);
  }
  packr.useBuffer(producer.view.buffer.subarray(offset, offset + CLAIM_BYTES));
  producer.shrink(CLAIM_BYTES, packr.pack(order).length);
  producer.commit();
}

function packAndCopy(producer: Producer, order: Order): void {
  const packed = packr.pack(order);
  while (!producer.tryWrite(packed)) producer.waitSync(Number.POSITIVE_INFINITY, packed.length);
}
