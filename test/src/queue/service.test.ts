import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  attachService,
  type CreateServiceOptions,
  createAnonymousService,
  createService,
  listQueues,
  openOrCreateQueue,
  openOrCreateService,
  openService,
  removeService,
  type Service,
  type ServiceHandler,
} from 'memlane';
import { z } from 'zod';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { Program } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { pause } from '../support/speech.ts';

interface Failure {
  readonly name: string;
  readonly code: string;
  readonly cause: { readonly name: string; readonly message: string; readonly code?: string };
}

const LARGE = 'x'.repeat(300_000);
/** As long as may be in the arguments of a program. */
const LONG = 'x'.repeat(20_000);
let scratch: Scratch;
const open: Disposable[] = [];

function own<Part extends Disposable>(part: Part): Part {
  open.push(part);
  return part;
}

/** Two ends of a service without a name: one that asks and one that serves. */
function pair<Request, Reply>(
  handler?: ServiceHandler<Request, Reply>,
  options: CreateServiceOptions<Request, Reply> & { concurrency?: number } = {},
): [client: Service<Request, Reply>, server: Service<Request, Reply>] {
  const { concurrency = 8, ...rest } = options;
  const server = own(createAnonymousService<Request, Reply>({ clients: 4, servers: 4, ...rest }));
  const client = own(attachService<Request, Reply>(JSON.parse(JSON.stringify(server.descriptor())), rest));
  if (handler !== undefined) server.serve(handler, { concurrency }).catch(() => {});
  return [client, server];
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (error) {
    return error as Failure;
  }
  throw new Error('it did not fail');
}

/** Soon: a server acknowledges a request after it has replied to it. */
async function expectNothingLeft(service: Service<never, never>): Promise<void> {
  await until(() => service.statistics().requests.claimed === 0);
  await until(() => service.tidy() === 0 && service.statistics().large.used === 0);
  const { requests, large } = service.statistics();
  expect(requests).toMatchObject({ ready: 0, claimed: 0, returned: 0, dead: 0 });
  expect(large).toMatchObject({ used: 0, references: 0 });
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it did not come about');
    await pause(2);
  }
}

beforeEach(() => {
  scratch = scratchFolder();
});
afterEach(() => {
  for (const part of open.splice(0).reverse()) part[Symbol.dispose]();
  scratch[Symbol.dispose]();
});

describe.each(['named', 'anonymous', 'disk'] as const)('%s', (backing) => {
  function ends(
    options: CreateServiceOptions<unknown, unknown>,
  ): [Service<unknown, unknown>, Service<unknown, unknown>] {
    if (backing === 'anonymous') return pair(undefined, options);
    const path = (backing === 'disk' ? own(scratchFolder('disk')) : scratch).file('echo');
    return [own(createService(path, options)), own(openService(path, options))];
  }

  test.each(['msgpack', 'json'] as const)(
    'values arrive as they were, and so do their replies, by %s',
    async (codec) => {
      const [client, server] = ends({ codec, clients: 2, servers: 2 });
      void server.serve((value) => ({ echo: value }));
      for (const value of [1, 'Käse', { deep: [null, { tea: true }] }, LARGE, { LARGE }, ''])
        expect(await client.request(value)).toEqual({ echo: value });
      await expectNothingLeft(client as Service<never, never>);
    },
  );
});

test('bytes, with the codec raw', async () => {
  const [client] = pair<Uint8Array, Uint8Array>((value) => value.map((byte) => byte ^ 255), { codec: 'raw' });
  expect([...(await client.request(Uint8Array.of(1, 2, 3)))]).toEqual([254, 253, 252]);
  expect((await client.request(new Uint8Array(100_000))).every((byte) => byte === 255)).toBe(true);
});

test('of many at the same time each gets its own reply, in whatever order they come', async () => {
  const order: number[] = [];
  const [client, server] = pair<number, number>(
    async (n) => {
      await pause((n * 7) % 13);
      order.push(n);
      return n * n;
    },
    { concurrency: 32 },
  );
  const other = own(attachService<number, number>(server.descriptor()));
  const asked = Array.from({ length: 300 }, (_, n) => (n % 2 === 0 ? client : other).request(n));
  expect(await Promise.all(asked)).toEqual(Array.from({ length: 300 }, (_, n) => n * n));
  expect(order).not.toEqual(order.toSorted((one, two) => one - two));
  await expectNothingLeft(client as Service<never, never>);
});

