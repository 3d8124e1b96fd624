// Spoils bytes before the data of a ring file and cuts the file, then uses it: { folder, seed, amount }. Says 'ended' with
// how often what came of it; dies of the first thing that must not be.
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FIELD_BYTES } from '@memlane/core';
import { type Damage, damaged, isHarmless, lie, spoil, WAYS } from '../fuzz/damage.ts';
import { difference, examine, LAST, READINGS } from '../fuzz/examine.ts';
import { type Stock, stock, USED_TYPE } from '../fuzz/stock.ts';
import { Watchdog } from '../fuzz/watchdog.ts';
import {
  CONSUMER,
  cursor,
  dataOffset,
  lane,
  locate,
  type Placed,
  PRODUCER,
  ringHeader,
  slot,
  superblock,
} from '../ring/ring-bytes.ts';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

const { folder, seed, amount } = parameters<{ folder: string; seed: number; amount: number }>();
const random = new Random(seed);
const watchdog = new Watchdog();
const path = join(folder, 'ring');
const stocks = [3200, 2 ** 31 - 1024, 2 ** 32 - 2048].map((start, index) =>
  stock(join(folder, `${index}`), start, index === 1),
);

/** What may come of a change to a byte: the ring refused, all messages as they were, or anything within bounds. */
type Due = 'refused' | 'exact' | 'bounded';
const due: Due[] = new Array(dataOffset).fill('exact');
const fields: { name: string; type: keyof typeof FIELD_BYTES; offset: number }[] = [];
/** What describes, and does not decide where anything is. */
const DESCRIPTIVE = ['fileId', 'streamId', 'createdAtMs', 'epoch', 'startPosition'];
/** What nothing else in the file contradicts; one lane of many producers looks like that of one. */
const ALONE = ['topology', 'published', 'consumed', 'flags'];

for (const placed of [superblock, ringHeader, slot(PRODUCER), slot(CONSUMER), lane, cursor]) note(placed);

function note({ descriptor, offset }: Placed): void {
  for (const [name, field] of Object.entries(descriptor.fields)) {
    fields.push({ name, type: field.type, offset: offset + field.offset });
    const decides = descriptor === superblock.descriptor || descriptor === ringHeader.descriptor;
    const of: Due = ALONE.includes(name) ? 'bounded' : decides && !DESCRIPTIVE.includes(name) ? 'refused' : 'exact';
    due.fill(of, offset + field.offset, offset + field.offset + FIELD_BYTES[field.type]);
  }
}

const FLAGS = locate(ringHeader, 'flags').offset;
const outcomes: Record<string, number> = {};
const count = (outcome: string): void => {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
};
let cases = 0;

/** One file, and what must come of it. */
async function tryOut(
  bytes: Buffer,
  expected: Due,
  { messages, checksums }: Stock,
  what: unknown,
  length: number = bytes.length,
): Promise<void> {
  cases += 1;
  watchdog.at(what);
  writeFileSync(path, bytes, { mode: 0o600 });
  truncateSync(path, length);
  const wait = random.pick(['spin', 'park', 'event', 'adaptive'] as const);
  // One thread cannot await with a strategy that blocks it.
  const reading = random.pick(wait === 'park' ? READINGS.filter((way) => way !== 'iterate') : READINGS);
  try {
    const { refused, messages: found } = await examine(path, reading, wait);
    count(refused ?? 'worked');
    if (expected === 'refused' && refused === undefined) throw new Error('not refused');
    if (expected === 'refused' && found.length > 0) throw new Error('read before it was refused');
    if (expected === 'exact') {
      if (refused !== undefined) throw new Error(`refused with ${refused}`);
      const wrong = difference(found, [...messages, LAST]);
      if (wrong !== undefined) throw new Error(wrong);
    }
    // A checksum tells what was written from what was not, whatever the positions say.
    const strangers = found.filter(({ type }) => type !== LAST.type && !messages.some((one) => one.type === type));
    const checked = checksums && (bytes[FLAGS] as number) % 2 === 1;
    if (checked && strangers.some(({ type }) => type !== USED_TYPE)) throw new Error('a message was never written');
    const left = readdirSync(folder).filter((name) => name.startsWith('.'));
    if (left.length > 0) throw new Error(`left behind: ${left}`);
  } catch (error) {
    throw new Error(`${JSON.stringify({ what, wait, reading })}: ${(error as Error).message}`, { cause: error });
  }
}

