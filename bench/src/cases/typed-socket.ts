// Orders over a Unix socket, through the streams of msgpackr.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { PackrStream, UnpackrStream } from 'msgpackr';
import { isOrder, type Order, orderOf } from '../order.ts';
import { Arrivals, parseRole, printReady } from '../role.ts';

const role = parseRole();
if (role.produces) {
  const packer = new PackrStream();
  packer.pipe(connect(role.path));
  for (let sequence = 0; sequence < role.count; sequence++)
    if (!packer.write(orderOf(sequence))) await once(packer, 'drain');
  packer.end();
} else {
  const arrivals = new Arrivals(role);
  const server = createServer((socket) => {
    server.close();
    socket.pipe(new UnpackrStream()).on('data', (order: Order) => arrivals.arrive(isOrder(order, arrivals.sequence)));
  }).listen(role.path, printReady);
}
