// One end of a ring that is being destroyed: { path, role, count, way, seed }. The producer writes messages 0 to `count`
// and waits until they are consumed; the consumer checks each. Way: `event`, `adaptive`, `park` (blocking) or, for a
// consumer, also `poll` and `iterate`. Says 'attached', then 'ended' with what it has seen.
import { type Consumer, FULL, openRing, type Producer } from 'memlane';
import { fault, fill, lengthOf, type Traffic, typeOf } from '../ring/traffic.ts';
import { Commands, parameters, pause, say } from '../support/speech.ts';

interface Parameters {
  readonly path: string;
  readonly role: 'producer' | 'consumer';
  readonly count: number;
  readonly way: 'event' | 'adaptive' | 'park' | 'poll' | 'iterate';
  readonly traffic: Traffic;
  /** The producer writes the second half of the messages only when told. */
  readonly inHalves?: boolean;
}

const { path, role, count, way, traffic, inHalves = false } = parameters<Parameters>();
const commands = new Commands();
const wait = way === 'poll' || way === 'iterate' ? 'event' : way;
using ring = openRing(path);
if (role === 'producer') await produce(ring.producer({ recover: true, wait }));
else await consume(ring.consumer({ recover: true, wait }));
process.exit();

async function produce(producer: Producer): Promise<void> {
  const { u8 } = producer.view;
  say('attached');
  for (let n = 0; n < count; n++) {
    if (inHalves && n === count >> 1) {
      producer.commit();
      say('half');
      await commands.next();
    }
    const length = lengthOf(traffic, n);
    let offset = producer.tryClaim(length, typeOf(n));
    while (offset === FULL) {
      producer.commit();
      if (way === 'park') producer.waitSync(10_000, length);
      else await producer.wait({ length });
      offset = producer.tryClaim(length, typeOf(n));
    }
    fill(u8, offset, length, traffic, n);
    if (n % 7 === 0) producer.commit();
    if (n % 200 === 0 && way !== 'park') await pause(0);
  }
  producer.end();
  if (way === 'park') producer.flushSync(30_000);
  else await producer.flush();
  say('ended', { recoveries: producer.recoveries });
}

async function consume(consumer: Consumer): Promise<void> {
  let next = 0;
  const wrong: string[] = [];
  const judge = (from: Uint8Array, offset: number, length: number, type: number): void => {
    const found = fault(from, offset, length, type, traffic, next++);
    if (found !== undefined) wrong.push(found);
  };
  say('attached');
  if (way === 'iterate') {
    for await (const { data, type } of consumer) judge(data, 0, data.length, type);
  } else {
    while (!consumer.isEnded) {
      let read = 0;
      if (way === 'poll') read = consumer.poll(({ u8 }, offset, length, type) => judge(u8, offset, length, type), 50);
      else {
        const message = consumer.tryRead();
        if (message !== null) judge(message.data, 0, message.data.length, message.type);
        read = message === null ? 0 : 1;
      }
      if (read === 0) {
        if (way === 'park') consumer.waitSync(10_000);
        else await consumer.wait();
      } else if (next % 100 === 0 && way !== 'park') await pause(0);
    }
  }
  say('ended', { received: next, wrong: wrong.slice(0, 5), recoveries: consumer.recoveries });
}
