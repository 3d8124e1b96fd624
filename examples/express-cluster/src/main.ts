// node main.js [WORKERS] [PORT]: until SIGINT or SIGTERM
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeCounters, removePubSub } from 'memlane';

const workers = Number(process.argv[2] ?? 2);
const port = process.argv[3] ?? '0'; // 0: whichever is free
const folder = mkdtempSync(join(tmpdir(), 'memlane-example-'));
for (let id = 0; id < 100; id++) writeFileSync(join(folder, `${id}.json`), JSON.stringify({ name: `product ${id}` }));

cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker.js', import.meta.url)), args: [port, folder] });
cluster.on('exit', (worker) => {
  if (!worker.exitedAfterDisconnect) cluster.fork();
});
cluster.once('listening', (_, { port: found }) => console.log(`listening on port ${found}`));
for (let count = 0; count < workers; count++) cluster.fork();

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());

async function stop(): Promise<void> {
  const children = Object.values(cluster.workers ?? {}).map((worker) => (worker as Worker).process);
  const gone = Promise.all(children.map((child) => once(child, 'exit')));
  cluster.disconnect();
  await gone;
  removeCounters('example-requests');
  removePubSub('example-changes');
  rmSync(folder, { recursive: true });
  process.exit();
}
