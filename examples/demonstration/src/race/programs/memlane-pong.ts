// Answers each message of one ring through another, with the same number.
import { join } from 'node:path';
import { openRing } from 'memlane';
import { fill, MESSAGE_BYTES, numberOf } from '../../message.ts';
import { endIfOrphaned, PATIENCE_MS, report } from '../../role.ts';
import { parseHeat } from '../heat-arguments.ts';

const { directory, wait } = parseHeat();

using requests = openRing(join(directory, 'requests'));
using answers = openRing(join(directory, 'answers'));
using consumer = requests.consumer({ wait });
using producer = answers.producer({ wait });
report({ ready: true });

while (!consumer.isEnded) {
  const count = consumer.poll(({ f64 }, offset) => {
    fill(producer.view.f64, producer.tryClaim(MESSAGE_BYTES) >> 3, numberOf(f64, offset >> 3));
    producer.commit();
  }, 1);
  if (count > 0) continue;
  if (wait !== 'spin') await consumer.wait();
  else if (!consumer.waitSync(PATIENCE_MS)) endIfOrphaned();
}
