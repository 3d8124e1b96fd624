// `pnpm bench:memory`: 1e9 messages, and what both processes hold of memory meanwhile.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { nodeProgram } from './case.ts';
import { ChildGroup } from './child-group.ts';
import { chooseCores } from './machine.ts';
import { makeScratchDirectory } from './scratch-directory.ts';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: { messages: { type: 'string', default: '1e9' } },
});
const messages = Number(values.messages);
const sizeBytes = 64;
const mostSeconds = 1200;
const sampleMs = 1000;
/** Growth that is V8's and the C library's, not the ring's: it comes once, and does not depend on the count. */
const toleratedMiB = 8;

const directory = makeScratchDirectory();
const group = new ChildGroup(chooseCores(), mostSeconds);
const { command } = nodeProgram('ring-throughput');
const start = (role: 'producer' | 'consumer') => {
  const child = group.start(role, [
    ...command,
    'batch',
    role,
    join(directory, 'ring'),
    ...[sizeBytes, 1, messages].map(String),
  ]);
  child.stderr?.pipe(process.stderr);
  return child;
};

const consumer = start('consumer');
let output = '';
consumer.stdout?.on('data', (chunk) => {
  output += chunk;
});
while (!output.includes('ready') && consumer.exitCode === null) await delay(20);
const producer = start('producer');
const startedMs = performance.now();
const readings: { seconds: number; producerMiB: number; consumerMiB: number }[] = [];
while (producer.exitCode === null && consumer.exitCode === null) {
  await delay(sampleMs);
  const [producerMiB, consumerMiB] = [producer.pid, consumer.pid].map(residentMiB);
  const seconds = (performance.now() - startedMs) / 1000;
  if (producerMiB > 0 && consumerMiB > 0) readings.push({ seconds, producerMiB, consumerMiB });
}
while (consumer.exitCode === null && consumer.signalCode === null) await delay(20);

const result = JSON.parse(output.split('\n').at(-2) ?? '{}') as { elapsedNs?: number; faults?: number };
const table = new Table({
  head: ['seconds', 'producer MiB', 'consumer MiB'],
  style: { head: [], border: [], compact: true },
});
const step = Math.max(1, Math.floor(readings.length / 10));
for (const { seconds, producerMiB, consumerMiB } of readings.filter((_, index) => index % step === 0)) {
  table.push([seconds.toFixed(0), producerMiB.toFixed(1), consumerMiB.toFixed(1)]);
}
console.log(table.toString());
console.log(
  `${messages} messages of ${sizeBytes} B, batches of 32, in ${((result.elapsedNs ?? Number.NaN) / 1e9).toFixed(1)} s; ` +
    `${result.faults ?? 'no'} damaged or out of order`,
);
// The first tenth is warm-up: optimized code, the first collections.
const settled = readings.slice(Math.ceil(readings.length / 10));
for (const role of ['producerMiB', 'consumerMiB'] as const) {
  const held = settled.map((reading) => reading[role]);
  const growth = held[held.length - 1] - held[0];
  const spread = Math.max(...held) - Math.min(...held);
  const verdict = growth <= toleratedMiB ? 'pass' : 'MISS';
  console.log(
    `${role.slice(0, 8)}: grew by ${growth.toFixed(1)} MiB, spread ${spread.toFixed(1)} MiB (aim: constant) ${verdict}`,
  );
}

function residentMiB(pid: number | undefined): number {
  try {
    return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
