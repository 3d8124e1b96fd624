// Handles messages: checks each one, and reports it to the judge through a second ring before it counts as consumed.
// consumer MESSAGES_RING REPORTS_RING GENERATION
import { Action, FULL, openRing } from 'memlane';
import { numberOf } from '../../message.ts';
import { endIfOrphaned, PATIENCE_MS } from '../../role.ts';
import { BATCH } from '../batch.ts';
import { REPORT_BYTES } from '../judge.ts';

const [messagesPath, reportsPath, generation] = process.argv.slice(2);

using messages = openRing(messagesPath);
using reports = openRing(reportsPath);
using consumer = messages.consumer();
using reporter = reports.producer();
const { f64 } = reporter.view;

while (!consumer.isEnded) {
  let full = false;
  const count = consumer.poll((message, offset, _length, producerGeneration) => {
    const report = reporter.tryClaim(REPORT_BYTES, Number(generation));
    if (report === FULL) {
      full = true;
      return Action.ABORT; // not handled: it comes again
    }
    f64[report >> 3] = numberOf(message.f64, offset >> 3);
    f64[(report >> 3) + 1] = producerGeneration;
    reporter.commit();
    return Action.CONTINUE;
  }, BATCH);
  if (count > 0) continue;
  const ready = full ? reporter.waitSync(PATIENCE_MS, REPORT_BYTES) : consumer.waitSync(PATIENCE_MS);
  if (!ready) endIfOrphaned();
}
reporter.end();
