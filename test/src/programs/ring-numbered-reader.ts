// Reads and checks numbered messages: { path, traffic, options?, due?, forMs?, rejoin?, joins?, napMs?,
// upTo? }. Says 'attached', then 'read' at the end of the stream, of the time, or before message `upTo`; with `rejoin`, takes
// a new place after so many messages, until it has had `joins`.
import { type Consumer, type ConsumerOptions, type MemlaneError, openRing } from 'memlane';
import { Reckoning } from '../ring/numbered.ts';
import type { Traffic } from '../ring/traffic.ts';
import { parameters, pause, say } from '../support/speech.ts';

const { path, traffic, options, due, forMs, rejoin, joins, napMs, upTo } = parameters<{
  path: string;
  traffic: Traffic;
  options?: ConsumerOptions;
  due?: number;
  forMs?: number;
  rejoin?: number;
  joins?: number;
  napMs?: number;
  upTo?: number;
}>();
const ring = openRing(path);
const deadline = performance.now() + (forMs ?? Number.POSITIVE_INFINITY);
const total = { joined: 0, evicted: 0, read: 0, lost: 0, losses: 0, due: 0 };
let reckoning = new Reckoning(traffic, due);
let consumer = join();
say('attached');
let isOver = false;
while (!isOver) {
  try {
    isOver = await work();
  } catch (error) {
    if ((error as MemlaneError).code !== 'ERR_MEMLANE_EVICTED') throw error;
    total.evicted += 1;
    again();
  }
}
count();
say('read', total);
process.exit();

/** Reads what is there, or waits for it; returns whether that was all. */
async function work(): Promise<boolean> {
  const limit = upTo === undefined ? 50 : Math.min(50, upTo - (reckoning.due ?? 0));
  const handled = limit > 0 ? consumer.poll(reckoning.handle, limit) : 0;
  if (performance.now() > deadline || (upTo !== undefined && reckoning.due === upTo)) return true;
  if (rejoin !== undefined && reckoning.read >= rejoin) {
    if (total.joined === joins) return true;
    again();
  }
  if (handled > 0) {
    if (napMs !== undefined && reckoning.read % 7 === 0) await pause(napMs);
    return false;
  }
  if (consumer.isEnded) return true;
  if (forMs === undefined) await consumer.wait();
  else consumer.waitSync(20);
  return false;
}

function join(): Consumer {
  total.joined += 1;
  const { onLoss } = reckoning;
  return ring.consumer({ ...options, ...(ring.topology === 'mpsc' ? {} : { onLoss }) });
}

function again(): void {
  consumer.close();
  count();
  reckoning = new Reckoning(traffic);
  consumer = join();
}

function count(): void {
  total.read += reckoning.read;
  total.lost += reckoning.lost;
  total.losses += reckoning.losses;
  total.due = reckoning.due ?? 0;
}
