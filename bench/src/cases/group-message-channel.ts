// MessageChannels between the threads of one process: structured clone, no shared memory. Variants: mpsc (worker threads
// produce, the main thread takes in), broadcast and workQueue (the main thread sends, in the place of all producers).
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads';
import { END_MARK, type GroupRole, memberArguments, parseGroupRole } from '../group-role.ts';
import { Intake } from '../intake.ts';
import { Workload } from '../workload.ts';

/** A port has no backpressure of its own: the receiver grants credit, a window at first, then by halves. */
const window = 1024;

interface ThreadData {
  readonly port: MessagePort;
  readonly argv: string[];
}

const thread = workerData as ThreadData | null;
const role: GroupRole = parseGroupRole(thread?.argv);
const work = new Workload(role.sizeBytes);

/** The sending end of a port. */
class Sender {
  readonly #port: MessagePort;
  readonly #onCredit: () => void;
  #credit = 0;

  constructor(port: MessagePort, onCredit: () => void) {
    this.#port = port;
    this.#onCredit = onCredit;
    port.on('message', (granted: number) => {
      this.#credit += granted;
      this.#onCredit();
    });
  }

  get hasCredit(): boolean {
    return this.#credit > 0;
  }

  send(stamp: number): void {
    this.#credit--;
    this.#port.postMessage(work.payload(stamp));
  }
}

/** Sends everything. @param stampAt what the message carries, by its number @param everyone to all ports, or in turn */
function sendAll(
  ports: readonly MessagePort[],
  count: number,
  stampAt: (at: number) => number,
  everyone: boolean,
): void {
  let at = 0;
  let ended = role.variant !== 'workQueue';
  const sendWhatCreditAllows = (): void => {
    for (; at < count; at++) {
      const receivers = everyone ? senders : [senders[at % senders.length]];
      if (receivers.some((sender) => !sender.hasCredit)) return;
      for (const receiver of receivers) receiver.send(stampAt(at));
    }
    if (ended) return;
    ended = true;
    for (const sender of senders) sender.send(END_MARK);
  };
  const senders = ports.map((port) => new Sender(port, sendWhatCreditAllows));
  sendWhatCreditAllows();
}

function receiveAll(ports: readonly MessagePort[]): void {
  const intake = new Intake(role);
  intake.start();
  for (const port of ports) {
    let received = 0;
    port.on('message', (payload: Float64Array) => {
      const [stamp] = payload;
      const more = intake.take(stamp, work.isIntact(payload, 0, payload.byteLength, stamp));
      if (more) intake.mark();
      if (++received % (window >> 1) === 0) port.postMessage(window >> 1);
      if (more && !intake.isComplete) return;
      intake.report();
      for (const each of ports) each.close();
    });
    port.postMessage(window);
  }
}

/** Resolves to their ports when all threads are ready. */
function startThreads(produce: boolean, count: number): Promise<MessagePort[]> {
  const starting = Array.from({ length: count }, async (_, index) => {
    const { port1, port2 } = new MessageChannel();
    const data: ThreadData = { port: port2, argv: memberArguments(role, produce, index) };
    await once(new Worker(fileURLToPath(import.meta.url), { workerData: data, transferList: [port2] }), 'message');
    return port1;
  });
  return Promise.all(starting);
}

if (thread) {
  if (role.produces) sendAll([thread.port], role.count, (at) => at * role.producers + role.index, true);
  else receiveAll([thread.port]);
  parentPort?.postMessage('ready');
} else if (role.variant === 'mpsc') {
  receiveAll(await startThreads(true, role.producers));
} else {
  const ports = await startThreads(false, role.consumers);
  sendAll(ports, role.count * role.producers, (at) => at, role.variant === 'broadcast');
}
