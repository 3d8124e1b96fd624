import { LatestValue } from '@memlane/ring';
import { LATEST_VALUE, latestValueGeometry } from '@memlane/ring/layout';
import { layOut, nameWords, openModelFile, racy } from './cell-bed.ts';
import { withoutState } from './fingerprint.ts';
import { wordNames } from './memory.ts';
import { place, type Store } from './places.ts';

/** A latest value as the shipped code sees it, with fewer buffers than the check of a file's header would accept. */
export const VALUE_BYTES = 8;
const MOST_BUFFERS = 4;

const { slotsOffset, slotCount, wordsOffset, buffersOffset, bufferBytes } = latestValueGeometry(
  VALUE_BYTES,
  MOST_BUFFERS,
  1,
);
layOut(slotsOffset, ['writer slot', 'reader slot']);
nameWords(wordsOffset, LATEST_VALUE.fields, 'value');
for (let buffer = 0; buffer < MOST_BUFFERS; buffer++)
  // The header has a word that nobody uses.
  for (const [word, name] of ['length', 'first', 'second'].entries())
    wordNames[(buffersOffset + buffer * bufferBytes) / 4 + (word === 0 ? 0 : word + 1)] = `buffer ${buffer} ${name}`;

export interface Shape {
  readonly buffers: number;
  readonly startVersion: number;
}

/** The latest value before anybody has written. */
export function prepareLatestValue(store: Store, { startVersion }: Shape): void {
  store[place('value.version')] = startVersion | 0;
  store[place('value.intent')] = startVersion | 0;
}

/** The latest value, opened by the actor that runs: private objects of its own over the shared words. */
export function openModelLatestValue({ buffers, startVersion }: Shape): LatestValue {
  const { region, table, words } = openModelFile(slotsOffset, slotCount, buffersOffset);
  const cell = {
    words,
    base: wordsOffset >> 2,
    view: view(),
    buffers,
    bufferBytes,
    valueBytes: VALUE_BYTES,
    startVersion,
  };
  return new LatestValue({ region, table, cell, readers: 1 } as never);
}

const FIRST = buffersOffset >> 2;

function view(): object {
  const i32 = new Proxy(withoutState({}), {
    get: (_, index) => racy.load(FIRST + Number(index)),
    set: (_, index, value) => {
      racy.store(FIRST + Number(index), value | 0);
      return true;
    },
  });
  return withoutState({ i32, u8: { subarray } });
}

/** Bytes of the file that are loaded when they are copied, a word at a time: a view of them may be kept. */
function subarray(from: number, to: number): object {
  let word = 0;
  return new Proxy(withoutState({}), {
    get: (_, name) => {
      if (name === 'length') return to - from;
      const byte = Number(name);
      if (byte % 4 === 0) word = racy.load(FIRST + (from + byte) / 4);
      return (word >>> ((byte % 4) * 8)) & 0xff;
    },
  });
}
