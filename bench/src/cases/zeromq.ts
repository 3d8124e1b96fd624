// zeromq's push and pull over ipc://. Variants: each, round-trip.
import { setTimeout as delay } from 'node:timers/promises';
import { Pull, Push } from 'zeromq';
import { GapRecorder } from '../gap-recorder.ts';
import { Arrivals, parseRole, printReady, report } from '../role.ts';
import { Workload } from '../workload.ts';

const largestQueueBytes = 16 << 20;

const role = parseRole();
const work = new Workload(role.sizeBytes);
const isRoundTrip = role.variant === 'round-trip';
const highWaterMark = Math.min(1000, Math.ceil(largestQueueBytes / role.sizeBytes));
const push = new Push({ sendHighWaterMark: highWaterMark });
const pull = new Pull({ receiveHighWaterMark: highWaterMark });

// A copy each time: zeromq sends from the buffer later, when the next sequence number would already be in it.
function message(sequence: number): Buffer {
  work.payload(sequence);
  return Buffer.from(work.sourceBytes);
}

async function receive(sequence: number): Promise<boolean> {
  const [payload] = await pull.receive();
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return work.isIntactAnywhere(view, 0, payload.byteLength, sequence);
}

if (role.produces) {
  push.connect(`ipc://${role.path}`);
  pull.connect(`ipc://${role.path}.reply`);
  if (isRoundTrip) {
    const gaps = new GapRecorder(role.count - role.warmup);
    let faults = 0;
    for (let sequence = 0; sequence < role.count; sequence++) {
      await push.send(message(sequence));
      if (!(await receive(sequence))) faults++;
      gaps.mark(sequence - role.warmup);
    }
    report({ ...gaps.summary(), faults });
  } else {
    for (let sequence = 0; sequence < role.count; sequence++) await push.send(message(sequence));
    await pull.receive();
  }
} else {
  await pull.bind(`ipc://${role.path}`);
  await push.bind(`ipc://${role.path}.reply`);
  printReady();
  const arrivals = new Arrivals(role);
  for (let last = false; !last; ) {
    const { sequence } = arrivals;
    last = arrivals.arrive(await receive(sequence));
    if (isRoundTrip || last) await push.send(message(sequence));
  }
  // A process that ends takes what its sockets have not sent yet with it, whatever their linger says.
  await delay(100);
}
