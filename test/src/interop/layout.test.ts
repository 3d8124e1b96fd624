import { closeSync, openSync, readFileSync, readSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { type Descriptor, FIELD_BYTES, LAYOUT_VERSION, READY, SLOT, SUPERBLOCK } from '@memlane/core';
import {
  CURSOR,
  LANE,
  NAMED_CURSOR,
  RECORD,
  RING_HEADER,
  RING_SIGNATURE,
  ringGeometry,
  TopologyCode,
  WORK_CELL,
  WORK_HEADER,
  WORK_MESSAGE,
  WORK_SIGNATURE,
  WORK_WORDS,
} from '@memlane/ring/layout';
import { createRing, openRing, type Topology } from 'memlane';
import { scratchFolder } from '../support/scratch.ts';
import { plainError } from '../support/speech.ts';
import { compile, describeInC, sources } from './compiler.ts';
import { Crew, dismiss } from './peers.ts';

afterAll(dismiss);

const snake = (name: string): string => name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
const structures: readonly Descriptor[] = [
  ...[SUPERBLOCK, SLOT, RING_HEADER, NAMED_CURSOR, LANE, CURSOR, RECORD],
  ...[WORK_HEADER, WORK_WORDS, WORK_CELL, WORK_MESSAGE],
];

/** Asserts about the structures in C what a descriptor says. */
function assertions({ name, bytes, fields }: Descriptor): string[] {
  const type = `memlane_${snake(name)}`;
  const assert = (what: string, value: number): string => `_Static_assert(${what} == ${value}, "${what}");`;
  return [
    assert(`sizeof(${type})`, bytes),
    ...Object.entries(fields).flatMap(([field, { type: kind, offset }]) => [
      assert(`offsetof(${type}, ${snake(field)})`, offset),
      assert(`sizeof(((${type} *)0)->${snake(field)})`, FIELD_BYTES[kind]),
    ]),
  ];
}

function compileWith(
  lines: readonly string[],
  { header = 'memlane_work.h', defines = [] as readonly string[] } = {},
): void {
  using scratch = scratchFolder();
  const path = scratch.file('layout.c');
  writeFileSync(path, ['#define _GNU_SOURCE', ...defines, `#include "${header}"`, ...lines, ''].join('\n'));
  compile(['-fsyntax-only', `-I${sources}`, path]);
}

describeInC('the structures in C', () => {
  test('are those of the descriptors', () => {
    compileWith(structures.flatMap(assertions));
  });

  test('and this would be found out otherwise', () => {
    const moved = { ...LANE.fields, tail: { ...LANE.fields.tail, offset: 8 } };
    expect(() => compileWith(assertions({ ...LANE, fields: moved }))).toThrow('offsetof(memlane_lane, tail)');
  });

  test('are of this version', () => {
    compileWith([
      `_Static_assert(MEMLANE_VERSION == ${LAYOUT_VERSION}, "the version");`,
      `_Static_assert(MEMLANE_RING_SIGNATURE == ${RING_SIGNATURE}u, "the signature");`,
      `_Static_assert(MEMLANE_WORK_SIGNATURE == ${WORK_SIGNATURE}u, "the signature of a work queue");`,
      `_Static_assert(MEMLANE_READY == ${READY}, "the ready word");`,
    ]);
  });

  test('need nothing but the header: one that is included alone compiles', () => {
    compileWith([], { header: 'memlane_ring.h', defines: ['#define MEMLANE_RING_IMPLEMENTATION'] });
    expect(readFileSync(join(sources, 'memlane_ring.h'), 'utf8')).not.toMatch(/#include "/);
  });
});

describeInC('the formulas', () => {
  test('yield the same everywhere', async () => {
    await using crew = new Crew();
    const peer = crew.peer('C');
    for (const topology of ['spsc', 'mpsc', 'broadcast', 'bus'] as const)
      for (const many of [1, 2, 15, 16, 31, 32, 33, 255, 1024])
        for (const [capacityBytes, maxLevel] of [
          [4096, 0],
          [4096, 18],
          [65_536, 3],
          [2 ** 30, 0],
        ] as const)
          for (const pageSize of [4096, 65_536]) {
            const producers = topology === 'mpsc' || topology === 'bus' ? Math.min(many, 64) : 1;
            const consumers = topology === 'broadcast' || topology === 'bus' ? many : 1;
            const command = [
              'geometry',
              TopologyCode[topology],
              producers,
              consumers,
              capacityBytes,
              maxLevel,
              pageSize,
            ].join(' ');
            const right = ringGeometry({ topology, producers, consumers, capacityBytes, maxLevel }, pageSize);
            expect([command, await peer.ask(command)]).toEqual([command, right]);
          }
  });
});

/** Code and field of what opening throws; undefined when it does not. */
function refusalByNode(path: string): { code: string; field: string | undefined } | undefined {
  try {
    openRing(path).close();
    return undefined;
  } catch (error) {
    const { code = '', field } = plainError(error);
    return { code: code.replace('ERR_MEMLANE_', ''), field };
  }
}

describe.each([
  ['spsc', 1, 1],
  ['bus', 2, 3],
] as const)('a damaged head of a %s ring', (topology: Topology, producers: number, consumers: number) => {
  describeInC('is refused by both for the same reason', () => {
    const damages = [
      ...Object.entries(SUPERBLOCK.fields).map(([name, field]) => ({ name, ...field })),
      ...Object.entries(RING_HEADER.fields).map(([name, field]) => ({ name, ...field, offset: field.offset + 512 })),
    ];

    test('each field of it', async () => {
      using scratch = scratchFolder();
      await using crew = new Crew();
      const peer = crew.peer('C');
      const path = scratch.file('ring');
      createRing(path, { topology, producers, consumers, capacityBytes: 4096 }).close();
      const fd = openSync(path, 'r+');
      const refused: string[] = [];
      for (const { name, offset } of damages)
        for (const value of [0, 1, 2, 3, 4, 5, 4096, 8192, 0x7ff0_0000, 0xffff_ffff]) {
          const before = Buffer.alloc(4);
          const after = Buffer.alloc(4);
          after.writeUInt32LE(value);
          // The upper half of a number of eight bytes.
          const at = offset + (name === 'fileLength' && value > 8192 ? 4 : 0);
          readSync(fd, before, 0, 4, at);
          writeSync(fd, after, 0, 4, at);
          const byNode = refusalByNode(path);
          if (byNode === undefined) {
            await peer.ask(`produce ${path}`);
            await peer.ask('leave');
          } else {
            expect([name, value, await peer.refusal(`produce ${path}`)]).toEqual([name, value, byNode]);
            refused.push(name);
          }
          writeSync(fd, before, 0, 4, at);
        }
      closeSync(fd);
      const free = ['fileId', 'createdAtMs', 'epoch', 'startPosition', 'streamId'];
      expect([...new Set(refused)].sort()).toEqual(
        damages
          .map(({ name }) => name)
          .filter((name) => !free.includes(name))
          .sort(),
      );
    });

    test('its length', async () => {
      using scratch = scratchFolder();
      await using crew = new Crew();
      const peer = crew.peer('C');
      const path = scratch.file('ring');
      createRing(path, { topology, producers, consumers, capacityBytes: 4096 }).close();
      const { size } = statSync(path);
      for (const length of [size + 4096, size - 1, 4096, 640, 639, 512, 12, 8, 7, 0]) {
        const copy = scratch.file('copy');
        writeFileSync(copy, readFileSync(path), { mode: 0o600 });
        truncateSync(copy, length);
        expect([length, await peer.refusal(`produce ${copy}`)]).toEqual([length, refusalByNode(copy)]);
      }
    });
  });
});
