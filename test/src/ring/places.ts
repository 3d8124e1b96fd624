import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ConsumerOptions, Ring } from 'memlane';
import { type PlainError, plainError } from '../support/speech.ts';
import { ConsumerEnd } from './consumer-end.ts';
import { ProducerEnd } from './producer-end.ts';

/** Where the two ends of a ring are: in this thread, in a worker thread each, in a process each. */
export type Place = 'one thread' | 'worker threads' | 'processes';

/** An end that is somewhere: every method returns a promise, and rejects with an error of the same code. */
type Remote<End> = {
  [Name in keyof End]: End[Name] extends (...parameters: infer Parameters) => infer Result
    ? (...parameters: Parameters) => Promise<Awaited<Result>>
    : never;
};

type Role = 'producer' | 'consumer';
export type Call = { readonly id: number; readonly method: string; readonly parameters: readonly unknown[] };
export type Answer = { readonly id: number; readonly value?: unknown; readonly error?: PlainError };

/** Both ends, and how they come to a ring and leave it. */
export interface Ends extends AsyncDisposable {
  readonly producer: Remote<ProducerEnd>;
  readonly consumer: Remote<ConsumerEnd>;
  /**
   * @param folder where the bells of an anonymous ring go.
   * @param reading how the consumer reads, unless a case wants it otherwise.
   */
  enter(ring: Ring, folder: string, reading: ConsumerOptions): Promise<void>;
  leave(): Promise<void>;
}

/** Puts the ends where they are to be. */
export function settle(place: Place): Ends {
  return place === 'one thread' ? nearEnds() : farEnds(place);
}

/** Answers one call, in the thread or process where the end is. */
export async function answer(end: ProducerEnd | ConsumerEnd, { id, method, parameters }: Call): Promise<Answer> {
  try {
    const call = end[method as keyof typeof end] as (...parameters: unknown[]) => unknown;
    return { id, value: await call.apply(end, [...parameters]) };
  } catch (error) {
    return { id, error: plainError(error) };
  }
}

function nearEnds(): Ends {
  const producer = new ProducerEnd();
  const consumer = new ConsumerEnd();
  const direct = <End extends ProducerEnd | ConsumerEnd>(end: End): Remote<End> =>
    remote(async (method, parameters) => unwrap(await answer(end, { id: 0, method, parameters })));
  const leave = async (): Promise<void> => {
    producer.reset();
    consumer.reset();
  };
  return {
    producer: direct(producer),
    consumer: direct(consumer),
    enter: async (ring, _folder, reading) => {
      producer.use(ring, {});
      consumer.use(ring, reading);
    },
    leave,
    [Symbol.asyncDispose]: leave,
  };
}

function farEnds(place: Exclude<Place, 'one thread'>): Ends {
  const hosts = { producer: new Host(place, 'producer'), consumer: new Host(place, 'consumer') };
  const producer = remote<ProducerEnd>((method, parameters) => hosts.producer.call(method, parameters));
  const consumer = remote<ConsumerEnd>((method, parameters) => hosts.consumer.call(method, parameters));
  return {
    producer,
    consumer,
    enter: async (ring, folder, reading) => {
      const descriptor = ring.descriptor();
      await Promise.all([producer.attach(descriptor, folder, {}), consumer.attach(descriptor, folder, reading)]);
    },
    leave: async () => {
      for (const role of ['producer', 'consumer'] as const) {
        // One that is stuck in a failed case is replaced, so that the next case is not its victim.
        if (hosts[role].idle) await (role === 'producer' ? producer : consumer).reset();
        else {
          await hosts[role].stop();
          hosts[role] = new Host(place, role);
        }
      }
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([hosts.producer.stop(), hosts.consumer.stop()]);
    },
  };
}

/** The thread or process of one end. */
class Host {
  readonly #agent: Worker | ChildProcess;
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  #lastId = 0;

  constructor(place: Exclude<Place, 'one thread'>, role: Role) {
    const program = fileURLToPath(new URL('../programs/ring-end.js', import.meta.url));
    this.#agent =
      place === 'processes'
        ? fork(program, [role], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
        : new Worker(program, { workerData: role });
    const agent = this.#agent as Worker; // both are emitters with the same two events
    agent.on('message', ({ id, ...outcome }: Answer) => {
      const { resolve, reject } = this.#pending.get(id) ?? {};
      this.#pending.delete(id);
      try {
        resolve?.(unwrap({ id, ...outcome }));
      } catch (error) {
        reject?.(error);
      }
    });
    const fail = (what: unknown): void => {
      for (const { reject } of this.#pending.values()) reject(new Error(`the ${role}'s host ended: ${what}`));
      this.#pending.clear();
    };
    agent.on('error', fail);
    agent.on('exit', fail);
  }

  get idle(): boolean {
    return this.#pending.size === 0;
  }

  call(method: string, parameters: readonly unknown[]): Promise<unknown> {
    this.#lastId += 1;
    const call: Call = { id: this.#lastId, method, parameters };
    return new Promise((resolve, reject) => {
      this.#pending.set(call.id, { resolve, reject });
      if (this.#agent instanceof Worker) this.#agent.postMessage(call);
      else this.#agent.send(call);
    });
  }

  async stop(): Promise<void> {
    if (this.#agent instanceof Worker) await this.#agent.terminate();
    else if (this.#agent.exitCode === null && this.#agent.signalCode === null) {
      const exit = once(this.#agent, 'exit');
      this.#agent.kill('SIGKILL');
      await exit;
    }
  }
}

function remote<End>(call: (method: string, parameters: readonly unknown[]) => Promise<unknown>): Remote<End> {
  return new Proxy({} as Remote<End>, {
    get:
      (_target, method) =>
      (...parameters: unknown[]) =>
        call(String(method), parameters),
  });
}

function unwrap({ value, error }: Answer): unknown {
  if (error !== undefined) throw Object.assign(new Error(error.message), error);
  return value;
}
