// Writes and reads while another process cuts the file of the ring at any moment, to any length: { folder, seed, rounds }.
// Says 'ended' with what came of it; dies of an error that does not say so, and of a message that is wrong.
import { ok } from 'node:assert';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createRing, type MemlaneError, openRing, type Producer, type WaitStrategy } from 'memlane';
import { Reader } from '../fuzz/cut-reader.ts';
import { nameOf } from '../fuzz/named.ts';
import { Watchdog } from '../fuzz/watchdog.ts';
import { dataOffset } from '../ring/ring-bytes.ts';
import { fill, lengthOf, type Traffic, typeOf } from '../ring/traffic.ts';
import { Program } from '../support/program.ts';
import { Random } from '../support/random.ts';
import { parameters, pause, say } from '../support/speech.ts';

const { folder, seed, rounds } = parameters<{ folder: string; seed: number; rounds: number }>();
const random = new Random(seed);
const watchdog = new Watchdog();
const outcomes: Record<string, number> = {};

/** What is done to a file, and what may be seen of it. */
interface Cut {
  readonly length: number;
  readonly regrown: boolean;
  /** Whether whole pages are gone and stay away, so that every access to them is counted. */
  readonly clean: boolean;
  done: boolean;
}

await using cutter = new Program('fuzz-cutter');
await cutter.next('ready');
for (let round = 0; round < rounds; round++) await play(round);
say('ended', outcomes);

async function play(round: number): Promise<void> {
  const path = join(folder, `ring-${round}`);
  const capacityBytes = random.pick([4096, 4096, 16384, 65536]);
  const checksums = random.chance(0.5);
  // Not 0: a page of zeros says the same as a ring that has never been used.
  const startPosition = random.pick([8, 2 ** 31 - 512, 2 ** 32 - 4096, 8 * random.between(1, 2 ** 29 - 1)]);
  const whole = dataOffset + capacityBytes;
  const regrown = random.chance(0.3);
  const aligned = random.chance(0.6);
  const length = aligned ? 4096 * random.below(whole / 4096) : random.below(whole);
  const cut: Cut = { length, regrown, clean: aligned && !regrown, done: false };
  const way = random.pick(['one mapping', 'two mappings', 'waiting'] as const);
  const wait = random.pick<WaitStrategy>(['event', 'adaptive', 'yield', 'spin']);
  const where = { round, capacityBytes, checksums, startPosition, length, regrown, way, wait };
  watchdog.at(where);
  try {
    const ring = createRing(path, { capacityBytes, checksums, startPosition });
    const other = way === 'two mappings' ? openRing(path) : ring;
    const producer = ring.producer({ wait });
    const consumer = other.consumer({ wait });
    const traffic: Traffic = { seed: random.next(), maxLength: Math.min(1000, producer.maxMessageBytes) };
    // Zeros that raise no fault are told by nothing, or by a checksum: until it has been looked at.
    const reader = new Reader(consumer, traffic, random, cut.clean ? 0 : checksums ? 1 : Number.POSITIVE_INFINITY);
    const delayUs = random.pick([0, 100, 1000, 3000]) * random.next() * 2 ** -32;
    cutter.tell(JSON.stringify({ path, length, regrowTo: regrown ? whole : undefined, delayUs }));
    const isCut = cutter.next('cut').then(() => {
      cut.done = true;
    });
    const failures = way === 'waiting' ? await wander(producer, reader, cut) : await alternate(producer, reader, cut);
    await isCut;
    for (const failure of failures) {
      const code = nameOf(failure, where);
      // IO: a page that was gone, of a file that is as long as ever when it is asked.
      const due =
        code === 'ERR_MEMLANE_TRUNCATED' ||
        (code === 'ERR_MEMLANE_CORRUPT' && !cut.clean) ||
        (code === 'ERR_MEMLANE_IO' && cut.regrown);
      if (!due) throw failure;
      outcomes[code] = (outcomes[code] ?? 0) + 1;
    }
    if (failures.length === 0) {
      ok(!cut.clean, 'nobody has noticed that the file was cut');
      outcomes.unnoticed = (outcomes.unnoticed ?? 0) + 1;
    }
    ring.close();
    other.close();
  } catch (error) {
    throw new Error(`${JSON.stringify(where)}: ${(error as MemlaneError).stack}`, { cause: error });
  }
  rmSync(path);
  const left = readdirSync(folder);
  ok(left.length === 0, `left behind: ${left}`);
}

/** Message `n`, written in one way or another; false when there is no room. */
function write(producer: Producer, traffic: Traffic, n: number): boolean {
  const bytes = new Uint8Array(lengthOf(traffic, n));
  fill(bytes, 0, bytes.length, traffic, n);
  if (n % 3 > 0) return producer.tryWrite(bytes, typeOf(n));
  const offset = producer.tryClaim(bytes.length, typeOf(n));
  if (offset < 0) return false;
  producer.view.u8.set(bytes, offset);
  producer.commit();
  return true;
}

/** Both sides in turn, without waiting, until something is noticed or enough has passed after the cut. */
async function alternate(producer: Producer, reader: Reader, cut: Cut): Promise<unknown[]> {
  let n = 0;
  try {
    for (let after = 0; after < 300; after += Number(cut.done)) {
      while (random.chance(0.9) && write(producer, reader.traffic, n)) n += 1;
      while (random.chance(0.9) && reader.read() > 0);
      if (after % 10 === 0) await new Promise(setImmediate);
    }
    return [];
  } catch (error) {
    return [error];
  }
}

/** Both sides as programs of their own would, waiting for each other. */
async function wander(producer: Producer, reader: Reader, cut: Cut): Promise<unknown[]> {
  const enough = new AbortController();
  const { signal } = enough;
  const failures: unknown[] = [];
  const fail = (error: unknown): void => {
    if (error !== signal.reason) failures.push(error);
    enough.abort();
  };
  const writing = (async () => {
    for (let n = 0; !signal.aborted; n++) {
      const bytes = new Uint8Array(lengthOf(reader.traffic, n));
      fill(bytes, 0, bytes.length, reader.traffic, n);
      await producer.write(bytes, { type: typeOf(n), signal });
    }
  })().catch(fail);
  const reading = (async () => {
    for await (const { data, type } of reader.consumer.messages({ signal })) reader.take(data, type);
  })().catch(fail);
  const timing = (async () => {
    while (!cut.done && !signal.aborted) await pause(1);
    for (let ms = 0; ms < (cut.clean ? 5000 : 30) && !signal.aborted; ms += 1) await pause(1);
    enough.abort();
  })();
  await Promise.all([writing, reading, timing]);
  return failures;
}
