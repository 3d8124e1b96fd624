// Threads that end while the guard knows their ranges: { path, way }. Says 'result' with what is left of them.
import { once } from 'node:events';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { PAGE_SIZE } from '@memlane/linux';
import { cut } from '../guard/cut.ts';
import { mapUnwatched } from '../guard/foreign.ts';
import { openDescriptors } from '../linux/proc.ts';
import { parameters, pause, say } from '../support/speech.ts';

interface Plan {
  readonly path: string;
  readonly way: 'terminated' | 'ended' | 'exited' | 'terminated in faults' | 'alone' | 'alone, then foreign';
}

const PAGES = 64;
const { path, way } = parameters<Plan>();

if (parentPort !== null) await depart(workerData);
else if (way === 'alone' || way === 'alone, then foreign') await alone();
else await survive();

/** The guard is loaded here too, and sees what a departed thread has left. */
async function survive(): Promise<void> {
  const { guard, Region } = await import('memlane');
  using region = Region.create(path, PAGES * PAGE_SIZE);
  region.bytes.fill(1);
  let descriptors: unknown;
  const outcome = { watched: 0, mapped: 0, seen: 0, intact: true, faults: 0 };
  const times = way === 'terminated in faults' ? 8 : 3;
  for (let time = 0; time < times; time++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: way, argv: process.argv.slice(2) });
    const gone = once(worker, 'exit'); // from here on: it may come in the same turn as the message
    const [{ buffers, watched }] = (await once(worker, 'message')) as [
      { buffers: SharedArrayBuffer[]; watched: number },
    ];
    if (watched !== 1 + 5) throw new Error(`${watched} ranges`);
    if (way === 'exited') worker.postMessage('go');
    if (way.startsWith('terminated')) {
      await pause(time);
      await worker.terminate();
    }
    await gone;
    outcome.watched += guard.status().watched - 1;
    const { faults } = guard.status();
    // Not under this name: what this thread has mapped, which had none then.
    outcome.mapped += readFileSync('/proc/self/maps', 'utf8').split(path).length - 1;
    const views = buffers.map((buffer) => new Uint8Array(buffer, 0, PAGES * PAGE_SIZE));
    for (const bytes of views) outcome.seen += bytes.filter((byte) => byte !== 0).length;
    truncateSync(path, 0);
    for (const bytes of views) bytes.fill(9);
    outcome.faults += guard.status().faults - faults;
    truncateSync(path, PAGES * PAGE_SIZE);
    outcome.intact &&= readFileSync(path).every((byte) => byte === 0);
    region.remap();
    region.bytes.fill(1);
    // The first start of a worker opens descriptors that Node keeps.
    if (time === 0) descriptors = openDescriptors();
  }
  say('result', { ...outcome, descriptors: openDescriptors().size - (descriptors as Map<number, string>).size });
}

/** The guard was loaded only by threads that have ended: its handlers are needed all the same. */
async function alone(): Promise<void> {
  const first = new Worker(new URL(import.meta.url), { workerData: way, argv: process.argv.slice(2) });
  await once(first, 'exit');
  if (way === 'alone, then foreign') {
    writeFileSync(`${path}2`, new Uint8Array(PAGES * PAGE_SIZE));
    const { bytes } = mapUnwatched(`${path}2`, 'readwrite', PAGES);
    cut(`${path}2`, 0);
    say('stepping');
    say('survived', bytes[0]);
  }
  const second = new Worker(new URL(import.meta.url), { workerData: way, argv: process.argv.slice(2) });
  const [result] = await once(second, 'message');
  say('result', result);
}

async function depart(mode: Plan['way']): Promise<void> {
  const { guard, Region } = await import('memlane');
  if (mode.startsWith('alone')) {
    const region = Region.create(path, PAGES * PAGE_SIZE);
    cut(path, PAGE_SIZE);
    region.bytes.fill(1);
    parentPort?.postMessage({ faults: guard.status().faults, watched: guard.status().watched });
    region.file.unlink();
    return;
  }
  guard.on('fault', () => {});
  const reader = Region.open(path, { access: 'read' });
  const others = [Region.open(path), Region.open(path, { mirror: PAGE_SIZE })];
  Region.open(path, { offset: PAGE_SIZE });
  const { watched } = guard.status();
  parentPort?.postMessage({ buffers: [reader, ...others].map(({ buffer }) => buffer), watched });
  if (mode === 'ended') return;
  if (mode === 'exited') {
    if (parentPort !== null) await once(parentPort, 'message'); // what was posted is lost when it exits at once
    process.exit();
  }
  if (mode === 'terminated') await pause(60_000);
  for (;;) {
    for (let i = 0; i < reader.length; i += PAGE_SIZE) reader.bytes[i] = 5;
    reader.remap();
  }
}
