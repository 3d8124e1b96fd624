// Does to the file what it is told to, and knows nothing of rings in it.
// saboteur FILE ORDERS_RING
import { openRing } from 'memlane';
import { clockMs } from '../../clock.ts';
import { report } from '../../role.ts';
import { strike } from '../blows.ts';

const [path, ordersPath] = process.argv.slice(2);

using orders = openRing(ordersPath);
using consumer = orders.consumer();
report({ ready: true });
for await (const { type } of consumer) {
  const atMs = clockMs();
  strike(path, type);
  report({ event: { atMs } });
}