async function damage(damages: readonly Damage[], what: unknown): Promise<void> {
  const stocked = random.pick(stocks);
  const { bytes } = stocked;
  const spoiled = damaged(bytes, damages);
  // As it came out: what damages undo among themselves is none.
  const kinds = damages
    .filter(({ offset }) => bytes[offset] !== spoiled[offset])
    .map(({ offset }) => due[offset] as Due);
  const expected = (['refused', 'bounded'] as const).find((kind) => kinds.includes(kind)) ?? 'exact';
  await tryOut(spoiled, expected, stocked, { what, damages: damages.slice(0, 12) });
}

const [{ bytes: sample }] = stocks as [(typeof stocks)[0]];
const named = new Set(
  fields.flatMap(({ type, offset }) => [...Array(FIELD_BYTES[type]).keys()].map((i) => offset + i)),
);
for (let round = 0; round < Math.max(1, amount); round++)
  for (let offset = 0; offset < dataOffset; offset++) {
    // What no descriptor names is like any other byte of its kind: half of it will do.
    if (!named.has(offset) && !random.chance(amount / 2)) continue;
    for (const way of named.has(offset) ? WAYS : [random.pick(WAYS)]) {
      const spoiled = spoil(sample, offset, way, random);
      if (!isHarmless(sample, [spoiled])) await damage([spoiled], way);
    }
  }
say('bytes', cases);

for (let group = 0; group < 200 * amount; group++) {
  const size = random.pick([2, 3, 5, 10, 30, 100, 1000]);
  // Mostly what does not end it at once: the head is refused anyhow.
  const from = random.chance(0.3) ? 0 : slot(PRODUCER).offset;
  const offsets = [...new Set(Array.from({ length: size }, () => random.between(from, dataOffset - 1)))];
  await damage(
    offsets.map((offset) => spoil(sample, offset, random.pick(WAYS), random)),
    'a group',
  );
}
say('groups', cases);

for (let lies = 0; lies < 250 * amount; lies++) {
  const chosen = Array.from({ length: random.pick([1, 1, 1, 2, 4]) }, () => random.pick(fields));
  const damages = chosen.flatMap(({ type, offset }) => (type === 'id' ? [] : lie(sample, offset, type, random)));
  await damage(
    damages,
    chosen.map(({ name }) => name),
  );
}
say('lies', cases);

const edges = [0, 1, 4, 8, 12, 64, 128, 136, 512, 540, 640, 1024, 1280, 1536, 1796, 1920, dataOffset, sample.length];
const lengths = new Set(edges.flatMap((edge) => [edge - 1, edge, edge + 1]));
for (const more of [4096, 65536, 2 ** 20]) lengths.add(sample.length + more);
for (let n = 0; n < 20 * amount; n++) lengths.add(random.below(2 * sample.length));
for (const length of lengths) {
  if (length < 0) continue;
  const stocked = random.pick(stocks);
  const { bytes } = stocked;
  const cut = Buffer.concat([bytes.subarray(0, length), Buffer.alloc(Math.max(0, length - bytes.length))]);
  await tryOut(cut, length === bytes.length ? 'exact' : 'refused', stocked, { length });
}

// Lies that agree with one another, of a file that is as long as it says.
for (const capacity of [0, 8, 2048, 6144, 12288, 2 ** 31, 2 ** 32 - 4096]) {
  const stocked = random.pick(stocks);
  const bytes = Buffer.from(stocked.bytes);
  bytes.writeUInt32LE(capacity, locate(ringHeader, 'capacityBytes').offset);
  bytes.writeDoubleLE(dataOffset + capacity, locate(superblock, 'fileLength').offset);
  await tryOut(bytes, 'refused', stocked, { capacity }, dataOffset + capacity);
}
say('ended', { cases, outcomes });
