import { ok, strictEqual } from 'node:assert';
import { readdirSync, rmSync } from 'node:fs';
import {
  type ConsumerOptions,
  createAnonymousRing,
  createRing,
  openOrCreateRing,
  openRing,
  type RingShape,
} from 'memlane';
import { eachWrongValue, FREE_FIELDS, OWN_CODES } from '../../support/wrong-values.ts';
import { CAPACITY } from '../conformance/bed.ts';
import { type Placed, peek, placesOf, poke, ringHeader, superblock } from '../ring-bytes.ts';
import { type NamedError, type Refusal, refused } from './refusal.ts';

type Wrong = readonly [field: string, shape: object, ...words: string[]];

const WRONG_SHAPES: readonly Wrong[] = [
  ['topology', { topology: 'ring' }, 'broadcast'],
  ['topology', { topology: 1 }],
  ['topology', { topology: null }],
  ['topology', { topology: 'toString' }],
  ...[0, -1, 1025, 1.5, '2', null, Number.NaN].flatMap((places): Wrong[] => [
    ['producers', { topology: 'mpsc', producers: places }],
    ['consumers', { topology: 'broadcast', consumers: places }],
  ]),
  ['producers', { producers: 2 }, "'spsc'"],
  ['consumers', { consumers: 2 }, "'spsc'"],
  ['consumers', { topology: 'mpsc', consumers: 2 }, "'mpsc'"],
  ['producers', { topology: 'broadcast', producers: 2 }, "'broadcast'"],
  ['consumers', { topology: 'bus', producers: 1024, consumers: 65 }, '64', '1024'],
  ['overwrite', { overwrite: true }, "'spsc'"],
  ['overwrite', { topology: 'mpsc', overwrite: true }, "'mpsc'"],
  ['overwrite', { topology: 'broadcast', overwrite: 1 }],
  ['maxLagBytes', { maxLagBytes: 4096 }],
  ['maxLagBytes', { topology: 'mpsc', maxLagBytes: 4096 }],
  ['maxLagBytes', { topology: 'broadcast', overwrite: true, maxLagBytes: 4096 }],
  ...[0, -8, 0.5, CAPACITY + 1, '8', null].map(
    (maxLagBytes): Wrong => ['maxLagBytes', { topology: 'bus', capacityBytes: CAPACITY, maxLagBytes }],
  ),
  ['checksums', { topology: 'bus', checksums: 'yes' }],
];

const WRONG_READERS: readonly (readonly [shape: RingShape, field: string, options: object])[] = [
  ...(['spsc', 'mpsc'] as const).flatMap((topology) =>
    Object.entries({ from: 'now', name: 'x', onLoss: () => {} }).map(
      ([field, value]) => [{ topology }, field, { [field]: value }] as const,
    ),
  ),
  ...['then', '', 5, null].map((from) => [{ topology: 'broadcast' }, 'from', { from }] as const),
  ...[5, 'x', {}, null].map((onLoss) => [{ topology: 'bus' }, 'onLoss', { onLoss }] as const),
  ...[0, -1, 1.5, 'all', Number.POSITIVE_INFINITY, null].map(
    (retain) => [{ topology: 'bus' }, 'retain', { name: 'x', retain }] as const,
  ),
  [{ topology: 'broadcast' }, 'retain', { retain: 'nothing' }],
  [{ topology: 'broadcast', overwrite: true }, 'retain', { name: 'x', retain: 'everything' }],
  [{ topology: 'broadcast' }, 'wait', { wait: 'sleep' }],
  [{ topology: 'broadcast' }, 'recover', { recover: true }],
  [{ topology: 'mpsc' }, 'recover', { recover: true }],
];

/** Every kind of ring for many. */
const SHAPES: Readonly<Record<string, RingShape>> = {
  mpsc: { topology: 'mpsc', producers: 3 },
  broadcast: { topology: 'broadcast', consumers: 3 },
  'broadcast, overwriting': { topology: 'broadcast', consumers: 3, overwrite: true },
  bus: { topology: 'bus', producers: 2, consumers: 3 },
};

/** Fields of the head that nothing depends on, and those of which another value makes another, but sound, ring. */
const FREE = new Set([...FREE_FIELDS, 'startPosition', 'streamId']);
const MAYBE_SOUND = new Set(['topology', 'flags', 'maxLagBytes']);
const BLAMED = ['published', 'consumed', 'tail', 'length', 'nameBytes', 'retention', 'segment', 'begin0', 'level0'];

/** A ring with something in it that one consumer has read, and another, by a name, has not. */
function usedRing(path: string, shape: RingShape): void {
  using ring = createRing(path, { capacityBytes: CAPACITY, ...shape, startPosition: 2 ** 32 - 256 });
  const producers = Array.from({ length: shape.producers ?? 1 }, () => ring.producer());
  const consumers = [ring.consumer()];
  if (shape.topology !== 'mpsc') consumers.push(ring.consumer({ name: 'kept' }));
  for (const producer of producers) for (let n = 0; n < 5; n++) producer.tryWrite('x'.repeat(100));
  consumers[0]?.poll(() => {}, 7);
}

