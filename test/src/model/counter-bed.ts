import { Counters } from '@memlane/ring';
import { CELL, COUNTER, countersGeometry, LABEL_OFFSET } from '@memlane/ring/layout';
import { layOut, nameWords, openModelFile, racy } from './cell-bed.ts';
import { withoutState } from './fingerprint.ts';
import { wordNames } from './memory.ts';

/** A file of one counter and three participants, as the shipped code sees it. Its doubles are 32-bit words here. */
const PARTICIPANTS = 3;
const { slotsOffset, slotCount, countersOffset, cellsOffset, rowBytes, fileLength } = countersGeometry(1, PARTICIPANTS);
layOut(
  slotsOffset,
  Array.from({ length: PARTICIPANTS }, (_, slot) => `slot ${slot}`),
);
nameWords(countersOffset, COUNTER.fields, 'counter');
/** The label, of which the first byte is all. */
const LABEL = (countersOffset + LABEL_OFFSET) >> 2;
wordNames[LABEL] = 'counter.label';
for (let slot = 0; slot < PARTICIPANTS; slot++) {
  nameWords(cellsOffset + slot * rowBytes, CELL.fields, `cell ${slot}`);
  wordNames[(cellsOffset + slot * rowBytes + CELL.fields.value.offset) >> 2] = `cell ${slot}.value`;
}

/** The file, opened by the actor that runs: private objects of its own over the shared words. */
export function openModelCounters(): Counters {
  const { region, table, words } = openModelFile(slotsOffset, slotCount, fileLength);
  const memory = {
    words,
    f64,
    u8,
    counters: 1,
    participants: PARTICIPANTS,
    base: countersOffset >> 2,
    cells: cellsOffset >> 2,
    rowWords: rowBytes >> 2,
  };
  return new Counters({ region, table, memory } as never);
}

const f64 = new Proxy(withoutState({}), {
  get: (_, index) => (isNamed(index) ? racy.load(Number(index) * 2) : 0),
  set: (_, index, value) => {
    if (isNamed(index)) racy.store(Number(index) * 2, value);
    return true;
  },
});

/** When something was allocated nobody asks here. */
function isNamed(index: string | symbol): boolean {
  return wordNames[Number(index) * 2] !== undefined;
}

const u8 = withoutState({
  set: (bytes: Uint8Array) => racy.store(LABEL, bytes[0] as number),
  subarray: () => new Uint8Array([racy.load(LABEL)]),
});
