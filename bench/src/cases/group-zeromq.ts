// zeromq over ipc://. Variants: mpsc and workQueue (push and pull: each producer deals its messages out to all consumers),
// broadcast (publish and subscribe, nothing dropped).
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Pull, Push, Subscriber, XPublisher } from 'zeromq';
import { awaitEnd, awaitGo, END_MARK, parseGroupRole, printSent, stampOf } from '../group-role.ts';
import { Intake } from '../intake.ts';
import { ProcessorMeter } from '../processor-meter.ts';
import { report } from '../role.ts';
import { Workload } from '../workload.ts';

const sendHighWaterMark = 1000;
const receiveHighWaterMark = 1000;
/**
 * Of a consumer that several producers send to: none. With one, the last few hundred messages of one of eight producers
 * never came, in about one sample of five, though sent and awaited.
 */
const sharedHighWaterMark = 0;
const reconnectInterval = 1;

const role = parseGroupRole();
const work = new Workload(role.sizeBytes);

/** The address that a consumer of a queue is reached at. */
function address(consumer: number): string {
  return `ipc://${role.path}.${consumer}`;
}

// A copy each time: zeromq sends from the buffer later, when the next number would already be in it.
function message(stamp: number): Buffer {
  work.payload(stamp);
  return Buffer.from(work.sourceBytes);
}

async function push(): Promise<void> {
  // A socket for each consumer, dealt to in turn, as one socket would do; but end marks have to come to each of them.
  const sockets = Array.from({ length: role.consumers }, (_, consumer) => {
    const socket = new Push({ sendHighWaterMark });
    socket.connect(address(consumer));
    return socket;
  });
  await awaitGo();
  for (let sequence = 0; sequence < role.count; sequence++) {
    await sockets[sequence % role.consumers].send(message(stampOf(role, sequence)));
  }
  if (role.variant !== 'workQueue') return;
  // From every producer to every consumer: what others have sent may still be under way when these arrive.
  for (const socket of sockets) await socket.send(message(END_MARK));
  printSent();
}

async function publish(): Promise<void> {
  const socket = new XPublisher({ noDrop: true, sendHighWaterMark, verbosity: 'allSubs' });
  await socket.bind(address(0));
  for (let consumer = 0; consumer < role.consumers; consumer++) await socket.receive();
  await awaitGo();
  const meter = new ProcessorMeter();
  for (let sequence = 0; sequence < role.count; sequence++) {
    if (sequence === role.warmup) meter.resume();
    await sendToAll(socket, message(stampOf(role, sequence)));
  }
  meter.pause();
  report({ producerNs: meter.spentNs / (role.count - role.warmup) });
}

/** Where a subscriber is full, this kind of socket does not wait but refuses. */
async function sendToAll(socket: XPublisher, payload: Buffer): Promise<void> {
  for (;;) {
    try {
      return await socket.send(payload);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await nextTurn();
    }
  }
}

async function open(): Promise<Pull | Subscriber> {
  if (role.variant !== 'broadcast') {
    const socket = new Pull({ receiveHighWaterMark: sharedHighWaterMark });
    await socket.bind(address(role.index));
    return socket;
  }
  const socket = new Subscriber({ receiveHighWaterMark, reconnectInterval });
  socket.subscribe();
  socket.connect(address(0));
  return socket;
}

async function receiveAll(): Promise<void> {
  const socket = await open();
  const intake = new Intake(role);
  await awaitGo();
  intake.start();
  for (let marks = 0; !intake.isComplete && marks < role.producers; ) {
    const [{ buffer, byteOffset, byteLength }] = await socket.receive();
    const view = new DataView(buffer, byteOffset, byteLength);
    const stamp = view.getFloat64(0, true);
    if (intake.take(stamp, work.isIntactAnywhere(view, 0, byteLength, stamp))) intake.mark();
    else marks++;
  }
  intake.report();
}

if (!role.produces) await receiveAll();
else {
  await (role.variant === 'broadcast' ? publish() : push());
  // A process that ends takes what its sockets have not sent yet with it, whatever their linger says.
  await awaitEnd();
}
