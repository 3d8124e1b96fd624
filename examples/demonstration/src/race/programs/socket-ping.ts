// Sends a message over a Unix socket and waits for the answer, again and again.
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { numberInStream } from '../../message.ts';
import { FrameReader, frame } from '../frames.ts';
import { parseHeat } from '../heat-arguments.ts';
import { RoundTrips } from '../round-trips.ts';

const { directory, warmupMs, measureMs } = parseHeat();
const socket = connect(join(directory, 'socket'));
await once(socket, 'connect');

const trips = new RoundTrips(warmupMs, measureMs);

function send(): void {
  const number = trips.next();
  if (number === undefined) {
    socket.end();
    trips.end();
  } else {
    socket.write(frame(number));
  }
}

const frames = new FrameReader((view, at) => {
  trips.answered(numberInStream(view, at));
  send();
});
socket.on('data', (chunk) => frames.read(chunk));
send();
