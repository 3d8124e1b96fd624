// Signals and what else listens to them: { path, listener, next }. Says 'repaired' after faults in a region, 'heard' for
// what its listener is told, 'stepping' before it does what should end it.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { PAGE_SIZE } from '@memlane/linux';
import { cut } from '../guard/cut.ts';
import { mapUnwatched } from '../guard/foreign.ts';
import { parameters, pause, say } from '../support/speech.ts';

interface Plan {
  readonly path: string;
  /** When it begins to listen to both signals; but for the second case after the regions were opened. */
  readonly listener: 'none' | 'before' | 'after' | 'once' | 'removed';
  /** What comes after the repaired faults. */
  readonly next: 'nothing' | 'kill' | 'foreign cut' | 'foreign store' | 'foreign cuts in two threads';
  readonly signal: 'SIGBUS' | 'SIGSEGV';
}

const PAGES = 8;
const { path, listener, next, signal } = parameters<Plan>();

if (parentPort === null) await live();
else step(workerData, 'foreign cut');

async function live(): Promise<void> {
  const heard = (name: NodeJS.Signals): void => say('heard', name);
  const listen = (): void => {
    process.on('SIGBUS', heard).on('SIGSEGV', heard);
  };
  if (listener === 'before') listen();
  const { guard, Region } = await import('memlane');
  using region = Region.create(path, PAGES * PAGE_SIZE);
  using reader = Region.open(path, { access: 'read' });
  if (listener === 'after' || listener === 'removed') listen();
  if (listener === 'once') process.once('SIGBUS', heard).once('SIGSEGV', heard);
  if (listener === 'removed') process.off('SIGBUS', heard).off('SIGSEGV', heard);

  reader.bytes.fill(1);
  cut(path, PAGE_SIZE);
  region.bytes.fill(2);
  const { installed, faults, failed } = guard.status();
  say('repaired', { installed, faults, failed });

  if (next === 'nothing') return;
  if (next === 'kill') {
    say('stepping');
    process.kill(process.pid, signal);
    await pause(200);
    // Whatever the listener's removal has done to the handlers, they are there again.
    cut(path, PAGES * PAGE_SIZE);
    region.remap();
    reader.remap();
    cut(path, 0);
    reader.bytes.fill(3);
    region.bytes.fill(4);
    say('survived', guard.status().installed);
    return;
  }
  const other = `${path}2`;
  writeFileSync(other, new Uint8Array(PAGES * PAGE_SIZE));
  if (next === 'foreign cuts in two threads') {
    const worker = new Worker(new URL(import.meta.url), { workerData: other, argv: process.argv.slice(2) });
    await once(worker, 'message');
  }
  step(other, next);
}

function step(other: string, way: Plan['next']): void {
  const { bytes } = mapUnwatched(other, way === 'foreign store' ? 'read' : 'readwrite', PAGES);
  parentPort?.postMessage('mapped');
  cut(other, PAGE_SIZE);
  say('stepping');
  if (way === 'foreign store') bytes[0] = 1;
  else say('survived', bytes[2 * PAGE_SIZE]);
}
