// node main.js [COUNT] [chaos]
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openOrders, QUEUES, removeOrders } from './orders.ts';

const count = Number(process.argv[2] ?? 1000);
const isChaos = process.argv[3] === 'chaos';
const folder = mkdtempSync(join(tmpdir(), 'memlane-example-'));
const ledger = join(folder, 'sent');
const names = ['shop', 'pricing', 'packing', 'dispatch'] as const;
const running = new Map<string, ChildProcess>();
let [isOver, deaths] = [false, 0];

for (const name of QUEUES) openOrders(name).close();
for (const name of names) start(name);
while (sent() < count) {
  await pause(100);
  if (!isChaos) continue;
  const victim = names[Math.floor(Math.random() * names.length)] as string;
  if (running.get(victim)?.kill('SIGKILL')) deaths += 1;
}
isOver = true;
for (const child of running.values()) child.kill('SIGKILL');
await Promise.all([...running.values()].map((child) => once(child, 'exit')));

const ids = readFileSync(ledger, 'utf8').trimEnd().split('\n').map(Number);
const isRight = ids.length === count && new Set(ids).size === count;
console.log(
  `${ids.length} orders sent off, ${new Set(ids).size} different ones, ${deaths} processes killed on the way`,
);
for (const name of QUEUES) removeOrders(name);
rmSync(folder, { recursive: true });
process.exit(isRight ? 0 : 1);

/** Starts a stage, and its successor when it dies. */
function start(name: string): void {
  const program = fileURLToPath(new URL('./stage.js', import.meta.url));
  const child = spawn(process.execPath, [program, name, ledger, String(count)], { stdio: 'inherit' });
  running.set(name, child);
  child.once('exit', (code) => {
    if (isOver) return;
    running.delete(name);
    if (code !== 0) start(name);
  });
}

function sent(): number {
  return existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').length - 1 : 0;
}