test('at the most so many are handled at the same time', async () => {
  let [now, most] = [0, 0];
  const [client] = pair<number, number>(
    async (n) => {
      most = Math.max(most, ++now);
      await pause(3);
      now -= 1;
      return n;
    },
    { concurrency: 3 },
  );
  await Promise.all(Array.from({ length: 20 }, (_, n) => client.request(n)));
  expect(most).toBe(3);
});

test('requests wait for a server to come, and for room', async () => {
  const [client, server] = pair<number, number>(undefined, { capacity: 4 });
  const asked = Array.from({ length: 50 }, (_, n) => client.request(n));
  await pause(5);
  void server.serve((n) => n + 1);
  expect(await Promise.all(asked)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
});

test('replies wait for room in the ring', async () => {
  const text = 'y'.repeat(400);
  const [client] = pair<number, string>((n) => `${n} ${text}`, { replyCapacityBytes: 4096, concurrency: 64 });
  const replies = await Promise.all(Array.from({ length: 200 }, (_, n) => client.request(n)));
  expect(replies).toEqual(Array.from({ length: 200 }, (_, n) => `${n} ${text}`));
});

test('two serve what one asks, in one thread, and a worker thread, too', async () => {
  const [client, server] = pair<number, string>();
  void server.serve(async () => {
    await pause(2);
    return 'one';
  });
  void server.serve(async () => {
    await pause(2);
    return 'other';
  });
  const memlane = import.meta.resolve('memlane');
  const code = `import(${JSON.stringify(memlane)}).then(async ({ attachService }) => {
    const { workerData, parentPort } = await import('node:worker_threads');
    const service = attachService(workerData);
    void service.serve(() => 'thread');
    parentPort.postMessage('ready');
    parentPort.once('message', () => { service.close(); parentPort.close(); });
  });`;
  const worker = new Worker(code, { eval: true, workerData: server.descriptor() });
  await new Promise((resolve) => worker.once('message', resolve));
  const replies = new Set<string>();
  for (const deadline = performance.now() + 10_000; replies.size < 3 && performance.now() < deadline; )
    for (const reply of await Promise.all(Array.from({ length: 30 }, (_, n) => client.request(n)))) replies.add(reply);
  worker.postMessage('end');
  await new Promise((resolve) => worker.once('exit', resolve));
  expect(replies).toEqual(new Set(['one', 'other', 'thread']));
});

describe('errors', () => {
  test('what the handler throws comes with name, message and code', async () => {
    const [client, server] = pair<string, string>((what) => {
      if (what === 'value') throw 'a text';
      throw Object.assign(new RangeError(`no ${what}`), { code: 'E_NONE' });
    });
    const failure = await failureOf(client.request('tea'));
    expect(failure).toMatchObject({ name: 'MemlaneError', code: 'ERR_MEMLANE_REMOTE' });
    expect(failure.cause).toMatchObject({ name: 'RangeError', message: 'no tea', code: 'E_NONE' });
    expect((await failureOf(client.request('value'))).cause).toMatchObject({ message: 'a text' });
    await expectNothingLeft(server as Service<never, never>);
  });

  test('schemas are asked on both sides, and a server outlives what they refuse', async () => {
    const options = { requestSchema: z.object({ n: z.number() }), replySchema: z.number().max(99) };
    const [client, server] = pair<{ n: number }, number>(({ n }) => n * n, options);
    expect(await client.request({ n: 3 })).toBe(9);
    expect(await rejectionOf(client.request({ n: 'x' } as never))).toBe('ERR_MEMLANE_INVALID');
    expect((await failureOf(client.request({ n: 10 }))).cause).toMatchObject({ code: 'ERR_MEMLANE_INVALID' });
    const careless = own(attachService<unknown, unknown>(server.descriptor()));
    expect((await failureOf(careless.request('anything'))).cause).toMatchObject({ code: 'ERR_MEMLANE_INVALID' });
    const strict = own(attachService<unknown, string>(server.descriptor(), { replySchema: z.string() }));
    expect(await rejectionOf(strict.request({ n: 2 }))).toBe('ERR_MEMLANE_INVALID');
    expect(await client.request({ n: 4 })).toBe(16);
  });

  test('a reply that cannot be, or is too long, is an error of the request', async () => {
    const [client] = pair<number, unknown>((n) => (n === 1 ? () => n : n === 2 ? new Uint8Array(5_000_000) : n), {
      maxLargeBytes: 1 << 20,
    });
    expect(await rejectionOf(client.request(2))).toBe('ERR_MEMLANE_REMOTE');
    expect(await rejectionOf(client.request(new Uint8Array(5_000_000) as never))).toBe('ERR_MEMLANE_MESSAGE_TOO_LONG');
    expect(await client.request(3)).toBe(3);
  });

  test('a stream is not the reply to a request', async () => {
    let ended = false;
    const [client] = pair<number, number>(function* (n) {
      try {
        yield n;
      } finally {
        ended = true;
      }
    });
    expect((await failureOf(client.request(1))).cause).toMatchObject({ code: 'ERR_MEMLANE_ARGUMENT' });
    expect(ended).toBe(false); // it had not begun
  });
});

describe('timeouts and aborts', () => {
  test('a timeout rejects, aborts the handler, and its late reply is nobody’s', async () => {
    const reasons: unknown[] = [];
    let handled = 0;
    const [client, server] = pair<number, number>(async (n, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason.name));
      if (n < 0) await until(() => signal.aborted);
      handled += 1;
      return n;
    });
    // Long enough for the handler to have begun, also on a busy machine.
    expect(await failureOf(client.request(-1, { timeoutMs: 500 }))).toMatchObject({ name: 'TimeoutError' });
    await until(() => reasons.length === 1);
    expect(reasons).toEqual(['AbortError']);
    expect(await client.request(1, { timeoutMs: 10_000 })).toBe(1);
    await until(() => handled === 2);
    await pause(60);
    await expectNothingLeft(server as Service<never, never>);
  });

  test('what no server has begun is taken back', async () => {
    const [client, server] = pair<{ text: string }, number>();
    const controller = new AbortController();
    const asked = [client.request({ text: LARGE }, { signal: controller.signal }), client.request({ text: 'b' })];
    expect(server.statistics().requests.ready).toBe(2);
    controller.abort(new Error('enough'));
    await expect(asked[0]).rejects.toThrow('enough');
    expect(server.statistics().requests.ready).toBe(1);
    expect(server.statistics().large).toMatchObject({ used: 0, references: 0 });
    const handled: string[] = [];
    void server.serve(({ text }) => handled.push(text));
    await asked[1];
    expect(handled).toEqual(['b']);
  });

  test('what waits for room is never sent', async () => {
    const [client, server] = pair<number, number>(undefined, { capacity: 2 });
    const [first, second] = [client.request(1), client.request(2)];
    const controller = new AbortController();
    const third = client.request(3, { signal: controller.signal });
    const fourth = client.request(4);
    controller.abort(new Error('enough'));
    await expect(third).rejects.toThrow('enough');
    const handled: number[] = [];
    void server.serve((n) => handled.push(n));
    await Promise.all([first, second, fourth]);
    expect(handled).toEqual([1, 2, 4]);
  });

  test('a signal that has aborted already sends nothing', async () => {
    const [client, server] = pair<number, number>();
    await expect(client.request(1, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    expect(server.statistics().requests.ready).toBe(0);
  });

  test('close() fails what waits', async () => {
    const [client, server] = pair<number, number>();
    const asked = rejectionOf(client.request(1));
    client.close();
    expect(await asked).toBe('ERR_MEMLANE_CLOSED');
    expect(await rejectionOf(client.request(1))).toBe('ERR_MEMLANE_CLOSED');
    expect(await rejectionOf(client.serve(() => 1))).toBe('ERR_MEMLANE_CLOSED');
    expect(server.statistics().requests.ready).toBe(0);
  });

  test('the signal of serve ends it when those under way are answered', async () => {
    const [client, server] = pair<number, number>();
    const controller = new AbortController();
    const serving = server.serve(
      async (n) => {
        controller.abort();
        await pause(10);
        return n;
      },
      { signal: controller.signal },
    );
    const [first, second] = [client.request(1), client.request(2, { timeoutMs: 100 })];
    expect(await first).toBe(1);
    await serving;
    expect(await failureOf(second)).toMatchObject({ name: 'TimeoutError' });
  });

  test('close() ends serve, aborts its handlers, and others get what they had', async () => {
    const [client, server] = pair<number, string>();
    let reason: unknown;
    const serving = server.serve(
      (_, { signal }) => new Promise(() => signal.addEventListener('abort', () => (reason = signal.reason.name))),
    );
    const asked = client.request(1);
    await until(() => server.statistics().requests.claimed === 1);
    const other = own(attachService<number, string>(server.descriptor()));
    server.close();
    await serving;
    expect(reason).toBe('AbortError');
    void other.serve((_, { deliveries }) => `delivery ${deliveries}`);
    expect(await asked).toBe('delivery 2');
  });
});

describe('streams', () => {
  async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
    const all: Item[] = [];
    for await (const item of items) all.push(item);
    return all;
  }

  test('items come in their order, and then the end; several at the same time', async () => {
    const [client, server] = pair<number, { at: number; text?: string }>(async function* (count) {
      for (let at = 0; at < count; at++) yield at % 10 === 3 ? { at, text: LARGE } : { at };
    });
    const streams = [0, 1, 5, 100].map((count) => collect(client.stream(count, { highWaterMark: 4 })));
    for (const [index, items] of (await Promise.all(streams)).entries())
      expect(items.map(({ at }) => at)).toEqual(Array.from({ length: [0, 1, 5, 100][index] }, (_, at) => at));
    await pause(10);
    await expectNothingLeft(server as Service<never, never>);
  });

  test('what is no stream is a stream of one, and an array is a value', async () => {
    const [client] = pair<number, number[]>((n) => [n, n]);
    expect(await collect(client.stream(4))).toEqual([[4, 4]]);
    expect(await client.request(5)).toEqual([5, 5]);
  });

  test('the server waits for who does not read', async () => {
    let made = 0;
    const [client] = pair<number, number>(function* () {
      for (;;) yield made++;
    });
    const stream = client.stream(0, { highWaterMark: 6 });
    const first = await stream.next();
    await pause(30);
    expect(first.value).toBe(0);
    expect(made).toBeLessThanOrEqual(8);
    for (let at = 1; at < 50; at++) expect((await stream.next()).value).toBe(at);
    await pause(30);
    expect(made).toBeLessThanOrEqual(58);
    await stream.return(undefined);
  });

  test('who leaves ends the iteration at the server', async () => {
    let ended = false;
    const [client, server] = pair<number, number>(async function* () {
      try {
        for (let at = 0; ; at++) yield at;
      } finally {
        ended = true;
      }
    });
    for await (const item of client.stream(0)) if (item === 20) break;
    await until(() => ended);
    await until(() => server.statistics().requests.claimed === 0);
    await expectNothingLeft(server as Service<never, never>);
  });

  test('an error comes after the items before it', async () => {
    const [client] = pair<number, number>(function* () {
      yield 1;
      yield 2;
      throw new Error('no more');
    });
    const items: number[] = [];
    const failure = await failureOf(
      (async () => {
        for await (const item of client.stream(0)) items.push(item);
      })(),
    );
    expect(items).toEqual([1, 2]);
    expect(failure).toMatchObject({ code: 'ERR_MEMLANE_REMOTE', cause: { message: 'no more' } });
  });

  test('an abort and a timeout end it with their reasons', async () => {
    const [client] = pair<number, number>(async function* () {
      yield 1;
      await pause(200);
      yield 2;
    });
    const controller = new AbortController();
    const aborted = failureOf(
      (async () => {
        for await (const _ of client.stream(0, { signal: controller.signal }))
          controller.abort(new RangeError('enough'));
      })(),
    );
    expect(await aborted).toMatchObject({ name: 'RangeError' });
    expect(await failureOf(collect(client.stream(0, { timeoutMs: 20 })))).toMatchObject({ name: 'TimeoutError' });
  });
});

