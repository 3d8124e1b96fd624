// Answers each message that comes over a Unix socket, with the same number.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { numberInStream } from '../../message.ts';
import { report } from '../../role.ts';
import { FrameReader, frame } from '../frames.ts';
import { parseHeat } from '../heat-arguments.ts';

const server = createServer((socket) => {
  const frames = new FrameReader((view, at) => socket.write(frame(numberInStream(view, at))));
  socket.on('data', (chunk) => frames.read(chunk));
  socket.on('end', () => server.close());
});
server.listen(join(parseHeat().directory, 'socket'), () => report({ ready: true }));
