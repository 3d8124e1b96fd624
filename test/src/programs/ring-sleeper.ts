// Takes a place in a ring, says 'attached', sleeps until there is something to do, does it, and says what it was:
// { path, role, wait, blocking, uid?, options?, reading? }.
import { type ConsumerOptions, type OpenRingOptions, openRing, type WaitStrategy } from 'memlane';
import { becomeUser, parameters, say } from '../support/speech.ts';

const { path, role, wait, blocking, uid, options, reading } = parameters<{
  path: string;
  role: 'producer' | 'consumer';
  wait: WaitStrategy;
  blocking: boolean;
  uid?: number;
  options?: OpenRingOptions;
  reading?: ConsumerOptions;
}>();
if (uid !== undefined) becomeUser(uid);
const ring = openRing(path, options);
const LENGTH = 24;
const message = (n: number): string => `message ${n}`.padEnd(LENGTH);

if (role === 'producer') {
  const producer = ring.producer({ wait });
  let written = 0;
  while (producer.tryWrite(message(written))) written += 1;
  say('attached', written);
  for (;;) {
    if (blocking) producer.waitSync(Number.POSITIVE_INFINITY, LENGTH);
    else await producer.wait({ length: LENGTH });
    say('awake');
    while (producer.tryWrite(message(written))) written += 1;
    say('written', written);
  }
} else {
  const consumer = ring.consumer({ ...reading, wait });
  say('attached');
  for (;;) {
    if (blocking) consumer.waitSync();
    else await consumer.wait();
    say('awake');
    const texts: string[] = [];
    for (let message = consumer.tryRead(); message !== null; message = consumer.tryRead())
      texts.push(message.data.toString());
    say('read', texts);
  }
}
