import type { Mutant } from './mutants.ts';

/** Faults planted in lanes that grow; see mutants.ts. */

const GATE = '/ring/dist/gate.js';
const LANES = '/ring/dist/lanes.js';
const READER = '/ring/dist/lane-reader.js';
const WRITER = '/ring/dist/lane-writer.js';

const ANNOUNCED = 'store(this.words, base + SEGMENT, turn + 1);';
const PRESENT_BEGIN = 'store(this.words, base + BEGIN_OF[1 - other], consumed);';
const OTHER_BEGIN = 'store(this.words, base + BEGIN_OF[other], begin);';
const OTHER_LEVEL = 'store(this.words, base + LEVEL_OF[other], level);';
const MARK_PUBLISHED = 'store(this.#words, this.#base + PUBLISHED, begin);';

const killed = 'resize: producer killed and succeeded';

export const resizeMutants: readonly Mutant[] = [
  {
    name: 'mark published before the segment is announced',
    module: WRITER,
    edits: [
      { from: 'announce();', to: ';' },
      { from: MARK_PUBLISHED, to: `${MARK_PUBLISHED} announce();` },
    ],
    scenario: 'resize: grown while it is read',
    finding: /^consumer 1 failed: A peer has written -2 into length/,
  },
  {
    name: 'mark written after it is published',
    module: WRITER,
    edits: [
      { from: 'this.#i32[indexOf(this.#published, this.#mask) >> 2] = ~MOVED_ON;', to: ';' },
      {
        from: MARK_PUBLISHED,
        to: `${MARK_PUBLISHED} this.#i32[indexOf(this.#published, this.#mask) >> 2] = ~MOVED_ON;`,
      },
    ],
    scenario: 'resize: grown while it is read',
    finding: /^data race/,
  },
  {
    name: 'no room left for the mark',
    module: LANES,
    edits: [{ from: 'markBytes: HEADER_BYTES', to: 'markBytes: 0' }],
    scenario: 'resize: across 2^32',
    finding: /^data race|^consumer 1 /,
  },
  {
    name: 'older segment given back before it is read',
    module: GATE,
    edits: [
      {
        from: 'if (older !== undefined && distance(older.end, consumed) > 0)',
        to: 'older?.retire();\n if (older !== undefined && distance(older.end, consumed) > 0)',
      },
    ],
    scenario: 'resize: grown while it is read',
    finding: /^data race|^consumer 1 failed|memory that is not reserved$/,
  },
  {
    name: 'move to another segment not finished by the successor',
    module: LANES,
    edits: [{ from: 'if (levels[1] === UNUSED || distance(begin, published) <= 0)', to: 'if (true)' }],
    scenario: killed,
    finding: /read message|has left out|failed/,
  },
  {
    name: 'beginning of the present segment not renewed',
    module: LANES,
    edits: [{ from: PRESENT_BEGIN, to: ';' }],
    scenario: 'resize: producer killed and succeeded, 2^31 bytes after its segment began',
    finding: /failed|read message|has left out/,
  },
  {
    name: 'beginning noted late',
    module: LANES,
    edits: [
      { from: OTHER_BEGIN, to: ';' },
      { from: ANNOUNCED, to: `${ANNOUNCED} ${OTHER_BEGIN}` },
    ],
    scenario: killed,
    finding: /failed|read message|has left out/,
  },
  {
    name: 'level noted late',
    module: LANES,
    edits: [
      { from: OTHER_LEVEL, to: ';' },
      { from: ANNOUNCED, to: `${ANNOUNCED} ${OTHER_LEVEL}` },
    ],
    scenario: killed,
    finding: /^producer 2 failed: level1 is -1$|not reserved$/,
  },
  {
    name: 'older segment not kept by the successor',
    module: LANES,
    edits: [{ from: 'if (levels.includes(level))', to: 'if (level === levels[0])' }],
    scenario: killed,
    finding: /^data race|failed|memory that is not reserved$/,
  },
  {
    name: 'newer segment taken for the one with every record',
    module: LANES,
    edits: [{ from: 'isBefore ? 1 - newer : newer', to: 'newer' }],
    scenario: 'resize: consumer killed and succeeded',
    finding: /^consumer 2 /,
  },
  {
    name: 'mark with nothing before it not given back',
    module: READER,
    edits: [{ from: 'if (isAlone && this.release())', to: 'if (false)' }],
    scenario: 'resize: flushed, read by copy',
    finding: /^lost wake-up/,
  },
];
