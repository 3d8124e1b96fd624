import { createHash } from 'node:crypto';
import type { Service } from 'memlane';
import type { Random } from '../support/random.ts';
import { pause } from '../support/speech.ts';

/*
 * Requests of all kinds, each with an answer that follows from it alone, so that whoever asks can tell whether it is its own.
 */

export interface Question {
  readonly key: string;
  readonly padding: Uint8Array;
  readonly length: number;
  readonly items: number;
  readonly waitMs: number;
  readonly fails: boolean;
}

export interface Answer {
  readonly key: string;
  readonly at: number;
  readonly data: Uint8Array;
}

/** How a request may end. */
export type Outcome = 'answered' | 'failed' | 'died' | 'timedOut' | 'left';

/** Longest that any request may take: a watchdog for a busy machine, not an expectation. */
const PATIENCE_MS = 60_000;

function dataOf(key: string, at: number, length: number): Uint8Array {
  return new Uint8Array(Buffer.alloc(length, createHash('sha256').update(`${key} ${at}`).digest()));
}

/** The server's side. */
export async function answer(question: Question, { signal }: { signal: AbortSignal }): Promise<Answer> {
  const { key, length, items, waitMs, fails } = question;
  if (waitMs > 0) await pause(waitMs);
  if (fails) throw Object.assign(new RangeError(key), { code: 'E_ASKED_FOR' });
  if (items === 0) return { key, at: 0, data: dataOf(key, 0, length) };
  async function* each(): AsyncGenerator<Answer> {
    for (let at = 0; at < items && !signal.aborted; at++) yield { key, at, data: dataOf(key, at, length) };
  }
  return each() as unknown as Answer;
}

function expectOwn({ key: asked, length }: Question, { key, at, data }: Answer, expectedAt: number): void {
  if (key !== asked || at !== expectedAt || Buffer.compare(data, dataOf(asked, at, length)) !== 0)
    throw new Error(`'${asked}' ${expectedAt} was answered by '${key}' ${at} of ${data.length} bytes`);
}

/** Asks once, at random; what comes of it is one of the outcomes. @throws for anything else. */
export async function ask(service: Service<Question, Answer>, random: Random, key: string): Promise<Outcome> {
  const question: Question = {
    key,
    padding: new Uint8Array(random.chance(0.2) ? random.below(20_000) : random.below(200)),
    length: random.chance(0.2) ? random.below(40_000) : random.below(400),
    items: random.chance(0.2) ? random.between(1, 40) : 0,
    waitMs: random.chance(0.2) ? random.below(20) : 0,
    fails: random.chance(0.05),
  };
  const timeoutMs = random.chance(0.1) ? random.below(20) : undefined;
  const leavesAt = random.chance(0.1) ? random.below(20) : Number.POSITIVE_INFINITY;
  let watchdog: NodeJS.Timeout | undefined;
  const hung = new Promise<never>((_, reject) => {
    watchdog = setTimeout(() => reject(new Error(`no end of '${key}'`)), PATIENCE_MS);
  });
  const asked = async (): Promise<Outcome> => {
    if (question.items === 0) {
      expectOwn(question, await service.request(question, { timeoutMs }), 0);
      return 'answered';
    }
    let at = 0;
    for await (const item of service.stream(question, { timeoutMs, highWaterMark: random.between(1, 8) })) {
      expectOwn(question, item, at++);
      if (at > leavesAt) return 'left';
    }
    if (at !== question.items) throw new Error(`'${key}' has ended after ${at} of ${question.items} items`);
    return 'answered';
  };
  try {
    return await Promise.race([asked(), hung]);
  } catch (error) {
    const { name, code, cause } = error as {
      name?: string;
      code?: string;
      cause?: { code?: string; message?: string };
    };
    if (code === 'ERR_MEMLANE_PEER_DIED') return 'died';
    if (name === 'TimeoutError' && timeoutMs !== undefined) return 'timedOut';
    if (code === 'ERR_MEMLANE_REMOTE' && question.fails && cause?.code === 'E_ASKED_FOR' && cause.message === key)
      return 'failed';
    throw error;
  } finally {
    clearTimeout(watchdog);
  }
}
