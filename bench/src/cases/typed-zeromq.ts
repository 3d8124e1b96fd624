// Orders packed by msgpackr, over push and pull of zeromq on ipc://.
import { Packr } from 'msgpackr';
import { Pull, Push } from 'zeromq';
import { isOrder, orderOf } from '../order.ts';
import { Arrivals, parseRole, printReady } from '../role.ts';

const role = parseRole();
const packr = new Packr({ structures: [Object.keys(orderOf(0))] });

if (role.produces) {
  const [push, done] = [new Push(), new Pull()];
  push.connect(`ipc://${role.path}`);
  done.connect(`ipc://${role.path}.done`);
  // A copy: zeromq sends from the buffer later, when msgpackr packs the next one into it.
  for (let sequence = 0; sequence < role.count; sequence++) await push.send(Buffer.from(packr.pack(orderOf(sequence))));
  await done.receive();
} else {
  const [pull, done] = [new Pull(), new Push()];
  await pull.bind(`ipc://${role.path}`);
  await done.bind(`ipc://${role.path}.done`);
  printReady();
  const arrivals = new Arrivals(role);
  for await (const [packed] of pull) if (arrivals.arrive(isOrder(packr.unpack(packed), arrivals.sequence))) break;
  await done.send('all');
}
