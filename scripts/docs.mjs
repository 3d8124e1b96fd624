// Keeps the generated parts of the documentation equal to the code: the layout tables to the descriptors, the error
// tables to ERROR_CODES and SYSTEM_REMEDIES. `--write` rewrites what stands between the markers; without it, differences
// are printed and the exit code is 1. Needs a build.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bootstrap.mjs';

const built = (name, file = 'index') => import(join(root, 'packages', name, 'dist', `${file}.js`));
const { ACKNOWLEDGEMENT, CONTROL, FIELD_BYTES, LAYOUT_VERSION, LINE_BYTES, RESIZE, SLOT, SUPERBLOCK } =
  await built('core');
const layout = await built('ring', 'layout');
const slabLayout = await built('slab', 'layout');
const { ERROR_CODES, SYSTEM_REMEDIES } = await built('linux');

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const structure = ({ name, bytes, fields }) =>
  `### ${name}, ${bytes} bytes\n\n${table(
    ['offset', 'bytes', 'type', 'field', 'meaning'],
    Object.entries(fields).map(([field, { type, offset, meaning }]) => [
      offset,
      FIELD_BYTES[type],
      type,
      `\`${field}\``,
      meaning,
    ]),
  )}`;

/** The places of one kind, one after the other. */
const places = (first, count, bytes, one, many) =>
  count === 1 ? [[first, one]] : [[first, `${many} 0 to ${count - 1}, ${bytes} bytes each`]];

/** Where everything is in a small ring of a topology. */
function ringTable(topology, producers, consumers) {
  const capacityBytes = 4096;
  const ring = layout.ringGeometry({ topology, producers, consumers, capacityBytes, maxLevel: 0 }, 4096);
  const rows = [
    [0, 'superblock'],
    [SUPERBLOCK.bytes, 'ringHeader'],
    ...slots(ring.slotsOffset, 0, producers, 'producer'),
    ...slots(ring.slotsOffset, producers, consumers, 'consumer'),
    [ring.changesOffset, 'the word that is raised when a producer attaches'],
  ];
  if (ring.sleepersOffset > 0) {
    rows.push([ring.sleepersOffset, `mask of sleepers: bit *s* is that of slot *s*, for *s* below ${ring.slotCount}`]);
    rows.push(...places(ring.namesOffset, consumers, layout.NAMED_CURSOR.bytes, 'namedCursor', 'namedCursors'));
  }
  for (let lane = 0; lane < producers; lane++) {
    const base = ring.lanesOffset + lane * ring.laneBytes;
    rows.push([base, `lane ${lane}`]);
    for (let cursor = 0; cursor < consumers; cursor++)
      rows.push([base + layout.LANE.bytes + cursor * layout.CURSOR.bytes, `cursor ${cursor} of lane ${lane}`]);
  }
  rows.push([ring.lanesOffset + producers * ring.laneBytes, 'unused, to the end of the page']);
  for (let lane = 0; lane < producers; lane++)
    rows.push([ring.dataOffset + lane * capacityBytes, `data of lane ${lane}`]);
  rows.push([ring.fileLength, 'end of the file']);
  return table(['offset', 'what'], rows);
}

function slots(slotsOffset, first, count, role) {
  return Array.from({ length: count }, (_, index) => [
    slotsOffset + (first + index) * SLOT.bytes,
    count === 1 ? `slot ${first}, the ${role}` : `slot ${first + index}, ${role} ${index}`,
  ]);
}

const control = table(
  ['offset', 'what'],
  [
    [0, 'superblock'],
    [SUPERBLOCK.bytes, 'resize'],
    [CONTROL.SLOTS_OFFSET, `${CONTROL.MEMBERS} slots, one a member`],
    [CONTROL.ACKNOWLEDGEMENTS_OFFSET, `${CONTROL.MEMBERS} acknowledgements, one a slot`],
  ],
);
const latest = layout.latestValueGeometry(1024, 4, 16);
const latestValue = table(
  ['offset', 'what'],
  [
    [0, 'superblock'],
    [SUPERBLOCK.bytes, 'latestValueHeader'],
    [latest.slotsOffset, 'slot 0, the writer'],
    [latest.slotsOffset + SLOT.bytes, 'slots 1 to 16, readers that wait'],
    [latest.sleepersOffset, 'mask of sleepers: bit s modulo 32 of word s / 32 is that of slot s'],
    [latest.wordsOffset, 'latestValue'],
    [latest.buffersOffset, `4 buffers of ${latest.bufferBytes} bytes, each a value header and the value`],
  ],
);
const { slotsOffset: participantsOffset, countersOffset, cellsOffset, rowBytes } = layout.countersGeometry(256, 64);
const counters = table(
  ['offset', 'what'],
  [
    [0, 'superblock'],
    [SUPERBLOCK.bytes, 'countersHeader'],
    [participantsOffset, '64 slots'],
    [countersOffset, '256 counters'],
    [cellsOffset, `64 rows of ${rowBytes} bytes, one a slot, each of 256 cells, one a counter`],
  ],
);

const workShape = { capacity: 64, messageBytes: 48, producers: 1, consumers: 2 };
const work = layout.workGeometry(workShape, 4096);
const workQueue = table(
  ['offset', 'what'],
  [
    [0, 'superblock'],
    [SUPERBLOCK.bytes, 'workHeader'],
    [work.slotsOffset, 'slot 0, the producer'],
    [work.slotsOffset + SLOT.bytes, 'slots 1 and 2, the consumers'],
    [work.wordsOffset, 'workWords'],
    [work.cellsOffset, '64 times workCell'],
    [work.cellsOffset + workShape.capacity * layout.WORK_CELL.bytes, 'unused, to the end of the page'],
    [work.dataOffset, '64 times workMessage with its payload, `strideBytes` apart'],
    [work.fileLength, 'end of the file, a multiple of the page size'],
  ],
);
const slab = slabLayout.slabGeometry({ maxBytes: 2 ** 20, participants: 64, references: 4 }, 4096);
const slabFile = table(
  ['offset', 'what'],
  [
    [0, 'superblock'],
    [SUPERBLOCK.bytes, 'slabHeader'],
    [slab.slotsOffset, '64 slots'],
    [slab.sleepersOffset, 'mask of sleepers: bit s modulo 32 of word s / 32 is that of slot s'],
    [slab.wordsOffset, 'slabWords'],
    [slab.sharesOffset, '64 times share, one a slot'],
    [slab.classesOffset, `${slab.classes.length} times sizeClass`],
    ...slab.classes
      .slice(0, 2)
      .map(({ chunkBytes, bitmapOffset, most }) => [
        bitmapOffset,
        `map of free chunks of ${chunkBytes} bytes, ${most} bits; bit i modulo 32 of word i / 32 is that of chunk i`,
      ]),
    [
      slab.headLength,
      `first span of the chunks of 64 bytes: ${slab.classes[0].chunksASpan} records of ${slab.recordBytes} bytes`,
    ],
    [slab.headLength + slab.classes[0].dataOffset, 'the chunks themselves'],
    [slab.classes[1].spansOffset, 'first span of the chunks of 128 bytes, and so on'],
    [slab.fileLength, 'end of the file'],
  ],
);
const hex = (number) => `\`0x${number.toString(16).padStart(8, '0')}\``;

