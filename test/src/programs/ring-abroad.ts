// Takes a place in a ring or a work queue: { path, role, isWork, reading }. Says 'attached'; a consumer then says each message
// that it has 'read', a producer writes each line that it is told.
import { type ConsumerOptions, openRing, openWorkQueue } from 'memlane';
import { Commands, parameters, say } from '../support/speech.ts';

const { path, role, isWork, reading } = parameters<{
  path: string;
  role: 'producer' | 'consumer';
  isWork: boolean;
  reading: ConsumerOptions;
}>();
const commands = new Commands();
if (role === 'producer') {
  const producer = isWork ? openWorkQueue(path).producer() : openRing(path).producer();
  say('attached');
  for (;;) await producer.write(await commands.next());
}
const consumer = isWork ? openWorkQueue(path).consumer() : openRing(path).consumer(reading);
say('attached');
for (;;) {
  await consumer.wait();
  for (let message = consumer.tryRead(); message !== null; message = consumer.tryRead())
    say('read', message.data.toString());
}
