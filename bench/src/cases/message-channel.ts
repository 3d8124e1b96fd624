// A MessageChannel between two threads of one process: structured clone, no shared memory. Variants: each, round-trip.
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads';
import { pinThisThread } from '../pinning.ts';
import { Arrivals, oppositeArguments, parseRole, type Role, RoundTrips } from '../role.ts';
import { Workload } from '../workload.ts';

// A port has no backpressure of its own: the consumer grants credit, half a window at a time.
const largestWindow = 1024;
const largestWindowBytes = 4 << 20;

const port: MessagePort | undefined = workerData?.port;
const role: Role = parseRole(workerData?.argv);
const isRoundTrip = role.variant === 'round-trip';
const work = new Workload(role.sizeBytes);
const window = Math.max(4, Math.min(largestWindow, Math.floor(largestWindowBytes / role.sizeBytes)));

function send(to: MessagePort, sequence: number): void {
  to.postMessage(work.payload(sequence));
}

function isIntact(payload: Float64Array, sequence: number): boolean {
  return work.isIntact(payload, 0, payload.byteLength, sequence);
}

function produce(to: MessagePort): void {
  let credit = window;
  let sequence = 0;
  const sendWhatCreditAllows = (): void => {
    for (; credit > 0 && sequence < role.count; credit--) send(to, sequence++);
  };
  to.on('message', (granted: number) => {
    credit += granted;
    sendWhatCreditAllows();
  });
  sendWhatCreditAllows();
}

function ping(to: MessagePort): void {
  const trips = new RoundTrips(role, (sequence) => send(to, sequence));
  to.on('message', (payload: Float64Array) => trips.reply(isIntact(payload, trips.sequence)));
  trips.start();
}

function consume(from: MessagePort): void {
  const arrivals = new Arrivals(role);
  from.on('message', (payload: Float64Array) => {
    const { sequence } = arrivals;
    const last = arrivals.arrive(isIntact(payload, sequence));
    if (isRoundTrip) send(from, sequence);
    else if (last) process.exit();
    else if (arrivals.sequence % (window >> 1) === 0) from.postMessage(window >> 1);
  });
}

if (port) {
  pinThisThread();
  consume(port);
  parentPort?.postMessage('ready');
} else {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(fileURLToPath(import.meta.url), {
    workerData: { port: port2, argv: oppositeArguments(role) },
    transferList: [port2],
  });
  worker.once('message', () => (isRoundTrip ? ping(port1) : produce(port1)));
  worker.once('exit', () => {
    port1.close();
  });
}
