// Does what a rule is about, with or without a fault planted in the modules that it loads: { path, kind, scene, patienceMs?, first? }.
import { replaceSystemCall } from '@memlane/linux';
import {
  createCounters,
  createLatestValue,
  createRing,
  createWorkQueue,
  openCounters,
  openLatestValue,
  openRing,
  openWorkQueue,
  type Producer,
  removeCounters,
  removeLatestValue,
  removeRing,
  removeWorkQueue,
} from 'memlane';
import { Commands, parameters, pause, say, thrownBy } from '../support/speech.ts';

export type Kind = 'spsc' | 'broadcast' | 'mpsc' | 'work queue' | 'latest value' | 'counters';

const {
  path,
  kind,
  scene,
  patienceMs,
  first = 0,
} = parameters<{
  path: string;
  kind: Kind;
  scene: 'create' | 'late' | 'death' | 'grow' | 'go on';
  /** How long a sleeper may take to be woken before it is believed to sleep for good. */
  patienceMs?: number;
  /** Number of the first message that is written. */
  first?: number;
}>();

const create = (): Disposable => {
  if (kind === 'work queue') return createWorkQueue(path, { capacity: 4 });
  if (kind === 'latest value') return createLatestValue(path, { valueBytes: 8 });
  if (kind === 'counters') return createCounters(path, {});
  return createRing(path, { topology: kind });
};

const MESSAGES = 40;

/** Writes numbered messages from that one on; returns the number of the next. */
function write(producer: Producer, from: number): number {
  for (let number = from; number < from + MESSAGES; number++) producer.tryWrite(`message ${number}`, number);
  return from + MESSAGES;
}

const scenes: Record<typeof scene, () => Promise<void> | void> = {
  /** Killed by its first mapping, which comes before anything is written. */
  create: () => {
    replaceSystemCall('mmap', () => () => {
      process.kill(process.pid, 'SIGKILL');
      throw new Error('still alive');
    });
    create();
  },

  /** Takes a place in what has lost its name since it was opened. */
  late: () => {
    create()[Symbol.dispose]();
    let take: () => unknown;
    if (kind === 'work queue') {
      const queue = openWorkQueue(path);
      removeWorkQueue(path);
      take = () => queue.producer();
    } else if (kind === 'latest value') {
      const value = openLatestValue(path);
      removeLatestValue(path);
      take = () => value.writer();
    } else if (kind === 'counters') {
      const counters = openCounters(path);
      removeCounters(path);
      take = () => counters.counter('late').increment();
    } else {
      const ring = openRing(path);
      removeRing(path);
      take = () => ring.producer();
    }
    say('result', thrownBy(take)?.code ?? 'taken');
  },

  /** Writes so many messages, moves to a larger segment, and writes as many again. */
  grow: () => {
    const producer = openRing(path).producer();
    write(producer, first);
    producer.resize(8192);
    say('result', write(producer, first + MESSAGES));
  },

  /** Writes so many where somebody has died. */
  'go on': () => {
    say('result', write(openRing(path).producer(), first));
  },

  /** Sleeps in the event loop until somebody's death is what it waits for. */
  death: async () => {
    const commands = new Commands();
    let waiting: Promise<void>;
    if (kind === 'broadcast') {
      const producer = openRing(path).producer({ wait: 'event' });
      while (producer.tryWrite('x'.repeat(1000)));
      waiting = producer.wait({ length: 1000 });
    } else if (kind === 'mpsc') {
      const ring = openRing(path);
      ring.producer().end();
      waiting = ring.consumer({ wait: 'event' }).wait();
    } else waiting = openWorkQueue(path).consumer({ wait: 'event' }).wait();
    say('waiting');
    await commands.next();
    say('result', await Promise.race([waiting.then(() => 'woken'), pause(patienceMs ?? 0).then(() => 'asleep')]));
  },
};
await scenes[scene]();
process.exit();
