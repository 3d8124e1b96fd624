import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import { rmSync } from 'node:fs';
import { FIELD_BYTES, type Field, LAYOUT_VERSION } from '@memlane/core';
import { openRing } from 'memlane';
import { CAPACITY } from '../conformance/bed.ts';
import {
  CONSUMER,
  cursor,
  lane,
  type Placed,
  PRODUCER,
  peek,
  poke,
  readBytes,
  ringHeader,
  slot,
  superblock,
  writeBytes,
} from '../ring-bytes.ts';
import { type NamedError, newRing, type Refusal, refused, works } from './refusal.ts';

/** Header fields that may hold anything, because nothing depends on them once the ring is made. */
const FREE = new Set(['fileId', 'createdAtMs', 'epoch', 'startPosition', 'streamId']);
/** A value that means another ring, but a sound one: an empty ring may as well have checksums, or be one for many producers. */
const SOUND = new Set(['flags 01000000', 'topology 02000000']);

/** The code for each field that has one of its own; ERR_MEMLANE_CORRUPT with its name for the others. */
const OWN_CODE: Readonly<Record<string, readonly string[]>> = {
  magicLow: ['ERR_MEMLANE_NOT_MEMLANE'],
  magicHigh: ['ERR_MEMLANE_NOT_MEMLANE'],
  version: ['ERR_MEMLANE_VERSION'],
  kind: ['ERR_MEMLANE_KIND'],
  signature: ['ERR_MEMLANE_SIGNATURE'],
  ready: ['ERR_MEMLANE_NOT_MEMLANE'],
  fileLength: ['ERR_MEMLANE_CORRUPT', 'ERR_MEMLANE_TRUNCATED'],
};

/** A capacity that could be disagrees with the length of the file; either may be named. */
const NAMED_AS: Readonly<Record<string, readonly string[]>> = {
  capacityBytes: ['capacityBytes', 'fileLength'],
  maxLevel: ['maxLevel', 'fileLength'],
};

/** Wrong values for a field: none, all, one more, one less, the other sign, and what a number may be that is none. */
function wrongValues(type: Field['type'], right: Buffer): Buffer[] {
  const values: Buffer[] = [Buffer.alloc(right.length), Buffer.alloc(right.length, 0xff)];
  const put = (write: (buffer: Buffer) => void): void => {
    const buffer = Buffer.from(right);
    write(buffer);
    values.push(buffer);
  };
  if (type === 'f64') {
    const number = right.readDoubleLE();
    for (const value of [number + 1, number - 1, -number, number / 2, number * 2, 0.5, 2 ** 53, 1e300, Infinity, NaN])
      put((buffer) => buffer.writeDoubleLE(value));
  } else if (type === 'id') put((buffer) => buffer.writeUInt8(right.readUInt8() ^ 1));
  else {
    const number = right.readUInt32LE();
    for (const value of [number + 1, number - 1, number ^ 0x80000000, number * 2, number >>> 1, 0x7fffffff])
      put((buffer) => buffer.writeUInt32LE(value >>> 0));
    put((buffer) => buffer.swap32());
  }
  return values.filter((value) => !value.equals(right));
}

/** Every wrong value of every field of a structure, one at a time. */
function eachWrong(path: string, placed: Placed, check: (field: string, value: string) => void): void {
  for (const [name, { type, offset }] of Object.entries(placed.descriptor.fields)) {
    const at = placed.offset + offset;
    const right = readBytes(path, at, FIELD_BYTES[type]);
    for (const wrong of wrongValues(type, right)) {
      writeBytes(path, at, wrong);
      try {
        check(name, wrong.toString('hex'));
      } catch (error) {
        (error as Error).message += ` (${placed.descriptor.name}.${name} = ${wrong.toString('hex')})`;
        throw error;
      }
      writeBytes(path, at, right);
    }
  }
}

function codeOf(action: () => void): NamedError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error as NamedError;
  }
}

