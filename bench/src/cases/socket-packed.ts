// A Unix socket in the hands of somebody who cares: frames packed into 64 KiB buffers that are filled in place and used
// again, read into one buffer that is used again. The best that Node's own means give.

import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { FrameReader, frameHeaderBytes } from '../frame-reader.ts';
import { Arrivals, parseRole, printReady } from '../role.ts';
import { Workload } from '../workload.ts';

const batchBytes = 64 << 10;
const buffersInFlight = 4;

const role = parseRole();
const work = new Workload(role.sizeBytes);
const frameBytes = frameHeaderBytes + work.sizeBytes;

class PackedWriter {
  readonly #socket: Socket;
  readonly #free: Uint8Array[];
  #onFree: (() => void) | undefined;

  constructor(socket: Socket, bufferBytes: number) {
    this.#socket = socket;
    this.#free = Array.from({ length: buffersInFlight }, () => new Uint8Array(bufferBytes));
  }

  async buffer(): Promise<Uint8Array> {
    if (this.#free.length === 0) await new Promise<void>((resolve) => (this.#onFree = resolve));
    return this.#free.pop() as Uint8Array;
  }

  write(buffer: Uint8Array, length: number): void {
    this.#socket.write(buffer.subarray(0, length), () => {
      this.#free.push(buffer);
      this.#onFree?.();
      this.#onFree = undefined;
    });
  }
}

function pack(buffer: Uint8Array, messages: number, firstSequence: number): void {
  const header = new Int32Array(buffer.buffer);
  const f64 = new Float64Array(buffer.buffer);
  for (let at = 0, offset = 0; at < messages; at++, offset += frameBytes) {
    header[offset >>> 2] = work.sizeBytes;
    work.fill(f64, buffer, offset + frameHeaderBytes, firstSequence + at);
  }
}

async function sendAll(socket: Socket): Promise<void> {
  const batch = Math.max(1, Math.floor(batchBytes / frameBytes));
  const writer = new PackedWriter(socket, batch * frameBytes);
  for (let sequence = 0; sequence < role.count; sequence += batch) {
    const messages = Math.min(batch, role.count - sequence);
    const buffer = await writer.buffer();
    pack(buffer, messages, sequence);
    writer.write(buffer, messages * frameBytes);
  }
  socket.end();
}

/** The consumer is the connecting side, because only there can a read buffer be brought along. */
async function receiveAll(): Promise<void> {
  const arrivals = new Arrivals(role);
  const reader = new FrameReader(work.sizeBytes, (view, offset, length) => {
    arrivals.arrive(work.isIntactAnywhere(view, offset, length, arrivals.sequence));
  });
  const buffer = new Uint8Array(batchBytes);
  const onread = {
    buffer,
    callback: (length: number): boolean => {
      reader.read(buffer.subarray(0, length));
      return true;
    },
  };
  for (;;) {
    const socket = connect({ path: role.path, onread });
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return;
    await delay(5);
  }
}

if (role.produces) {
  const server = createServer((socket) => {
    server.close();
    void sendAll(socket);
  }).listen(role.path);
} else {
  printReady();
  await receiveAll();
}