/** Uses everything that a ring has; whoever is refused is refused for a word that is wrong. */
function use(path: string, shape: RingShape): void {
  using ring = openRing(path);
  ring.statistics();
  for (const options of shape.topology === 'mpsc'
    ? [{}]
    : [{ from: 'oldest' as const }, { name: 'kept' }, { name: 'new' }]) {
    using consumer = ring.consumer(options);
    using producer = ring.producer();
    producer.tryWrite('y');
    consumer.poll(() => {});
    consumer.waitSync(0);
    producer.tryWrite('z'.repeat(500));
    consumer.tryRead();
    void consumer.isEnded;
    producer.flushSync(0);
    ring.statistics();
  }
  ring.removeCursor('new');
}

/** Frees the place of whoever was in the middle when it was refused. */
function forget(path: string): void {
  using ring = openRing(path);
  ring.removeCursor('new');
}

function thrownBy(action: () => void): NamedError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error as NamedError;
  }
}

/** What only rings for many can be asked wrongly, or have wrong. */
export const topologyRefusals: readonly Refusal[] = [
  {
    name: 'shapes that cannot be are refused by the name of the option',
    run: ({ path, folder }) => {
      for (const [field, shape, ...words] of WRONG_SHAPES)
        for (const make of [createAnonymousRing, createRing.bind(null, path), openOrCreateRing.bind(null, path)])
          refused('ERR_MEMLANE_ARGUMENT', () => make(shape as RingShape), `${field} is`, ...words);
      strictEqual(readdirSync(folder).length, 0);
    },
  },
  {
    name: 'ways to read that a ring does not have are refused by the name of the option, and take no place',
    run: ({ path, folder }) => {
      for (const [shape, field, options] of WRONG_READERS) {
        using ring = createRing(path, { capacityBytes: CAPACITY, ...shape, checksums: field === 'recover' });
        const before = readdirSync(folder);
        refused('ERR_MEMLANE_ARGUMENT', () => ring.consumer(options as ConsumerOptions), `${field} is`);
        strictEqual(ring.statistics().consumers.filter(({ pid }) => pid !== 0).length, 0);
        strictEqual(readdirSync(folder).length, before.length);
        rmSync(path);
      }
    },
  },
  ...Object.entries(SHAPES).flatMap(([kind, shape]): Refusal[] => [
    {
      name: `each field of the head, with each kind of wrong value (${kind})`,
      run: ({ path }) => {
        createRing(path, { capacityBytes: CAPACITY, ...shape }).close();
        for (const placed of [superblock, ringHeader])
          eachWrongValue(path, placed, (field) => {
            const error = thrownBy(() => openRing(path).close());
            if (FREE.has(field)) strictEqual(error, undefined);
            else if (error === undefined) ok(MAYBE_SOUND.has(field), 'accepted');
            else {
              ok((OWN_CODES[field] ?? ['ERR_MEMLANE_CORRUPT']).includes(error.code), `${error.code}: ${error.message}`);
              refused(error.code, () => openRing(path));
            }
          });
        use(path, shape);
      },
    },
    {
      name: `each word of slots, lanes, cursors and names: it works, or the word is named (${kind})`,
      run: ({ path }) => {
        if (kind === 'broadcast') return; // one that overwrites has the same words, and looks at more of them
        usedRing(path, shape);
        const { slots, lanes, cursors, names } = placesOf({ capacityBytes: CAPACITY, ...shape });
        const last = cursors.at(-1) ?? [];
        // The others are like them.
        const all = [slots[0], slots.at(-1), lanes.at(-1), last[0], last.at(-1), names[0], names[1]];
        for (const placed of new Set(all)) {
          if (placed === undefined) continue;
          eachWrongValue(path, placed, () => {
            const error = thrownBy(() => use(path, shape));
            thrownBy(() => forget(path));
            // A place whose name is wrong is somebody else's.
            if (error === undefined || (names.includes(placed) && error.code === 'ERR_MEMLANE_BUSY')) return;
            strictEqual(error.code, 'ERR_MEMLANE_CORRUPT', error.message);
            ok(BLAMED.includes(error.field ?? ''), error.message);
          });
          rmSync(path);
          usedRing(path, shape); // what was accepted has moved on
        }
        use(path, shape);
      },
    },
  ]),
  {
    name: 'a lane of many whose positions cannot be is found when the ring is opened',
    run: ({ path }) => {
      createRing(path, { topology: 'mpsc', producers: 3, capacityBytes: CAPACITY }).close();
      const { lanes, cursors } = placesOf({ topology: 'mpsc', producers: 3, capacityBytes: CAPACITY });
      for (const [index, lane] of lanes.entries())
        for (const [word, value] of [
          ['published', CAPACITY + 8],
          ['published', -8],
          ['published', 4],
          ['consumed', 8],
          ['consumed', 3],
        ] as const) {
          const placed = word === 'published' ? lane : (cursors[index]?.[0] as Placed);
          const right = peek(path, placed, word);
          poke(path, placed, word, value);
          refused('ERR_MEMLANE_CORRUPT', () => openRing(path));
          poke(path, placed, word, right);
        }
      openRing(path).close();
    },
  },
];
