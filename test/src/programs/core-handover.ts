/* Hands a region to a thread or a child process of its own; as the receiver, uses it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Region, type RegionDescriptor } from '@memlane/core';
import { parameters, pause, say } from '../support/speech.ts';

const LENGTH = 8192;
const read = ({ bytes }: Region): string => Buffer.from(bytes).toString('utf8').replace(/\0.*$/s, '');
const write = ({ bytes }: Region, text: string): void => {
  bytes.fill(0);
  bytes.set(Buffer.from(text));
};

/** What the owner and the receiver say to each other, whatever carries it. */
interface Port {
  send(message: unknown): void;
  receive(): Promise<unknown>;
  close(): void;
}

function portOf(
  send: (message: unknown) => void,
  on: (listener: (message: unknown) => void) => void,
  close: () => void,
): Port {
  const waiting: unknown[] = [];
  let wake = (): void => {};
  on((message) => {
    waiting.push(message);
    wake();
  });
  const receive = async (): Promise<unknown> => {
    while (waiting.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return waiting.shift();
  };
  return { send, receive, close };
}

async function receiver(port: Port): Promise<void> {
  const { descriptor, address } = (await port.receive()) as { descriptor: RegionDescriptor; address: number };
  const region = Region.attach(descriptor);
  port.send({ first: read(region), addressDiffers: region.address !== address || !isMainThread });
  await port.receive();
  write(region, 'from the receiver');
  port.send('written');
  await port.receive();
  port.send(read(region));
  write(region, 'x');
  port.send(read(region) === 'x');
  port.close();
}

async function owner(port: Port, path: string | undefined): Promise<void> {
  const region = path === undefined ? Region.createAnonymous(LENGTH) : Region.create(path, LENGTH);
  write(region, 'from the owner');
  port.send({ descriptor: region.descriptor(), address: region.address });
  const received = await port.receive();
  port.send('write');
  await port.receive();
  const afterReceiverWrote = read(region);
  write(region, 'written later');
  region.close();
  port.send('closed');
  const receiverAfterOwnerClosed = await port.receive();
  const receiverCouldStillWrite = await port.receive();
  say('result', { received, afterReceiverWrote, receiverAfterOwnerClosed, receiverCouldStillWrite });
  port.close();
}

/** Ends a thread that has a region open, again and again, and looks whether this thread's own suffers. */
async function survivor(path: string): Promise<void> {
  const region = Region.create(path, LENGTH);
  write(region, 'still here');
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  let before = 0;
  for (let round = 0; round < 5; round++) {
    // What the first thread of a process makes once and for all is not a leak.
    if (round === 1) before = descriptors();
    const worker = new Worker(new URL(import.meta.url));
    worker.postMessage({ descriptor: region.descriptor(), address: region.address });
    await once(worker, 'message');
    await worker.terminate();
    await pause(10);
  }
  say('result', { value: read(region), descriptorsLeft: descriptors() - before });
}

const child = process.send?.bind(process);
if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  await receiver(
    portOf(
      (message) => port.postMessage(message),
      (listener) => port.on('message', listener),
      () => port.close(),
    ),
  );
} else if (child !== undefined)
  await receiver(
    portOf(
      (message) => child(message),
      (listener) => process.on('message', listener),
      () => process.disconnect(),
    ),
  );
else {
  const given = parameters<{ path?: string; receiver: 'worker' | 'fork' | 'terminated' }>();
  if (given.receiver === 'terminated') await survivor(given.path as string);
  else if (given.receiver === 'worker') {
    const worker = new Worker(new URL(import.meta.url));
    await owner(
      portOf(
        (message) => worker.postMessage(message),
        (listener) => worker.on('message', listener),
        () => {},
      ),
      given.path,
    );
  } else {
    const forked = fork(fileURLToPath(import.meta.url));
    await owner(
      portOf(
        (message) => forked.send(message as object),
        (listener) => forked.on('message', listener),
        () => {},
      ),
      given.path,
    );
  }
}
