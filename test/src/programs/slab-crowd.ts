// So many members of a slab in one process: { descriptor, members }. Told references to one buffer, all of them come to hold it,
// and again and again pass it on, release and take it until told to release it. Each look finds it whole.
import { attachSlab, type SharedBuffer, type SharedReference, type SlabDescriptor } from 'memlane';
import { Commands, parameters, say } from '../support/speech.ts';

const { descriptor, members } = parameters<{ descriptor: SlabDescriptor; members: number }>();
const slabs = Array.from({ length: members }, () => attachSlab(descriptor));
for (const slab of slabs) void slab.slot;
const commands = new Commands();
say('ready');
const [first, second] = JSON.parse(await commands.next()) as [SharedReference, SharedReference];
const held: (SharedBuffer | undefined)[] = slabs.map(() => undefined);

function check(buffer: SharedBuffer): SharedBuffer {
  if (!buffer.data.every((byte) => byte === 7)) throw new Error('it is not what was shared');
  return buffer;
}

held[0] = check((slabs[0] as (typeof slabs)[0]).take(first));
held[0].release(); // the other reference holds it
held[0] = check((slabs[0] as (typeof slabs)[0]).take(second));
const pass = (from: number, to: number): void => {
  const slab = slabs[to] as (typeof slabs)[0];
  const reference = share(held[from] as SharedBuffer, slab.slot);
  if (reference === undefined) return;
  held[to]?.release();
  held[to] = check(slab.take(reference));
};
/** All of the others may be at it at the same time. */
function share(buffer: SharedBuffer, to: number): SharedReference | undefined {
  try {
    return buffer.share({ to });
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MEMLANE_BUSY') throw error;
    return undefined;
  }
}
let random = process.pid;
const next = (): number => {
  random = (Math.imul(random, 1103515245) + 12345) >>> 0;
  return (random >>> 8) % members;
};
for (let count = 0; count < 3000; count++) {
  const [from, to] = [next(), next()];
  if (from === to || held[from] === undefined) continue;
  pass(from, to);
  if (to !== 0 && next() < members / 4) {
    held[to]?.release();
    held[to] = undefined;
  }
}
for (let to = 1; to < members; to++) while (held[to] === undefined) pass(0, to);
say('holds');
await commands.next();
for (const buffer of held) buffer?.release();
say('released');
