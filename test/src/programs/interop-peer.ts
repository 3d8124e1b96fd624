// One end of a ring, in Node.js: does what it is told, as test/interop/peer.c, which has the list of commands. WAIT is spin,
// park or event.
import {
  attachRing,
  type Consumer,
  type Delivery,
  FULL,
  openRing,
  openWorkQueue,
  type Producer,
  type Ring,
  type RingDescriptor,
  type WorkConsumer,
  type WorkProducer,
  type WorkQueue,
} from 'memlane';
import { byteOf, lengthOf } from '../interop/messages.ts';
import { Commands, plainError, say as sayTo } from '../support/speech.ts';

const PATIENCE_MS = 20_000;
const BATCH = 4;
const RELEASE_AFTER = 8;

let ring: Ring;
let producer: Producer;
let consumer: Consumer;
let lost = 0;
let queue: WorkQueue;
let putter: WorkProducer;
let taker: WorkConsumer;
let held: Delivery | null = null;
let role: 'nobody' | 'producer' | 'consumer' | 'putter' | 'taker' = 'nobody';

const say = (what: string, value: unknown = null): void => sayTo('answer', [what, value]);

type Strategy = 'spin' | 'park' | 'event';
const timesOut = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);

/** An endpoint waits for what it was made with; so both kinds of waiting are of the strategy that allows either. */
async function waitFor(
  end: Producer | Consumer | WorkProducer | WorkConsumer,
  strategy: Strategy,
  length = 0,
): Promise<boolean> {
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
  if (role === 'putter' || role === 'taker')
    queue.close(); // and with it the endpoint
  else if (role !== 'nobody') ring.close();
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

function attachToQueue(kind: string, path: string): void {
  leave();
  queue = openWorkQueue(path);
  if (kind === 'work-produce') putter = queue.producer();
  else taker = queue.consumer();
  role = kind === 'work-produce' ? 'putter' : 'taker';
}

async function put(id: number, first: number, count: number, longest: number, strategy: Strategy): Promise<number> {
  for (let n = first; n < first + count; ) {
    const length = lengthOf(id, n, longest);
    const payload = Buffer.alloc(length);
    payload.writeUInt32LE(id, 0);
    payload.writeUInt32LE(n, 4);
    for (let i = 8; i < length; i++) payload[i] = byteOf(id, n, i);
    if (putter.tryWrite(payload, n)) n += 1;
    else if (!(await waitFor(putter, strategy))) throw new Error('no room');
  }
  return count;
}

/** Takes a message, or finds the end. */
async function take(strategy: Strategy): Promise<Delivery | null> {
  for (;;) {
    const delivery = taker.tryTake();
    if (delivery !== null || taker.isEnded) return delivery;
    if (!(await waitFor(taker, strategy))) throw new Error('no message');
  }
}

/** Producer, number and deliveries of a message. */
function told(delivery: Delivery | null): readonly number[] | null {
  if (delivery === null) return null;
  return [delivery.view.i32[delivery.offset >> 2], delivery.type, delivery.deliveries];
}

async function get(count: number, longest: number, strategy: Strategy): Promise<unknown> {
  const messages: (readonly number[] | null)[] = [];
  const faults: string[] = [];
  let ended = false;
  while (messages.length < count) {
    const delivery = await take(strategy);
    ended = delivery === null;
    if (delivery === null) break;
    const { view, offset, length, type: n } = delivery;
    const id = view.i32[offset >> 2];
    const isRight = view.i32[(offset >> 2) + 1] === n && length === lengthOf(id, n, longest);
    if (!isRight) faults.push(`header of message ${n} of ${id}`);
    for (let i = 8; i < length; i++) if (view.u8[offset + i] !== byteOf(id, n, i)) faults.push(`message ${n} of ${id}`);
    messages.push(told(delivery));
    delivery.ack();
  }
  return { messages, faults: faults.length, fault: faults[0] ?? '', ended, error: '' };
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
    case 'work-produce':
    case 'work-consume':
      attachToQueue(verb, words[0]);
      return say('attached');
    case 'put':
      return say('written', await put(numbers[0], numbers[1], numbers[2], numbers[3], words[4] as Strategy));
    case 'get':
      return say('got', await get(numbers[0], numbers[1], words[2] as Strategy));
    case 'take':
      held = await take(words[0] as Strategy);
      return say('taken', told(held));
    case 'ack':
      held?.ack();
      return say('settled');
    case 'nack':
      held?.nack({ delayMs: numbers[0] });
      return say('settled');
    case 'dead': {
      let letter: readonly number[] | null = null;
      taker.pollDead((view, offset, _length, type) => {
        letter = [view.i32[offset >> 2], type];
      }, 1);
      return say('taken', letter);
    }
    case 'end':
      if (role === 'putter') putter.end();
      else producer.end();
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
