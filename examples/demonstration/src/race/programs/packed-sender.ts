// Sends over a Unix socket as fast as Node.js can: frames packed by hand into buffers of 64 KiB, which are used again.
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { report } from '../../role.ts';
import { FRAME_BYTES, writeFrame } from '../frames.ts';
import { parseHeat } from '../heat-arguments.ts';

const FRAMES = Math.floor((64 << 10) / FRAME_BYTES);
/** One is being filled while another is being sent. */
const BUFFERS = 2;

const { directory, warmupMs, measureMs } = parseHeat();

async function sendAll(socket: Socket): Promise<void> {
  const views = Array.from({ length: BUFFERS }, () => new DataView(new ArrayBuffer(FRAMES * FRAME_BYTES)));
  const sent: Promise<void>[] = Array.from({ length: BUFFERS }, () => Promise.resolve());
  let number = 0;
  const endAt = performance.now() + warmupMs + measureMs;
  for (let turn = 0; performance.now() < endAt; turn = (turn + 1) % BUFFERS) {
    await sent[turn];
    const view = views[turn];
    for (let at = 0; at < view.byteLength; at += FRAME_BYTES) writeFrame(view, at, number++);
    sent[turn] = new Promise((resolve) => socket.write(new Uint8Array(view.buffer), () => resolve()));
  }
  socket.end();
  report({ result: { sent: number } });
}

const server = createServer((socket) => {
  server.close();
  void sendAll(socket);
});
server.listen(join(directory, 'socket'), () => report({ ready: true }));
