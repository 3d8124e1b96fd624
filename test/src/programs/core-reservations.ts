/* Holds many large reservations at once, each with a page of one file at its end. */
import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { Reservation } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { mappings } from '../linux/proc.ts';
import { parameters, say } from '../support/speech.ts';

const { path, count } = parameters<{ path: string; count: number }>();
const each = 2 ** 31;
writeFileSync(path, '');
truncateSync(path, count * PAGE_SIZE);
const fd = openSync(path, 'r+');

let reservations = Array.from({ length: count }, (_, index) => {
  const reservation = Reservation.allocate(each, each);
  reservation.map({ at: each - PAGE_SIZE, length: PAGE_SIZE, fd, offset: index * PAGE_SIZE, access: 'readwrite' });
  new Int32Array(reservation.buffer, each - PAGE_SIZE, 1)[0] = index + 1;
  return reservation;
});
const reserved = reservations.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
const right = reservations.filter(
  ({ buffer }, index) =>
    new Int32Array(buffer, each - PAGE_SIZE, 1)[0] === index + 1 && new Int32Array(buffer, 0, 1)[0] === 0,
).length;
closeSync(fd);
for (const reservation of reservations) reservation.retire();
reservations = [];
globalThis.gc?.();
globalThis.gc?.();
say('result', { reserved, right, left: mappings().filter((mapping) => mapping.path.startsWith(path)).length });
