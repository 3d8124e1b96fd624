// Orders through a queue with a name, in event loops. Variants: send (`send` and `for await`), try (`trySend` and `tryReceive`, which
// wait only where there is nothing to do), pubsub (`publish` and a subscription).
import { createPubSub, createQueue, openPubSub, openQueue, type Queue } from '@memlane/queue';
import { isOrder, type Order, orderOf } from '../order.ts';
import { Arrivals, parseRole, printReady } from '../role.ts';

const role = parseRole();
const name = `${role.path}.queue`;
const { variant, produces, count } = role;

if (variant === 'pubsub') await (produces ? publishAll() : subscribe());
else await (produces ? sendAll() : receiveAll());

async function sendAll(): Promise<void> {
  using queue = openQueue<Order>(name);
  const send = variant === 'try' ? sendAtOnce : (to: Queue<Order>, order: Order) => to.send(order);
  for (let sequence = 0; sequence < count; sequence++) {
    const sending = send(queue, orderOf(sequence));
    if (sending !== undefined) await sending;
  }
  queue.end();
}

function sendAtOnce(queue: Queue<Order>, order: Order): Promise<boolean> | undefined {
  return queue.trySend(order) ? undefined : queue.send(order);
}

async function receiveAll(): Promise<void> {
  using queue = createQueue<Order>(name);
  const arrivals = new Arrivals(role);
  printReady();
  if (variant === 'send') {
    for await (const { value } of queue) arrivals.arrive(isOrder(value, arrivals.sequence));
    return;
  }
  for (;;) {
    const job = queue.tryReceive() ?? (await queue.receive());
    if (job === null) return;
    arrivals.arrive(isOrder(job.value, arrivals.sequence));
    job.ack();
  }
}

async function publishAll(): Promise<void> {
  using topics = openPubSub<Order>(name);
  for (let sequence = 0; sequence < count; sequence++) await topics.publish('orders.new', orderOf(sequence));
  topics.end();
}

async function subscribe(): Promise<void> {
  using topics = createPubSub<Order>(name);
  const subscription = topics.subscribe('orders.*');
  const arrivals = new Arrivals(role);
  printReady();
  for await (const { value } of subscription) arrivals.arrive(isOrder(value, arrivals.sequence));
}
