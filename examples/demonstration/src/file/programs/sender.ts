// Reads a file straight into the memory of a ring.
// sender RING FILE RECORD_BYTES
import { createHash } from 'node:crypto';
import { fstatSync, openSync, readSync } from 'node:fs';
import { FULL, openRing } from 'memlane';
import { clockMs } from '../../clock.ts';
import { endIfOrphaned, PATIENCE_MS, report } from '../../role.ts';
import type { Passage } from '../act.ts';

const [ringPath, path, recordBytes] = process.argv.slice(2);
const hash = createHash('sha256');
const startedAt = clockMs();

const fd = openSync(path, 'r');
const { size } = fstatSync(fd);

using ring = openRing(ringPath);
using producer = ring.producer();
const { u8 } = producer.view;

/** Fills claimed memory from the file. A read may bring less than was asked for. */
function readFully(offset: number, length: number): void {
  for (let filled = 0; filled < length; ) {
    const count = readSync(fd, u8, offset + filled, length - filled, null);
    if (count === 0) throw new Error('the file became shorter while it was read');
    filled += count;
  }
}

try {
  for (let position = 0; position < size; ) {
    const length = Math.min(Number(recordBytes), size - position);
    const offset = producer.tryClaim(length);
    if (offset === FULL) {
      if (!producer.waitSync(PATIENCE_MS, length)) endIfOrphaned();
      continue;
    }
    readFully(offset, length);
    hash.update(u8.subarray(offset, offset + length));
    producer.commit();
    position += length;
  }
  producer.end();
  const result: Passage = { sha256: hash.digest('hex'), bytes: size, startedAt, endedAt: clockMs() };
  report({ result });
} catch (error) {
  report({ failure: `${path}: ${(error as Error).message}` });
}
