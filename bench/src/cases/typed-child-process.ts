// Orders over the channel of a forked child. Variants: json, advanced (structured clone).
import { type ChildProcess, fork, type SerializationType } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isOrder, type Order, orderOf } from '../order.ts';
import { consumerLauncher } from '../pinning.ts';
import { Arrivals, oppositeArguments, parseRole } from '../role.ts';

/** The channel queues without a bound: only so many are under way at once. */
const BATCH = 256;

const role = parseRole();
if (role.produces) {
  const options = { serialization: role.variant as SerializationType, ...consumerLauncher() };
  const child = fork(fileURLToPath(import.meta.url), oppositeArguments(role), options);
  child.once('message', () => void sendAll(child));
} else {
  const arrivals = new Arrivals(role);
  process.on('message', (order: Order) => {
    if (arrivals.arrive(isOrder(order, arrivals.sequence))) process.disconnect();
  });
  process.send?.('ready');
}

async function sendAll(child: ChildProcess): Promise<void> {
  const sendAndWait = promisify((order: Order, done: (error: Error | null) => void) => child.send(order, done));
  for (let sequence = 0; sequence < role.count; sequence++) {
    const isLast = sequence % BATCH === BATCH - 1 || sequence === role.count - 1;
    if (isLast) await sendAndWait(orderOf(sequence));
    else child.send(orderOf(sequence));
  }
}
