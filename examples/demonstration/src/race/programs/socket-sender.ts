// Sends over a Unix socket as most programs do: one write a message.
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { report } from '../../role.ts';
import { frame } from '../frames.ts';
import { parseHeat } from '../heat-arguments.ts';

const { directory, warmupMs, measureMs } = parseHeat();
const socket = connect(join(directory, 'socket'));
await once(socket, 'connect');

let number = 0;
const endAt = performance.now() + warmupMs + measureMs;
while (performance.now() < endAt) {
  if (!socket.write(frame(number++))) await once(socket, 'drain');
}
socket.end();
report({ result: { sent: number } });
