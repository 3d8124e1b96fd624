// Takes producers' places on a small file system until there is no room for another lane: { path }. Says 'found'.
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createRing, type LinuxError, type Producer } from 'memlane';
import { parameters, say } from '../support/speech.ts';

const { path } = parameters<{ path: string }>();
const ring = createRing(path, { topology: 'mpsc', producers: 8, capacityBytes: 1 << 18 });
const consumer = ring.consumer();
const producers: Producer[] = [];

function attempt(): LinuxError | undefined {
  try {
    producers.push(ring.producer());
    return undefined;
  } catch (error) {
    return error as LinuxError;
  }
}

let error: LinuxError | undefined;
while (error === undefined) error = attempt();
const attached = producers.length;
const alive = ring.statistics().producers.filter((producer) => producer.alive).length;
// Whoever is there fills what has been reserved for it: no page is missing.
let read = 0;
for (const [type, producer] of producers.entries()) while (producer.tryWrite('x'.repeat(1000), type));
consumer.poll(() => {
  read += 1;
});
const others = read === attached * Math.floor((1 << 18) / 1008) ? 'work' : `${read} messages`;
const again = attempt()?.code;
// When one has gone, and its memory, another one may come.
producers.pop()?.close();
let afterwards: string | undefined = 'never';
for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
  consumer.waitSync(0);
  afterwards = attempt()?.code ?? 'attached';
  if (afterwards === 'attached') break;
  await new Promise((resolve) => setTimeout(resolve, 5));
}
// One for each who is attached: the refused have left none.
const bells = readdirSync(dirname(path)).filter((name) => name.endsWith('.life')).length;
say('found', { attached, code: error.code, path: error.path, alive, others, again, afterwards, bells });
ring.close();
