/* Locks more memory than it may, as a user who is bound by the limit. */
import { constants, memory, PAGE_SIZE } from '@memlane/linux';
import { becomeUser, parameters, say, thrownBy } from '../support/speech.ts';

const { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } = constants;
const length = 64 * PAGE_SIZE;

const uid = parameters<number | null>();
if (uid !== null) becomeUser(uid);
const address = memory.map(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
memory.lock(address, PAGE_SIZE);
say(
  'result',
  thrownBy(() => memory.lock(address, length)),
);
