import { expect, test } from '@jest/globals';
import { scratchFolder } from '../support/scratch.ts';
import { Example, PATIENCE_MS } from './example.ts';

const LIMIT = 20;

interface Answer {
  readonly status: number;
  readonly worker: string;
  readonly cache: string | null;
  readonly text: string;
}

/** A connection a request: the cluster deals connections out. */
async function ask(port: number, path: string, client: string, put?: object): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: put === undefined ? 'GET' : 'PUT',
    headers: { connection: 'close', 'x-client': client, 'content-type': 'application/json' },
    body: put === undefined ? null : JSON.stringify(put),
    signal: AbortSignal.timeout(5000), // a connection that was handed to a worker as it died
  });
  const { status, headers } = response;
  return { status, worker: headers.get('x-worker') ?? '', cache: headers.get('x-cache'), text: await response.text() };
}

test(
  'workers share a rate limit and what has changed, also when one is killed',
  async () => {
    using directory = scratchFolder();
    using example = new Example('express-cluster/dist/main', ['3'], directory.path);
    const port = Number(/port (\d+)/.exec(await example.line('listening'))?.[1]);

    // One limit for all, whichever worker they get to.
    const startedMs = Date.now();
    const answers = await Promise.all(Array.from({ length: 150 }, () => ask(port, '/products/1', 'greedy')));
    const admitted = answers.filter(({ status }) => status === 200);
    expect(new Set(answers.map(({ worker }) => worker)).size).toBeGreaterThan(1);
    expect(answers.filter(({ status }) => status === 429).length).toBe(150 - admitted.length);
    const seconds = Math.floor(Date.now() / 1000) - Math.floor(startedMs / 1000) + 1;
    expect(admitted.length).toBeGreaterThan(0);
    expect(admitted.length).toBeLessThanOrEqual(seconds * LIMIT);

    // What one changes all others serve, whatever they had cached.
    let next = 0;
    const look = (): Promise<Answer> => ask(port, '/products/7', `client ${next++}`);
    const seen = new Set<string>();
    while (seen.size < 3) seen.add((await look()).worker);
    for (const name of ['green tea', 'black tea']) {
      expect((await ask(port, '/products/7', 'editor', { name })).status).toBe(204);
      const fresh = new Set<string>();
      while (fresh.size < 3) {
        const { worker, text } = await look();
        if (text === JSON.stringify({ name })) fresh.add(worker);
      }
      for (let again = 0; again < 12; again++) expect((await look()).text).toBe(JSON.stringify({ name }));
    }

    // Somebody is killed: another one comes, and a change reaches all who live.
    const victim = [...seen][0] as string;
    process.kill(Number(victim), 'SIGKILL');
    let all = new Set<string>();
    while (all.size < 3 || all.has(victim)) {
      all = new Set();
      for (let count = 0; count < 12; count++) all.add((await look().catch(() => ({ worker: victim }))).worker);
    }
    expect((await ask(port, '/products/7', 'editor', { name: 'coffee' })).status).toBe(204);
    const fresh = new Set<string>();
    while (fresh.size < 3) {
      const { worker, text } = await look();
      if (text === '{"name":"coffee"}') fresh.add(worker);
    }

    example.kill('SIGTERM');
    const { code, stderr } = await example.outcome;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(directory.entries()).toEqual([]);
  },
  PATIENCE_MS,
);
