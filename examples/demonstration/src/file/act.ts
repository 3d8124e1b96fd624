// Act 1. A file through a ring: one process reads it straight into the ring's memory, another hashes it right there.
import { createRing } from 'memlane';
import { paint, print, printHeading, printVerdict, showProgress } from '../screen.ts';
import type { Stage } from '../stage.ts';
import { size, throughput } from '../units.ts';
import type { SourceFile } from './source-file.ts';

/** What each end reports: its own sum, and when it was at work. */
export interface Passage {
  readonly sha256: string;
  readonly bytes: number;
  /** Milliseconds of the system's clock. */
  readonly startedAt: number;
  readonly endedAt: number;
}

const RECORD_BYTES = 256 << 10;
/** Some records under way at once, in memory that stays in the processor's cache. */
const RING_BYTES = 16 * RECORD_BYTES;

/** @returns whether both processes saw the same bytes. */
export async function playFile(stage: Stage, { path, bytes }: SourceFile): Promise<boolean> {
  printHeading('Act 1. A file through a ring, from process to process');
  const hint = path === process.execPath ? ' (Node.js itself; yours by: npm start -- FILE)' : '';
  print(`${path}, ${size(bytes)}${hint}`);

  const ringPath = stage.path('file');
  using ring = createRing(ringPath, { capacityBytes: RING_BYTES });

  const receiver = stage.start<Passage>(new URL('./programs/receiver.js', import.meta.url), ringPath);
  await stage.while(receiver.ready);
  const started = performance.now();
  receiver.onProgress = (done) => showProgress(progress(done, bytes, (performance.now() - started) / 1000));
  const sender = stage.start<Passage>(new URL('./programs/sender.js', import.meta.url), ringPath, path, RECORD_BYTES);
  const [sent, received] = await stage.while(Promise.all([sender.result, receiver.result]));

  const agreed = sent.sha256 === received.sha256 && sent.bytes === received.bytes;
  print(`process ${sender.pid} read      sha256 ${sent.sha256}`);
  print(`process ${receiver.pid} received  sha256 ${received.sha256}`);
  const { refusals } = ring.statistics().producers[0];
  const rate = throughput(received.bytes, (received.endedAt - sent.startedAt) / 1000);
  print(`${rate} from read to checksum, in place at both ends; ring full ${refusals} times`);
  printVerdict(agreed, agreed ? 'both sums are equal' : 'the sums differ');
  return agreed;
}

function progress(done: number, bytes: number, seconds: number): string {
  const width = 40;
  const filled = Math.round((done / bytes) * width);
  const bar = paint('cyan', '█'.repeat(filled)) + paint('dim', '░'.repeat(width - filled));
  const percent = `${((100 * done) / bytes).toFixed(0)} %`.padStart(5);
  return `${bar} ${percent} ${throughput(done, seconds)}`;
}
