// Spoils the headers of records that lie in a ring file, then reads it: { folder, seed, amount }. Says 'ended' with how
// often what came of it; dies of the first thing that must not be.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checksumOffset } from '@memlane/ring/layout';
import { createRing } from 'memlane';
import { type Damage, damaged, isHarmless, lie, spoil, WAYS } from '../fuzz/damage.ts';
import { difference, examine, LAST, READINGS, type Reading } from '../fuzz/examine.ts';
import { RECORD_HEADER_BYTES, type Stock, type Stocked, stock } from '../fuzz/stock.ts';
import { Watchdog } from '../fuzz/watchdog.ts';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { dataOffset, lane, peek, poke } from '../ring/ring-bytes.ts';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

const { folder, seed, amount } = parameters<{ folder: string; seed: number; amount: number }>();
const random = new Random(seed);
const watchdog = new Watchdog();
const path = join(folder, 'ring');
// The records begin in the middle, go over the end of the data, or over the end of the positions as well.
const stocks = [0, 3000, 3184, 2 ** 31 - 1024, 2 ** 32 - 3000, 2 ** 32 - 960].map((start, index) =>
  stock(join(folder, `${index}`), start - (start % 8), index % 2 === 1),
);
const outcomes: Record<string, number> = {};
let cases = 0;

/** Where a byte of a record is in the file, that may go over the end of the data. */
function inData(offset: number): number {
  return offset < dataOffset + CAPACITY ? offset : offset - CAPACITY;
}

/** Whether a byte of what a checksum covers, or of the checksum, is another. */
function isSpoiled({ recordOffset, recordBytes, data }: Stocked, damages: readonly Damage[]): boolean {
  return damages.some(({ offset }) => {
    const at = (offset - recordOffset + CAPACITY) % CAPACITY;
    const checksumAt = RECORD_HEADER_BYTES + checksumOffset(data.length);
    return at < recordBytes && (at < RECORD_HEADER_BYTES + data.length || (at >= checksumAt && at < checksumAt + 4));
  });
}

async function damage(
  { bytes, messages, backlogBytes, checksums }: Stock,
  damages: readonly Damage[],
  what: unknown,
): Promise<void> {
  if (isHarmless(bytes, damages)) return;
  cases += 1;
  const spoiled = damaged(bytes, damages);
  // What damages undo among themselves, or to what it was, is none.
  damages = damages.filter(({ offset }) => spoiled[offset] !== bytes[offset]);
  writeFileSync(path, spoiled, { mode: 0o600 });
  const wait = random.pick(['spin', 'event'] as const);
  const reading = random.pick(READINGS);
  const where = { what, damages: damages.slice(0, 12), wait, reading };
  watchdog.at(where);
  try {
    const { refused, messages: found } = await examine(path, reading, wait);
    outcomes[refused ?? 'worked'] = (outcomes[refused ?? 'worked'] ?? 0) + 1;
    if (refused !== undefined && refused !== 'ERR_MEMLANE_CORRUPT') throw new Error(`refused with ${refused}`);
    // Up to the first length that is wrong everything is as it was written, but for the types that were spoiled.
    const expected = messages.map(({ recordOffset, data }) => ({ type: spoiled.readInt32LE(recordOffset + 4), data }));
    const wrong = messages.findIndex((message) =>
      checksums
        ? isSpoiled(message, damages)
        : spoiled.readInt32LE(message.recordOffset) !== bytes.readInt32LE(message.recordOffset),
    );
    const sure = wrong < 0 ? [...expected, LAST] : expected.slice(0, wrong);
    if (wrong < 0 && refused !== undefined) throw new Error(`refused with ${refused}, though all lengths are right`);
    const fault = difference(wrong < 0 ? found : found.slice(0, wrong), sure);
    if (fault !== undefined) throw new Error(fault);
    if (checksums && wrong >= 0 && (found.length !== wrong || refused === undefined)) throw new Error('believed');
    // What a wrong length passes off as messages lies where the others lay.
    const room = found.filter((message) => message.type !== LAST.type || message.data.length !== LAST.data.length);
    const taken = room.reduce((sum, { data }) => sum + 8 + ((data.length + 7) & -8), 0);
    if (taken > backlogBytes) throw new Error(`${taken} bytes were read, but ${backlogBytes} written`);
  } catch (error) {
    throw new Error(`${JSON.stringify(where)}: ${(error as Error).message}`, { cause: error });
  }
}

for (let round = 0; round < Math.max(1, amount); round++)
  for (const stocked of stocks)
    for (const { recordOffset } of stocked.messages)
      for (let byte = 0; byte < RECORD_HEADER_BYTES; byte++)
        await damage(stocked, [spoil(stocked.bytes, recordOffset + byte, random.pick(WAYS), random)], 'a byte');
say('bytes', cases);

for (const stocked of stocks.filter(({ checksums }) => checksums))
  for (let n = 0; n < 100 * amount; n++) {
    const { recordOffset, recordBytes } = random.pick(stocked.messages);
    await damage(
      stocked,
      [spoil(stocked.bytes, inData(recordOffset + random.below(recordBytes)), random.pick(WAYS), random)],
      'anywhere',
    );
  }
say('payloads', cases);

for (let group = 0; group < 400 * amount; group++) {
  const stocked = random.pick(stocks);
  const damages = Array.from({ length: random.pick([1, 2, 3, 8]) }, () => {
    const { recordOffset } = random.pick(stocked.messages);
    return random.chance(0.5)
      ? lie(stocked.bytes, recordOffset, 'i32', random)
      : [spoil(stocked.bytes, recordOffset + random.below(RECORD_HEADER_BYTES), random.pick(WAYS), random)];
  });
  await damage(stocked, damages.flat(), 'a group');
}

// What is left of earlier rounds is as whole as ever; a checksum tells that it is not for now.
for (let ahead = 1; ahead <= 5; ahead++) {
  rmSync(path);
  {
    using ring = createRing(path, { capacityBytes: CAPACITY, checksums: true });
    using producer = ring.producer();
    using consumer = ring.consumer();
    const eighth = new Uint8Array(CAPACITY / 8 - 16);
    for (let n = 0; n < 8; n++) producer.tryWrite(eighth);
    consumer.poll(() => {});
    for (let n = 0; n < 3; n++) producer.tryWrite(eighth);
  }
  poke(path, lane, 'published', peek(path, lane, 'published') + (ahead * CAPACITY) / 8);
  const { refused, messages } = await examine(path, READINGS[ahead % READINGS.length] as Reading, 'spin');
  if (refused !== 'ERR_MEMLANE_CORRUPT' || messages.length !== 3) throw new Error(`${messages.length}, ${refused}`);
}
say('ended', { cases, outcomes });
