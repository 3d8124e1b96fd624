// Does to a slab what it is told, a line each; says 'done' with what came of it. { path } or { descriptor }; `sync` is not told.
import { attachSlab, openSlab, type SharedBuffer, type SharedReference, type SlabDescriptor } from 'memlane';
import { checkPattern, writePattern } from '../slab/pattern.ts';
import { Commands, parameters, plainError, say } from '../support/speech.ts';

interface Order {
  readonly what: 'acquire' | 'wait' | 'waitSync' | 'send' | 'consign' | 'take' | 'release' | 'sweep' | 'die' | 'close';
  readonly length?: number;
  readonly to?: number;
  readonly position?: number;
  readonly reference?: SharedReference;
}

const { path, descriptor } = parameters<{ path?: string; descriptor?: SlabDescriptor }>();
const slab = path === undefined ? attachSlab(descriptor as SlabDescriptor) : openSlab(path);
const commands = new Commands();
const buffers: SharedBuffer[] = [];
say('ready', slab.slot);

function keep(buffer: SharedBuffer | null): number {
  if (buffer === null) return -1;
  buffers.push(buffer);
  writePattern(buffer.data, buffer.chunk + 1);
  return buffer.chunk;
}

async function obey({ what, length = 0, to, position = 0, reference }: Order): Promise<unknown> {
  const buffer = buffers.at(-1) as SharedBuffer;
  if (what === 'acquire') return keep(slab.tryAcquire(length));
  if (what === 'wait') return keep(await slab.acquire(length));
  if (what === 'waitSync') return keep(slab.acquireSync(length));
  if (what === 'consign') return buffer.consign({ carrier: 1, lane: 0, position });
  if (what === 'send') {
    const sent = buffer.share(to === undefined ? {} : { to });
    say('sent', sent);
    process.kill(process.pid, 'SIGKILL');
  }
  if (what === 'take') {
    const taken = slab.take(reference as SharedReference);
    buffers.push(taken);
    return checkPattern(taken.data, taken.chunk + 1);
  }
  if (what === 'release') return buffers.pop()?.release();
  if (what === 'sweep') return slab.sweep();
  if (what === 'close') return slab.close();
  return process.kill(process.pid, 'SIGKILL');
}

for (;;) {
  const order = JSON.parse(await commands.next()) as Order;
  if (order.what === 'wait' || order.what === 'waitSync') say('waits');
  try {
    say('done', (await obey(order)) ?? null);
  } catch (error) {
    say('done', plainError(error));
  }
}
