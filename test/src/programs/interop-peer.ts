// One end of a ring, in Node.js: does what it is told, as test/interop/peer.c, which has the list of commands. WAIT is spin,
// park or event.
import { attachRing, type Consumer, FULL, openRing, type Producer, type Ring, type RingDescriptor } from 'memlane';
import { byteOf, lengthOf } from '../interop/messages.ts';
import { Commands, plainError, say as sayTo } from '../support/speech.ts';

const PATIENCE_MS = 20_000;
const BATCH = 4;
const RELEASE_AFTER = 8;

let ring: Ring;
let producer: Producer;
let consumer: Consumer;
let lost = 0;
let role: 'nobody' | 'producer' | 'consumer' = 'nobody';

const say = (what: string, value: unknown = null): void => sayTo('answer', [what, value]);

type Strategy = 'spin' | 'park' | 'event';
const timesOut = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);

/** An endpoint waits for what it was made with; so both kinds of waiting are of the strategy that allows either. */
async function waitFor(end: Producer | Consumer, strategy: Strategy, length = 0): Promise<boolean> {
  if (strategy === 'event') {
    await (end as Producer).wait({ signal: timesOut(), length });
    return true;
  }
  return (end as Producer).waitSync(PATIENCE_MS, length);
}

async function write(id: number, first: number, count: number, longest: number, strategy?: Strategy): Promise<number> {
  let n = first;
  while (n < first + count) {
    const length = lengthOf(id, n, longest);
    const offset = producer.tryClaim(length, n);
    if (offset !== FULL) {
      const { view } = producer;
      view.i32[offset >> 2] = id;
      view.i32[(offset >> 2) + 1] = n;
      for (let i = 8; i < length; i++) view.u8[offset + i] = byteOf(id, n, i);
      n += 1;
      if (n % BATCH !== 0) continue;
    }
    producer.commit();
    if (offset !== FULL) continue;
    if (strategy === undefined) break;
    if (!(await waitFor(producer, strategy, length))) throw new Error('no room');
  }
  producer.commit();
  return n - first;
}

interface Seen {
  first: number;
  next: number;
  count: number;
  skipped: number;
}

async function read(count: number, longest: number, strategy: Strategy): Promise<unknown> {
  const seen: Record<number, Seen> = {};
  const faults: string[] = [];
  let left = count;
  let ended = false;
  while (left > 0) {
    left -= consumer.poll(
      (view, offset, length, type) => {
        const [id, n] = [view.i32[offset >> 2], view.i32[(offset >> 2) + 1]];
        const wrong = (what: string): number => faults.push(`${what} in message ${n} of ${id}`);
        if (type !== n) return void wrong('type');
        if (length !== lengthOf(id, n, longest)) return void wrong('length');
        for (let i = 8; i < length; i++) if (view.u8[offset + i] !== byteOf(id, n, i)) return void wrong('contents');
        seen[id] ??= { first: n, next: n, count: 0, skipped: 0 };
        const of = seen[id];
        if (n < of.next) wrong('order');
        of.skipped += n - of.next;
        of.next = n + 1;
        of.count += 1;
      },
      Math.min(left, RELEASE_AFTER),
    );
    if (left === 0) break;
    ended = consumer.isEnded;
    if (ended) break;
    if (!(await waitFor(consumer, strategy))) throw new Error('no message');
  }
  return { ended, lost, faults: faults.length, fault: faults[0] ?? '', seen };
}

function leave(): void {
  if (role === 'producer') producer.close();
  if (role === 'consumer') consumer.close();
  if (role !== 'nobody') ring.close();
  role = 'nobody';
}

function attach(kind: string, path: string, words: readonly string[]): void {
  leave();
  ring = path.startsWith('{') ? attachRing(JSON.parse(path) as RingDescriptor) : openRing(path);
  if (kind === 'produce') {
    producer = ring.producer();
    role = 'producer';
    return;
  }
  const keep = words.find((word) => word.startsWith('keep='))?.slice(5);
  const name = words.find((word) => word.startsWith('name='))?.slice(5);
  const isBroadcast = ring.topology === 'broadcast' || ring.topology === 'bus';
  const from = words.includes('oldest') ? 'oldest' : 'now';
  const retain = keep === undefined || keep === 'nothing' || keep === 'everything' ? keep : Number(keep);
  lost = 0;
  const onLoss = ({ records = 0 }: { records?: number | undefined }): void => {
    lost += records;
  };
  consumer = ring.consumer(isBroadcast ? { from, name, retain: retain as 'everything', onLoss } : {});
  role = 'consumer';
}

async function obey([verb, ...words]: readonly string[]): Promise<void> {
  const numbers = words.map(Number);
  switch (verb) {
    case 'produce':
    case 'consume':
      attach(verb, words[0], words.slice(1));
      return say('attached');
    case 'write':
      return say('written', await write(numbers[0], numbers[1], numbers[2], numbers[3], words[4] as Strategy));
    case 'try':
      return say('written', await write(numbers[0], numbers[1], numbers[2], numbers[3]));
    case 'read':
      return say('read', await read(numbers[0], numbers[1], words[2] as Strategy));
    case 'wait':
      return say(
        'woken',
        await waitFor(role === 'producer' ? producer : consumer, words[0] as Strategy, numbers[1] || 0),
      );
    case 'resize':
      producer.resize(ring.capacityBytes * 2 ** numbers[0]);
      return say('resized');
    case 'end':
      producer.end();
      return say('ended');
    case 'leave':
      leave();
      return say('left');
    default:
      return say('error', { code: 'no such command' });
  }
}

const commands = new Commands();
for (;;) {
  const line = await commands.next();
  try {
    await obey(line.split(' '));
  } catch (error) {
    say('error', plainError(error));
  }
}