describe('deaths', () => {
  const path = (): string => scratch.file('squares');
  const make = (options: CreateServiceOptions<unknown, unknown> = {}): Service<unknown, unknown> =>
    own(createService(path(), { clients: 4, servers: 4, ...options }));
  const killed = async (program: Program): Promise<void> => {
    program.kill('SIGKILL');
    await program.ended;
  };

  test('a request whose server is killed is answered by another', async () => {
    const service = make();
    await using first = new Program('service-server', { path: path() });
    await first.next('ready');
    const asked = [service.request({ n: 3, late: 100, text: LARGE }), service.request({ n: 4, hold: true })];
    await first.next('holds');
    await first.next('begun');
    await killed(first);
    await using second = new Program('service-server', { path: path() });
    expect(await asked[0]).toEqual({ square: 9, deliveries: 2 });
    await second.next('holds'); // the other one
    await killed(second);
    await using third = new Program('service-server', { path: path() });
    await third.next('holds');
    await killed(third);
    expect(await rejectionOf(asked[1] as Promise<unknown>)).toBe('ERR_MEMLANE_PEER_DIED'); // without anybody who serves
    await expectNothingLeft(service as Service<never, never>);
  });

  test('without retries it is rejected at once, though nobody is left', async () => {
    const service = make({ retries: 0 });
    await using server = new Program('service-server', { path: path() });
    const asked = rejectionOf(service.request({ n: 1, hold: true, text: LARGE }));
    await server.next('holds');
    await killed(server);
    expect(await asked).toBe('ERR_MEMLANE_PEER_DIED');
    await expectNothingLeft(service as Service<never, never>);
  });

  test('a stream that had begun is rejected, one that had not begins anew', async () => {
    const service = make();
    await using first = new Program('service-server', { path: path() });
    const begun = service.stream({ n: 1, count: 10, stopAt: 3 });
    const items = [await begun.next(), await begun.next(), await begun.next()];
    expect(items.map(({ value }) => (value as { at: number }).at)).toEqual([0, 1, 2]);
    const rejected = rejectionOf(begun.next());
    const fresh = service.stream({ n: 2, count: 2, stopAt: 0 });
    const item = fresh.next();
    await first.next('holds');
    await first.next('holds');
    await killed(first);
    await using second = new Program('service-server', { path: path() });
    expect(await rejected).toBe('ERR_MEMLANE_PEER_DIED');
    await second.next('holds');
    await second.next('holds');
    await killed(second);
    void service.serve((_, { deliveries }) => deliveries);
    expect((await item).value).toBe(3);
    await fresh.return(undefined);
    await until(() => service.statistics().requests.claimed === 0);
    await expectNothingLeft(service as Service<never, never>);
  });

  test('of a client that is killed, requests are skipped, handlers aborted, replies dropped', async () => {
    const service = make();
    await using server = new Program('service-server', { path: path(), concurrency: 2 });
    await using client = new Program('service-client', {
      path: path(),
      requests: [
        { n: 1, late: 300, text: LONG },
        { n: 2, late: 300, text: LONG },
        { n: 3, late: 1, text: LONG },
        { n: 4, late: 1 },
      ],
    });
    await server.next('begun');
    await server.next('begun');
    await killed(client);
    expect([await server.next('aborted'), await server.next('aborted')].sort()).toEqual([1, 2]);
    expect(await service.request({ n: 7 })).toEqual({ square: 49, deliveries: 1 });
    expect(server.all('begun')).toEqual([]); // neither of those that waited
    await until(() => service.statistics().requests.claimed === 0);
    await expectNothingLeft(service as Service<never, never>);
  });

  test('what a client that is killed has left as dead letters goes, too; and what had come for it', async () => {
    const service = make({ retries: 0 });
    await using server = new Program('service-server', { path: path() });
    await using client = new Program('service-client', { path: path(), requests: [{ n: 1, hold: true, text: LONG }] });
    await server.next('holds');
    client.kill('SIGSTOP');
    await killed(client);
    await killed(server);
    await using _next = new Program('service-server', { path: path() });
    expect(await service.request({ n: 2 })).toEqual({ square: 4, deliveries: 1 });
    const asked = service.request({ n: 3, late: 300 });
    await until(() => service.statistics().requests.dead === 0);
    await asked;
    await expectNothingLeft(service as Service<never, never>);
  });

  test('replies that a client has not read when it is killed give their memory back', async () => {
    const service = make();
    let answer: () => void = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const handler = (): Promise<string> => answered.then(() => LARGE);
    void service.serve(handler, { concurrency: 2 });
    await using client = new Program('service-client', { path: path(), requests: [1, 2] });
    await until(() => service.statistics().requests.claimed === 2);
    client.kill('SIGSTOP');
    answer();
    await until(() => service.statistics().requests.claimed === 0);
    expect(service.statistics().large.used).toBe(2);
    await killed(client);
    await expectNothingLeft(service as Service<never, never>);
  });

  test('a server that leaves in good order answers what it has', async () => {
    const service = make();
    await using server = new Program('service-server', { path: path() });
    const asked = service.request({ n: 5, late: 100 });
    await server.next('begun');
    server.kill('SIGTERM');
    expect(await asked).toEqual({ square: 25, deliveries: 1 });
    await server.success();
  });
});

