// The channel that child_process.fork() gives, as JSON. One parent starts the others. Variants: mpsc (the children produce),
// broadcast (the parent sends everything to each), workQueue (the parent deals out, in the place of all producers).
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type GroupRole, memberArguments, parseGroupRole } from '../group-role.ts';
import { Intake } from '../intake.ts';
import { TextWorkload } from '../workload.ts';

interface Message {
  readonly stamp: number;
  readonly text: string;
}

const batch = 128;

const role = parseGroupRole();
const work = new TextWorkload(role.sizeBytes);
const isChild = process.send !== undefined;

/** Whoever there is to send to, and how. */
interface Sink {
  send(message: Message): unknown;
  sendAndWait(message: Message): Promise<unknown>;
}

/** @param channel this process's, to its parent; or a child */
function sinkOf(channel: ChildProcess | NodeJS.Process): Sink {
  const send = (message: Message, done?: (error: Error | null) => void): unknown =>
    channel === process ? process.send?.(message, undefined, {}, done) : (channel as ChildProcess).send(message, done);
  return { send: (message) => send(message), sendAndWait: promisify(send) };
}

/** @param stampAt what the message carries, by its number @param sinksAt whom it goes to */
async function sendAll(count: number, stampAt: (at: number) => number, sinksAt: (at: number) => Sink[]): Promise<void> {
  for (let at = 0; at < count; at++) {
    const message = { stamp: stampAt(at), text: work.text };
    // What is under way is bounded by waiting for one message in so many.
    if (at % batch === batch - 1) await Promise.all(sinksAt(at).map((sink) => sink.sendAndWait(message)));
    else for (const sink of sinksAt(at)) sink.send(message);
  }
}

function receiveAll(source: readonly (ChildProcess | NodeJS.Process)[], onEnd: () => void): void {
  const intake = new Intake(role);
  intake.start();
  for (const channel of source) {
    channel.on('message', ({ stamp, text }: Message) => {
      if (intake.take(stamp, work.isIntact(text))) intake.mark();
      if (!intake.isComplete && stamp >= 0) return;
      intake.report();
      onEnd();
    });
  }
}

async function startChildren(produce: boolean, count: number): Promise<ChildProcess[]> {
  const children = Array.from({ length: count }, (_, index) =>
    fork(fileURLToPath(import.meta.url), memberArguments(role, produce, index)),
  );
  await Promise.all(children.map((child) => once(child, 'message')));
  return children;
}

async function gather({ producers }: GroupRole): Promise<void> {
  const children = await startChildren(true, producers);
  receiveAll(children, () => {
    for (const child of children) if (child.connected) child.disconnect();
  });
  for (const child of children) child.send('go');
}

async function spread({ variant, producers, consumers, count }: GroupRole): Promise<void> {
  const children = await startChildren(false, consumers);
  const sinks = children.map(sinkOf);
  const isBroadcast = variant === 'broadcast';
  await sendAll(
    count * producers,
    (at) => at,
    (at) => (isBroadcast ? sinks : [sinks[at % consumers]]),
  );
  if (!isBroadcast) for (const sink of sinks) sink.send({ stamp: -1, text: '' });
}

if (!isChild) {
  await (role.variant === 'mpsc' ? gather(role) : spread(role));
} else if (role.produces) {
  process.once('message', () => {
    const sink = sinkOf(process);
    void sendAll(
      role.count,
      (at) => at * role.producers + role.index,
      () => [sink],
    );
  });
  process.send?.('ready');
} else {
  receiveAll([process], () => process.disconnect());
  process.send?.('ready');
}
