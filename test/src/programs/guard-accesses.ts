// Makes every access of ../guard/accesses.ts to a region whose file another process has cut: { folder, thread }.
// Says 'begun' before each, and 'result' with what was counted and what the check says after it.
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Worker, workerData } from 'node:worker_threads';
import { PAGE_SIZE } from '@memlane/linux';
import { guard, Region } from 'memlane';
import { type Access, accesses, fill, type Ground } from '../guard/accesses.ts';
import { cut } from '../guard/cut.ts';
import { parameters, plainError, say, thrownBy } from '../support/speech.ts';

const PAGES = 16;

const { folder, thread } = parameters<{ folder: string; thread: 'main' | 'worker' }>();
if (thread === 'main' || workerData === 'worker') for (const name of Object.keys(accesses)) await access(name);
else new Worker(new URL(import.meta.url), { argv: process.argv.slice(2), workerData: 'worker' });

async function access(name: string): Promise<void> {
  say('begun', name);
  const { run, warmUps = 0, mayThrow } = accesses[name] as Access;
  const path = join(folder, 'file');
  using region = Region.create(path, PAGES * PAGE_SIZE);
  const { buffer: shared, bytes, length } = region;
  fill(bytes);
  const ground: Ground = {
    shared,
    bytes,
    view: new DataView(shared, 0, length),
    buffer: Buffer.from(shared, 0, length),
    words: new Int32Array(shared, 0, length / 4),
    longs: new BigInt64Array(shared, 0, length / 8),
    floats: new Float64Array(shared, 0, length / 8),
    other: openSync(join(folder, 'other'), 'w+'),
  };
  for (let i = 0; i < warmUps; i++) run(ground);
  region.check();
  const before = guard.status().faults;
  cut(path, PAGE_SIZE);

  let thrown: unknown;
  try {
    await run(ground);
  } catch (error) {
    const { code, name } = plainError(error);
    thrown = code ?? name;
  }
  const { faults, failed } = guard.status();
  const check = thrownBy(() => region.check());
  const { offset } = (catching(() => region.check()) ?? {}) as { offset?: number };
  say('result', {
    name,
    refused: thrown === mayThrow ? undefined : thrown,
    faults: faults - before,
    failed,
    code: check?.code,
    path: check?.path === path,
    offset: offset !== undefined && offset >= PAGE_SIZE && offset < length,
    // What lies before the cut is the file's still.
    verified: thrownBy(() => region.verify())?.code,
  });
  closeSync(ground.other);
  region.file.unlink();
}

function catching(action: () => void): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}