describe('by name', () => {
  const name = (): string => scratch.file('squares.queue');

  test('it is there once, is found, and is what it was created as', () => {
    own(createService(name(), { type: 'squares@1', codec: 'json', clients: 2, servers: 2 }));
    expect(codeOf(() => createService(name()))).toBe('ERR_MEMLANE_EXISTS');
    expect(codeOf(() => openService(name(), { type: 'squares@2', codec: 'json' }))).toBe('ERR_MEMLANE_TYPE');
    expect(codeOf(() => openService(name(), { type: 'squares@1' }))).toBe('ERR_MEMLANE_TYPE');
    expect(codeOf(() => openOrCreateQueue(name(), { type: 'squares@1', codec: 'json' }))).toBe('ERR_MEMLANE_TYPE');
    own(openOrCreateService(name(), { type: 'squares@1', codec: 'json' }));
    expect(listQueues(scratch.path)).toMatchObject([
      { name: 'squares', path: name(), pattern: 'service', codec: 'json', type: 'squares@1' },
    ]);
  });

  test('it is removed when nobody is there, and nothing is left', async () => {
    const service = createService<number, number>(name(), { clients: 3, servers: 2 });
    const serving = service.serve((n) => n + 1);
    expect(await service.request(1)).toBe(2);
    expect(codeOf(() => removeService(name()))).toBe('ERR_MEMLANE_BUSY');
    service.close();
    await serving;
    removeService(name());
    expect(scratch.entries()).toEqual([]);
    expect(codeOf(() => openService(name()))).toBe('ENOENT');
    expect(codeOf(() => removeService(name()))).toBe('ENOENT');
  });

  test('places are limited, and free again', async () => {
    const first = own(createService<number, number>(name(), { clients: 1, servers: 1 }));
    void first.serve((n) => n);
    expect(await first.request(1)).toBe(1);
    const second = own(openService<number, number>(name()));
    expect(await rejectionOf(second.request(1))).toBe('ERR_MEMLANE_BUSY');
    expect(await rejectionOf(second.serve((n) => n))).toBe('ERR_MEMLANE_BUSY');
    first.close();
    void second.serve((n) => -n);
    expect(await second.request(1)).toBe(-1);
  });
});

