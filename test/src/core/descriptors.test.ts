import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import {
  type Descriptor,
  FIELD_BYTES,
  type Field,
  LINE_BYTES,
  SLOT,
  StatisticsIndex,
  SUPERBLOCK,
  signatureOf,
} from '@memlane/core';
import { CURSOR, HEAD_BYTES, LANE, ringGeometry } from '@memlane/ring/layout';

const packages = fileURLToPath(new URL('../../../packages', import.meta.url));

/** A descriptor as its file draws it: the diagram above its declaration. */
interface Drawing {
  readonly file: string;
  readonly constant: string;
  readonly diagram: string;
}

/** Every descriptor that a package declares, found by its source so that none can be forgotten here. */
function drawings(): Drawing[] {
  return readdirSync(packages, { recursive: true, encoding: 'utf8' })
    .filter((path) => /^[^/]+\/src\/[^/]+-descriptor\.ts$/.test(path))
    .flatMap((file) => {
      const source = readFileSync(join(packages, file), 'utf8');
      return [...source.matchAll(/export const (\w+) = \{\s+name: '/g)].map(({ 1: constant = '', index }) => {
        const comment = source.slice(source.lastIndexOf('/**', index), index);
        const diagram = /```text\n([\s\S]*?)```/.exec(comment)?.[1] ?? '';
        return { file, constant, diagram };
      });
    });
}

/** The public descriptors of the packages that declare any, by constant. */
async function publicDescriptors(): Promise<Map<string, Descriptor>> {
  const found = new Map<string, Descriptor>();
  for (const folder of new Set(drawings().map(({ file }) => file.split('/')[0] as string))) {
    const { exports } = JSON.parse(readFileSync(join(packages, folder, 'package.json'), 'utf8'));
    for (const subpath of ['.', './layout']) {
      if (!(subpath in exports)) continue;
      for (const [name, value] of Object.entries(await import(`@memlane/${folder}${subpath.slice(1)}`)))
        if (typeof value === 'object' && value !== null && 'fields' in value) found.set(name, value as Descriptor);
    }
  }
  return found;
}

const exported = await publicDescriptors();
const extents = ({ fields }: Descriptor) =>
  Object.entries(fields).map(([name, { type, offset }]) => ({ name, start: offset, end: offset + FIELD_BYTES[type] }));

test('every descriptor in the sources is public', () => {
  expect(
    drawings()
      .map(({ constant }) => constant)
      .sort(),
  ).toEqual([...exported.keys()].sort());
  expect(exported.size).toBeGreaterThanOrEqual(6);
  expect(existsSync(packages)).toBe(true);
});

describe.each([...exported])('%s', (constant, descriptor) => {
  test('keeps its fields apart, inside it, and naturally aligned', () => {
    let end = 0;
    for (const field of extents(descriptor).sort((a, b) => a.start - b.start)) {
      // Names in the message, where a mere number would leave one to guess.
      expect(`${field.name} begins at ${Math.max(field.start, end)}`).toBe(`${field.name} begins at ${field.start}`);
      expect(`${field.name}: ${field.start % Math.min(8, field.end - field.start)} off`).toBe(`${field.name}: 0 off`);
      end = field.end;
    }
    expect(end).toBeLessThanOrEqual(descriptor.bytes);
    expect(descriptor.bytes % 8).toBe(0);
  });

  test('says what every field means', () => {
    for (const { meaning } of Object.values(descriptor.fields)) expect(meaning).toMatch(/\S{3}|\S \S/);
    expect(descriptor.name).toMatch(/^[a-z]+([A-Z][a-z]+)*$/);
  });

  test('is drawn as it is', () => {
    const { diagram } = drawings().find((drawing) => drawing.constant === constant) as Drawing;
    expect(readDiagram(diagram)).toEqual({
      bytes: descriptor.bytes,
      fields: Object.fromEntries(extents(descriptor).map(({ name, start, end }) => [name, [start, end]])),
    });
  });
});

/** Bytes that one column of a diagram stands for: four bytes are sixteen columns wide. */
const BYTES_A_COLUMN = 1 / 4;

/** What a diagram says: the extent of every named cell, and the length of the whole from its last label. */
function readDiagram(diagram: string): { bytes: number; fields: Record<string, [start: number, end: number]> } {
  const fields: Record<string, [number, number]> = {};
  let bytes = 0;
  let long: { name: string; start: number } | undefined;
  const [ruler = '', ...rows] = diagram
    .split('\n')
    .map((line) => line.replace(/^ \*/, ''))
    .filter((line) => line.trim() !== '');
  const origin = (rows[0] as string).indexOf('|');
  // The ruler counts the bytes of a row; its last digits stand one column to the right of each wall.
  for (const { 0: mark, index } of ruler.matchAll(/\d+/g))
    expect((index + mark.length - 2 - origin) * BYTES_A_COLUMN).toBe(Number(mark));
  for (const row of rows) {
    const label = Number(/^ *(\d+)/.exec(row)?.[1]);
    expect(label).toBeGreaterThanOrEqual(bytes);
    bytes = label;
    // Drawn as 'name ...' is what goes on to the next label.
    if (long !== undefined) fields[long.name] = [long.start, label];
    const going = /^ *\d+ *\| (\w+) \.\.\.$/.exec(row);
    long = going === null ? undefined : { name: going[1] as string, start: label };
    const walls = [...row.matchAll(/\|/g)].map(({ index }) => index);
    for (const [i, wall] of walls.slice(0, -1).entries()) {
      const name = row.slice(wall + 1, walls[i + 1]).trim();
      const start = label + (wall - origin) * BYTES_A_COLUMN;
      if (name !== '') fields[name] = [start, start + ((walls[i + 1] as number) - wall) * BYTES_A_COLUMN];
    }
  }
  return { bytes, fields };
}

describe('words of different writers', () => {
  const apart = (a: Field, aBase: number, b: Field, bBase: number): number =>
    Math.abs(a.offset + aBase - (b.offset + bBase));

  test('of a lane and its cursors share no pair of cache lines', () => {
    expect(LINE_BYTES).toBe(128);
    const { lanesOffset, laneBytes, slotsOffset, dataOffset } = ringGeometry(
      { topology: 'bus', producers: 3, consumers: 4, capacityBytes: 2 ** 16, maxLevel: 0 },
      4096,
    );
    /** Where each writer stores: every lane is its producer's, every cursor its consumer's. */
    const writers: [start: number, end: number][] = [];
    for (let lane = 0; lane < 3; lane++) {
      const base = lanesOffset + lane * laneBytes;
      writers.push([base, base + Math.max(...extents(LANE).map(({ end }) => end))]);
      for (let cursor = 0; cursor < 4; cursor++) {
        const start = base + LANE.bytes + cursor * CURSOR.bytes;
        writers.push([start, start + FIELD_BYTES.i32]);
      }
    }
    for (let slot = 0; slot < 7; slot++) {
      const start = slotsOffset + slot * SLOT.bytes;
      writers.push([start, start + SLOT.fields.highWaterBytes.offset + FIELD_BYTES.f64]);
    }
    const line = (offset: number): number => Math.floor(offset / LINE_BYTES);
    for (const [i, [start, end]] of writers.entries())
      for (const [other, otherEnd] of writers.slice(i + 1))
        expect(line(end - 1) < line(other) || line(otherEnd - 1) < line(start)).toBe(true);
    expect(Math.max(...writers.map(([, end]) => end))).toBeLessThanOrEqual(dataOffset);
    expect(apart(LANE.fields.published, 0, CURSOR.fields.consumed, LANE.bytes)).toBeGreaterThanOrEqual(LINE_BYTES);
  });

  test('of the head and the slots do not either', () => {
    const { slotsOffset, lanesOffset } = ringGeometry(
      { topology: 'spsc', producers: 1, consumers: 1, capacityBytes: 2 ** 16, maxLevel: 0 },
      4096,
    );
    expect(slotsOffset).toBeGreaterThanOrEqual(HEAD_BYTES);
    expect(slotsOffset % LINE_BYTES).toBe(0);
    expect(lanesOffset % LINE_BYTES).toBe(0);
    expect(SUPERBLOCK.fields.epoch.offset).toBeGreaterThanOrEqual(LINE_BYTES);
  });

  test('of a slot: what peers read after every publish is apart from what the owner writes all the time', () => {
    const { parked, bell, ...others } = SLOT.fields;
    for (const statistic of Object.keys(StatisticsIndex) as (keyof typeof StatisticsIndex)[])
      for (const word of [parked, bell])
        expect(Math.floor(others[statistic].offset / LINE_BYTES)).not.toBe(Math.floor(word.offset / LINE_BYTES));
  });
});

test('the indexes of the statistics are those of the slot', () => {
  const { messages } = SLOT.fields;
  for (const [name, index] of Object.entries(StatisticsIndex)) {
    const field = SLOT.fields[name as keyof typeof StatisticsIndex];
    expect(field).toMatchObject({ type: 'f64', offset: messages.offset + 8 * index });
  }
});

describe('signatureOf', () => {
  const base: Descriptor = {
    name: 'thing',
    bytes: 16,
    fields: {
      first: { type: 'u32', offset: 0, meaning: 'one' },
      second: { type: 'i32', offset: 4, meaning: 'two' },
    },
  };
  const { first, second } = base.fields as { first: Field; second: Field };
  const other: Descriptor = { ...base, name: 'other' };

  test.each<[string, Descriptor[]]>([
    ['another name', [{ ...base, name: 'thinh' }]],
    ['another size', [{ ...base, bytes: 24 }]],
    ['a field of another name', [{ ...base, fields: { first, third: second } }]],
    ['a field of another type', [{ ...base, fields: { first, second: { ...second, type: 'u32' } } }]],
    ['a field elsewhere', [{ ...base, fields: { first, second: { ...second, offset: 8 } } }]],
    ['two fields that changed places', [{ ...base, fields: { first: second, second: first } }]],
    ['a field less', [{ ...base, fields: { first } }]],
    ['a field more', [{ ...base, fields: { ...base.fields, third: { type: 'f64', offset: 8, meaning: '' } } }]],
    ['no structure', []],
    ['another structure behind it', [base, other]],
    ['another structure before it', [other, base]],
    ['the same structure twice', [base, base]],
  ])('differs for %s', (_name, descriptors) => {
    expect(signatureOf(descriptors)).not.toBe(signatureOf([base]));
  });

  test('tells the order of the structures', () => {
    expect(signatureOf([base, other])).not.toBe(signatureOf([other, base]));
  });

  test('does not care what a field is said to mean', () => {
    expect(signatureOf([{ ...base, fields: { first: { ...first, meaning: 'uno' }, second } }])).toBe(
      signatureOf([base]),
    );
  });

  test('changes with any change of any field of the descriptors that ship', () => {
    const seen = new Map<number, string>();
    const note = (what: string, descriptors: Descriptor[]): void => {
      const signature = signatureOf(descriptors);
      expect(Number.isInteger(signature) && signature >= 0 && signature < 2 ** 32).toBe(true);
      expect(`${seen.get(signature)} like ${what}`).toBe(`undefined like ${what}`);
      seen.set(signature, what);
    };
    const all = [...exported.values()];
    note('what ships', all);
    for (const [i, descriptor] of all.entries()) {
      const changed = (change: Partial<Descriptor>): Descriptor[] => all.with(i, { ...descriptor, ...change });
      note(`${descriptor.name} longer`, changed({ bytes: descriptor.bytes + 8 }));
      for (const [name, field] of Object.entries(descriptor.fields)) {
        const { [name]: _gone, ...rest } = descriptor.fields;
        note(`${descriptor.name} without ${name}`, changed({ fields: rest }));
        note(
          `${descriptor.name}.${name} moved`,
          changed({ fields: { ...descriptor.fields, [name]: { ...field, offset: field.offset + 1 } } }),
        );
        note(
          `${descriptor.name}.${name} retyped`,
          changed({
            fields: { ...descriptor.fields, [name]: { ...field, type: field.type === 'f64' ? 'id' : 'f64' } },
          }),
        );
      }
    }
  });
});
