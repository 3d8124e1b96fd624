// A Unix socket as most programs use it: every message framed and written on its own. Variants: each, round-trip.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { FrameReader, frameHeaderBytes } from '../frame-reader.ts';
import { Arrivals, parseRole, printReady, RoundTrips } from '../role.ts';
import { Workload } from '../workload.ts';

const role = parseRole();
const work = new Workload(role.sizeBytes);
const isRoundTrip = role.variant === 'round-trip';

function send(socket: Socket, sequence: number): boolean {
  const bytes = new Uint8Array(frameHeaderBytes + work.sizeBytes);
  new DataView(bytes.buffer).setUint32(0, work.sizeBytes, true);
  work.fill(new Float64Array(bytes.buffer), bytes, frameHeaderBytes, sequence);
  return socket.write(bytes);
}

async function sendAll(socket: Socket): Promise<void> {
  for (let sequence = 0; sequence < role.count; sequence++) {
    if (!send(socket, sequence)) await once(socket, 'drain');
  }
  socket.end();
}

function serve(socket: Socket): void {
  const arrivals = new Arrivals(role);
  const reader = new FrameReader(work.sizeBytes, (view, offset, length) => {
    const { sequence } = arrivals;
    if (arrivals.arrive(work.isIntactAnywhere(view, offset, length, sequence))) server.close();
    if (isRoundTrip) send(socket, sequence);
  });
  socket.on('data', (chunk) => reader.read(chunk));
}

const server = createServer(serve);

if (!role.produces) {
  server.listen(role.path, printReady);
} else {
  const socket = connect(role.path);
  await once(socket, 'connect');
  if (isRoundTrip) {
    const trips = new RoundTrips(role, (sequence) => send(socket, sequence));
    const reader = new FrameReader(work.sizeBytes, (view, offset, length) =>
      trips.reply(work.isIntactAnywhere(view, offset, length, trips.sequence)),
    );
    socket.on('data', (chunk) => reader.read(chunk));
    trips.start();
  } else {
    await sendAll(socket);
  }
}