test.each<[what: string, wrong: (service: Service<number, number>) => unknown]>([
  ['clients', () => createAnonymousService({ clients: 0 })],
  ['servers', () => createAnonymousService({ servers: 121 })],
  ['retries', () => createAnonymousService({ retries: -1 })],
  ['requestBytes', () => createAnonymousService({ requestBytes: 1.5 })],
  ['replyCapacityBytes', () => createAnonymousService({ replyCapacityBytes: 5000 })],
  ['capacity', () => createAnonymousService({ capacity: 3 })],
  ['codec', () => createAnonymousService({ codec: 'xml' as never })],
  ['type', () => createAnonymousService({ type: 7 as never })],
  ['requestSchema', () => createAnonymousService({ requestSchema: {} as never })],
  ['replySchema', () => createAnonymousService({ replySchema: 'string' as never })],
  ['validate', () => createAnonymousService({ validate: 'never' as never })],
  ['options', () => createAnonymousService([] as never)],
  ['descriptor', () => attachService('squares' as never)],
  ['handler', (service) => service.serve('handler' as never)],
  ['concurrency', (service) => service.serve((n) => n, { concurrency: 0 })],
  ['signal of serve', (service) => service.serve((n) => n, { signal: 'now' as never })],
  ['options of serve', (service) => service.serve((n) => n, AbortSignal.abort() as never)],
  ['signal', (service) => service.request(1, { signal: {} as never })],
  ['timeoutMs', (service) => service.request(1, { timeoutMs: -1 })],
  ['timeoutMs, too long', (service) => service.request(1, { timeoutMs: 2 ** 31 })],
  ['options of request', (service) => service.request(1, AbortSignal.abort() as never)],
  ['highWaterMark', (service) => service.stream(1, { highWaterMark: 0 })],
  ['timeoutMs of stream', (service) => service.stream(1, { timeoutMs: Number.NaN })],
  ['options of stream', (service) => service.stream(1, 'all' as never)],
])('refused: %s', async (_what, wrong) => {
  using service = createAnonymousService<number, number>({ clients: 1, servers: 1 });
  expect(await rejectionOf((async () => wrong(service))())).toBe('ERR_MEMLANE_ARGUMENT');
});