/** Every field of the head of a file, of its slots and of its lane, with every kind of wrong value. */
export const headerRefusals: readonly Refusal[] = [
  {
    name: 'each field of the head, with each kind of wrong value',
    run: ({ path }) => {
      newRing(path);
      for (const placed of [superblock, ringHeader])
        eachWrong(path, placed, (field, value) => {
          if (FREE.has(field) || SOUND.has(`${field} ${value}`)) {
            works(openRing(path));
            return;
          }
          const codes = OWN_CODE[field] ?? ['ERR_MEMLANE_CORRUPT'];
          const error = codeOf(() => openRing(path).close());
          ok(error !== undefined, 'accepted');
          ok(codes.includes(error.code), `${error.code}: ${error.message}`);
          if (error.code === 'ERR_MEMLANE_CORRUPT')
            ok((NAMED_AS[field] ?? [field]).includes(error.field ?? ''), `named as ${error.field}`);
          refused(error.code, () => openRing(path));
        });
      works(openRing(path));
    },
  },
  {
    name: 'another version says both numbers',
    run: ({ path }) => {
      poke(newRing(path), superblock, 'version', 77);
      refused('ERR_MEMLANE_VERSION', () => openRing(path), '77', `${LAYOUT_VERSION}`, 'Upgrade');
    },
  },
  {
    name: 'each field of the slots: who is dead cannot keep anybody out, whatever he wrote',
    run: ({ path }) => {
      newRing(path);
      for (const index of [PRODUCER, CONSUMER])
        eachWrong(path, slot(index), () => {
          using ring = openRing(path);
          ring.statistics();
          works(ring);
          works(ring);
        });
    },
  },
  {
    name: 'each word of the lane: the position that cannot be is named',
    run: ({ path }) => {
      const start = 2 ** 32 - 80;
      newRing(path, start);
      for (const placed of [lane, cursor])
        eachWrong(path, placed, (field) => {
          const error = codeOf(() => {
            using ring = openRing(path);
            works(ring);
          });
          if (field === 'intent' || field === 'ended') strictEqual(error, undefined);
          else if (error !== undefined) {
            strictEqual(error.code, 'ERR_MEMLANE_CORRUPT', error.message);
            ok(['published', 'consumed', 'length'].includes(error.field ?? ''), error.message);
          }
          // What was accepted has moved the positions.
          poke(path, lane, 'published', start);
          poke(path, cursor, 'consumed', start);
        });
    },
  },
  {
    name: 'a position that a living peer moves to where it cannot be',
    run: ({ path }) => {
      for (const shift of [-8, -4, 1, 4, CAPACITY + 8, CAPACITY + 4, 2 ** 30, 2 ** 31, -(2 ** 30)])
        for (const start of [0, 2 ** 32 - 1000 * 8]) {
          using ring = openRing(newRing(path, start));
          const producer = ring.producer();
          const consumer = ring.consumer();
          while (producer.tryWrite('x'.repeat(120))); // 128 bytes each fill the ring exactly
          consumer.poll(() => {}, 3);
          const published = peek(path, lane, 'published');
          const consumed = peek(path, cursor, 'consumed');

          poke(path, cursor, 'consumed', shift < 0 ? consumed + shift - CAPACITY : consumed + shift + CAPACITY);
          const byProducer = [
            () => {
              while (producer.tryWrite('x'));
            },
            () => producer.waitSync(0, 1000),
          ].map((use) => refused('ERR_MEMLANE_CORRUPT', use, 'consumed').field);
          deepStrictEqual(byProducer, ['consumed', 'consumed']);
          poke(path, cursor, 'consumed', consumed);

          while (consumer.poll(() => {}) > 0);
          poke(path, lane, 'published', published + shift);
          const byConsumer = [() => consumer.poll(() => {}), () => consumer.tryRead(), () => consumer.waitSync(0)].map(
            (use) => refused('ERR_MEMLANE_CORRUPT', use, 'published').field,
          );
          deepStrictEqual(byConsumer, ['published', 'published', 'published']);
          poke(path, lane, 'published', published);
          // Set right, the ring goes on: what was wrong was not taken over.
          ok(producer.tryWrite('y'));
          strictEqual(consumer.tryRead()?.data.toString(), 'y');
          rmSync(path);
        }
    },
  },
  {
    name: 'positions further apart than the ring is large',
    run: ({ path }) => {
      newRing(path);
      for (const [published, consumed] of [
        [CAPACITY + 8, 0],
        [0, 8],
        [2 ** 31, 0],
        [-8, 0],
        [8, 2 ** 31],
      ] as const) {
        poke(path, lane, 'published', published);
        poke(path, cursor, 'consumed', consumed);
        refused('ERR_MEMLANE_CORRUPT', () => openRing(path), 'published');
      }
      for (const odd of [1, 4, 7]) {
        poke(path, lane, 'published', odd);
        poke(path, cursor, 'consumed', 0);
        strictEqual(refused('ERR_MEMLANE_CORRUPT', () => openRing(path)).field, 'published');
        poke(path, lane, 'published', 16);
        poke(path, cursor, 'consumed', odd);
        strictEqual(refused('ERR_MEMLANE_CORRUPT', () => openRing(path)).field, 'consumed');
      }
    },
  },
];