const parts = {
  'docs/layouts.md': {
    version: `${LAYOUT_VERSION}`,
    spsc: ringTable('spsc', 1, 1),
    mpsc: ringTable('mpsc', 2, 1),
    broadcast: ringTable('broadcast', 1, 2),
    bus: ringTable('bus', 2, 2),
    signature: hex(layout.RING_SIGNATURE),
    control,
    'control signature': hex(CONTROL.SIGNATURE),
    'control structures': [RESIZE, ACKNOWLEDGEMENT].map(structure).join('\n\n'),
    'latest value': latestValue,
    'latest value signature': hex(layout.LATEST_VALUE_SIGNATURE),
    'latest value structures': [layout.LATEST_VALUE_HEADER, layout.LATEST_VALUE, layout.VALUE]
      .map(structure)
      .join('\n\n'),
    counters,
    'counters signature': hex(layout.COUNTERS_SIGNATURE),
    'counters structures': [layout.COUNTERS_HEADER, layout.COUNTER, layout.CELL].map(structure).join('\n\n'),
    work: workQueue,
    slab: slabFile,
    'slab signature': hex(slabLayout.SLAB_SIGNATURE),
    'slab structures': [
      slabLayout.SLAB_HEADER,
      slabLayout.SLAB_WORDS,
      slabLayout.SHARE,
      slabLayout.SIZE_CLASS,
      slabLayout.CHUNK,
      slabLayout.TICKET,
    ]
      .map(structure)
      .join('\n\n'),
    'work signature': hex(layout.WORK_SIGNATURE),
    'work structures': [layout.WORK_HEADER, layout.WORK_WORDS, layout.WORK_CELL, layout.WORK_MESSAGE]
      .map(structure)
      .join('\n\n'),
    structures: [SUPERBLOCK, SLOT, layout.RING_HEADER, layout.NAMED_CURSOR, layout.LANE, layout.CURSOR, layout.RECORD]
      .map(structure)
      .join('\n\n'),
    line: `${LINE_BYTES}`,
  },
  'docs/errors.md': {
    codes: table(
      ['code', 'what happened', 'what to do'],
      Object.entries(ERROR_CODES).map(([code, { meaning, remedy }]) => [`\`${code}\``, meaning, remedy]),
    ),
    system: table(
      ['code', 'what to do'],
      Object.entries(SYSTEM_REMEDIES).map(([code, remedy]) => [`\`${code}\``, remedy]),
    ),
  },
};

let stale = 0;
for (const [file, sections] of Object.entries(parts)) {
  const path = join(root, file);
  const before = readFileSync(path, 'utf8');
  let after = before;
  for (const [section, text] of Object.entries(sections)) {
    const [begin, end] = [`<!-- generated: ${section} -->`, `<!-- end: ${section} -->`];
    const [from, to] = [after.indexOf(begin), after.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`${file} has no markers for '${section}'`);
    const space = text.includes('\n') ? '\n' : '';
    after = after.slice(0, from + begin.length) + space + text + space + after.slice(to);
  }
  if (after === before) continue;
  if (process.argv.includes('--write')) writeFileSync(path, after);
  else {
    console.error(`${file} differs from the code: run npm run docs`);
    stale += 1;
  }
}
process.exitCode = stale > 0 ? 1 : 0;
