// A process that has nothing to do but a wait in the event loop, referenced or not: { path, role, wait, steps }.
// Takes the steps, says 'waiting', then ends when the event loop lets it, and says what became of the wait.
import { type Consumer, openRing, type Producer, type WaitStrategy } from 'memlane';
import { parameters, pause, say } from '../support/speech.ts';

const { path, role, wait, steps } = parameters<{
  path: string;
  role: 'producer' | 'consumer';
  wait: WaitStrategy;
  steps: readonly ('ref' | 'unref' | 'wait' | 'hold')[];
}>();
const ring = openRing(path);
let end: Producer | Consumer;
if (role === 'producer') {
  const producer = ring.producer({ wait });
  while (producer.tryWrite('x'.repeat(1000)));
  end = producer;
} else end = ring.consumer({ wait });

let outcome = 'pending';
let hold: NodeJS.Timeout | undefined;
process.on('exit', () => say('exit', outcome));
for (const step of steps) {
  if (step === 'wait')
    end.wait({ length: 1000 }).then(
      () => {
        outcome = 'met';
        clearInterval(hold); // and the endpoint stays open: it waits for nothing any more
      },
      (error: { code: string }) => {
        outcome = error.code;
      },
    );
  // Something else that keeps the process alive, without ever happening.
  else if (step === 'hold') hold = setInterval(() => {}, 2 ** 30);
  else end[step]();
  await pause(20); // as long as the wait is on, also between the steps
}
say('waiting');
