/* Takes part in a file, in the way that the judge asks for. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { memory, ParkKind, Peer, Region, type RegionDescriptor, withAttachLock } from '@memlane/core';
import { tableOf, wordOf } from '../core/participation.ts';
import { becomeUser, Commands, parameters, pause, say, thrownBy } from '../support/speech.ts';

interface Parameters {
  readonly descriptor: RegionDescriptor;
  readonly scene: 'hold' | 'die in recovery' | 'hold the attach lock' | 'try' | 'thread' | 'watch' | 'linger';
  readonly slot: number;
  /** What it does in the scene `linger`, where nothing else keeps the process. */
  readonly deed?: 'nothing' | 'listen' | 'listen unreferenced' | 'listen and ignore' | 'watch';
  /** Who to be, and whose files to trust, instead of the user who started this. */
  readonly stranger?: { readonly uid: number; readonly trustOwner: number };
  /** How fast the clock of this process runs. */
  readonly clock?: number;
}

const given: Parameters = isMainThread ? parameters() : workerData;
const { descriptor, scene, slot } = given;
if (given.stranger !== undefined) becomeUser(given.stranger.uid);
const region =
  given.stranger === undefined
    ? Region.attach(descriptor)
    : Region.open(descriptor.path, { ...given.stranger, allowWorldWritable: true });
const table = tableOf(region);
const commands = isMainThread ? new Commands() : undefined;
const next = (): Promise<string> => (commands as Commands).next();

if (given.clock !== undefined) {
  const now = performance.now.bind(performance);
  const factor = given.clock;
  performance.now = () => now() * factor;
}

/** Collects garbage, where the collector was exposed. */
async function collect(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.();
    await pause(1);
  }
}

const scenes: Record<Parameters['scene'], () => void | Promise<void>> = {
  hold: async () => {
    const participant = table.take(slot, 1, 'participant', () => {});
    say('taken', process.pid);
    for (;;) {
      const command = await next();
      if (command === 'park') participant.spot.enter(ParkKind.eventLoop);
      else if (command === 'leave') participant.leave();
      else if (command === 'listen') participant.doorbell.listen(() => say('rung'), true);
      else if (command === 'collect') await collect();
      else if (command === 'exit') process.exit();
      say('done', command);
    }
  },

  'die in recovery': () => {
    table.take(slot, 1, 'participant', () => {
      say('recovering', { alive: table.isAlive(slot) });
      process.kill(process.pid, 'SIGKILL');
    });
  },

  'hold the attach lock': () =>
    withAttachLock(region.file.reopen(), () => {
      say('locked');
      memory.sleepSync(60_000);
    }),

  try: () => {
    say('trying');
    const start = performance.now();
    const error = thrownBy(() => table.take(slot, 2, 'participant', () => {}));
    say('tried', { code: error?.code ?? null, message: error?.message, elapsedMs: performance.now() - start });
  },

  thread: async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { ...given, scene: 'hold' } });
    worker.once('message', () => say('taken'));
    await next();
    await worker.terminate();
    say('terminated');
    await next();
  },

  linger: () => {
    (commands as Commands).unref();
    const { doorbell, spot } = table.take(slot, 1, 'participant', () => {});
    spot.enter(ParkKind.eventLoop);
    if (given.deed === 'watch') new Peer(table, slot).watchDeath(() => {});
    if (given.deed?.startsWith('listen')) {
      const keep = given.deed !== 'listen unreferenced';
      doorbell.listen(() => {
        say('rung');
        doorbell.ignore();
      }, keep);
    }
    if (given.deed === 'listen and ignore') doorbell.ignore();
    say('lingering');
  },

  watch: async () => {
    const peer = new Peer(table, slot);
    let calls = 0;
    const watched = peer.watchDeath(() => {
      calls++;
      say('dead', { alive: peer.isAlive(), state: memory.load(table.words, wordOf(slot, 'state')) });
    });
    await collect();
    say('watching', watched);
    await next();
    say('calls', calls);
    peer.close();
    process.exit();
  },
};

if (isMainThread) await scenes[scene]();
else {
  table.take(slot, 1, 'participant', () => {});
  parentPort?.postMessage('taken');
  parentPort?.on('message', () => {});
}
