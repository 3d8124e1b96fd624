// One life in a storm over a ring: { path, traffic, levels }. Waits for a line { role, journal, way, seed, life, count, reading? }, then
// writes or reads until it is killed, or, with a count, until the end of the stream.
import { memory } from '@memlane/core';
import {
  Action,
  type Consumer,
  type ConsumerOptions,
  FULL,
  type MemlaneError,
  openRing,
  type Producer,
  type RecordView,
  type WaitStrategy,
} from 'memlane';
import { Event, Journal, MAX_MESSAGES, packKey } from '../ring/storm-journal.ts';
import { fault, fill, lengthOf, type Traffic } from '../ring/traffic.ts';
import { Random } from '../support/random.ts';
import { Commands, parameters, pause, say } from '../support/speech.ts';

/** How an end works: blocking with that strategy, awaiting with it, or by iteration. */
type Way = `${'blocking' | 'awaiting' | 'iterating'}:${WaitStrategy}`;

interface Part {
  readonly role: 'producer' | 'consumer';
  readonly journal: string;
  readonly way: Way;
  readonly seed: number;
  readonly life: number;
  readonly count: number;
  readonly reading?: ConsumerOptions;
}

const { path, traffic, levels } = parameters<{ path: string; traffic: Traffic; levels: number }>();
const judge = process.ppid;
const commands = new Commands();
say('ready');
const { role, journal: journalPath, way, seed, life, count, reading }: Part = JSON.parse(await commands.next());
const [manner, wait] = way.split(':') as [string, WaitStrategy];
const random = new Random(seed);
using journal = new Journal(journalPath);
using ring = openRing(path);
if (role === 'producer') await produce(ring.producer({ wait }), life, count);
else await consume(ring.consumer({ ...reading, wait }));
say('ended');
process.exit();

async function produce(producer: Producer, ownLife: number, total: number): Promise<void> {
  let inBatch = 0;
  const commit = (next: number): void => {
    if (inBatch === 0) return;
    producer.commit();
    journal.note(Event.committed, packKey({ life: ownLife, number: next - 1 }));
    inBatch = 0;
  };
  for (let number = 0; number < (total || MAX_MESSAGES); number++) {
    const key = packKey({ life: ownLife, number });
    const length = lengthOf(traffic, key);
    let offset = producer.tryClaim(length, key);
    while (offset === FULL) {
      commit(number);
      if (manner === 'blocking') {
        if (!producer.waitSync(1000, length)) endWithJudge();
      } else await producer.wait({ length });
      offset = producer.tryClaim(length, key);
    }
    fill(producer.view.u8, offset, length, traffic, key);
    inBatch += 1;
    if (random.chance(0.3)) {
      commit(number + 1);
      if (levels > 0 && random.chance(0.1)) resize(producer);
      // The processors are for the births of successors, too.
      if (random.chance(0.3)) {
        if (manner === 'blocking') memory.sleepSync(1);
        else await pause(1);
      }
    }
  }
  producer.end();
}

/** To another capacity, unless what was before the last one has not been read yet. */
function resize(producer: Producer): void {
  try {
    producer.resize(ring.capacityBytes << random.below(levels + 1));
  } catch (error) {
    if ((error as MemlaneError).code !== 'ERR_MEMLANE_BUSY') throw error;
  }
}

async function consume(consumer: Consumer): Promise<void> {
  journal.note(Event.begun);
  if (manner === 'iterating') {
    for await (const { data, type } of consumer) handle(data, 0, data.length, type);
  } else {
    while (!consumer.isEnded) {
      const handled = consumer.poll(handler, random.between(1, 40));
      if (handled > 0) journal.note(Event.advanced);
      else if (manner === 'blocking') {
        if (!consumer.waitSync(1000)) endWithJudge();
      } else await consumer.wait();
    }
  }
  journal.note(Event.ended);
}

function handler(view: RecordView, offset: number, length: number, type: number): Action {
  handle(view.u8, offset, length, type);
  return random.chance(0.05) ? Action.COMMIT : Action.CONTINUE;
}

function handle(from: Uint8Array, offset: number, length: number, type: number): void {
  const wrong = fault(from, offset, length, type, traffic, type);
  if (wrong !== undefined) throw new Error(wrong);
  journal.note(Event.handled, type);
  if (random.chance(0.01)) memory.sleepSync(1); // so that some die before they have advanced over it
}

/** A blocked thread hears nothing of its standard input. */
function endWithJudge(): void {
  if (process.ppid !== judge) process.exit();
}
