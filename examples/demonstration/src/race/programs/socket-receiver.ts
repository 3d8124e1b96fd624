// Receives from a Unix socket, whatever its sender does.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { numberInStream } from '../../message.ts';
import { report } from '../../role.ts';
import { Arrivals } from '../arrivals.ts';
import { FrameReader } from '../frames.ts';
import { parseHeat } from '../heat-arguments.ts';

const { directory, warmupMs } = parseHeat();
const arrivals = new Arrivals(warmupMs);
const frames = new FrameReader((view, at) => arrivals.check(numberInStream(view, at)));

const server = createServer((socket) => {
  socket.on('data', (chunk) => {
    frames.read(chunk);
    arrivals.clock();
  });
  socket.on('end', () => {
    arrivals.end();
    server.close();
  });
});
server.listen(join(directory, 'socket'), () => report({ ready: true }));
