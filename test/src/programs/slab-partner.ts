// As a worker thread or a child process: takes each buffer that it is sent, keeps it, and sends another with the same back.
import { parentPort } from 'node:worker_threads';
import { attachSlab, type SharedReference, type Slab, type SlabDescriptor } from 'memlane';

interface Sent {
  readonly descriptor: SlabDescriptor;
  readonly reference: SharedReference;
}

let slab: Slab | undefined;

function answer({ descriptor, reference }: Sent): SharedReference {
  slab ??= attachSlab(descriptor);
  const buffer = slab.take(reference);
  const copy = slab.tryAcquire(buffer.length);
  if (copy === null) throw new Error('there is no room');
  buffer.data.copy(copy.data);
  return copy.share();
}

if (parentPort === null) process.on('message', (sent: Sent) => process.send?.(answer(sent)));
else parentPort.on('message', (sent: Sent) => parentPort?.postMessage(answer(sent)));
