// The channel that child_process.fork() gives. Variants: json, advanced (throughput), round-trip-json, round-trip-advanced.
import { type ChildProcess, fork, type SerializationType } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { consumerLauncher } from '../pinning.ts';
import { Arrivals, oppositeArguments, parseRole, RoundTrips } from '../role.ts';
import { TextWorkload, Workload } from '../workload.ts';

interface Message {
  readonly sequence: number;
  readonly payload: string | Float64Array;
}

const largestBatch = 128;
const largestBatchBytes = 512 << 10;

const role = parseRole();
const isRoundTrip = role.variant.startsWith('round-trip');
const serialization: SerializationType = role.variant.endsWith('json') ? 'json' : 'advanced';
const work = new Workload(role.sizeBytes);
const text = new TextWorkload(role.sizeBytes);

function message(sequence: number): Message {
  if (serialization === 'json') return { sequence, payload: text.text };
  return { sequence, payload: work.payload(sequence) };
}

function isIntact({ sequence, payload }: Message, expected: number): boolean {
  if (typeof payload === 'string') return sequence === expected && text.isIntact(payload);
  return work.isIntact(payload, 0, payload.byteLength, expected);
}

async function sendAll(child: ChildProcess): Promise<void> {
  const batch = Math.max(1, Math.min(largestBatch, Math.floor(largestBatchBytes / role.sizeBytes)));
  const sendLast = promisify((last: Message, done: (error: Error | null) => void) => child.send(last, done));
  for (let sequence = 0; sequence < role.count; ) {
    const end = Math.min(sequence + batch, role.count) - 1;
    while (sequence < end) child.send(message(sequence++));
    await sendLast(message(sequence++));
  }
}

if (role.produces) {
  const launcher = consumerLauncher();
  const child = fork(fileURLToPath(import.meta.url), oppositeArguments(role), { serialization, ...launcher });
  const trips = new RoundTrips(role, (sequence) => child.send(message(sequence)));
  child.once('message', () => {
    if (isRoundTrip) {
      child.on('message', (reply: Message) => trips.reply(isIntact(reply, trips.sequence)));
      trips.start();
    } else {
      void sendAll(child);
    }
  });
} else {
  const arrivals = new Arrivals(role);
  process.on('message', (received: Message) => {
    const { sequence } = arrivals;
    const last = arrivals.arrive(isIntact(received, sequence));
    if (isRoundTrip) process.send?.(message(sequence));
    else if (last) process.disconnect();
  });
  process.send?.('ready');
}
