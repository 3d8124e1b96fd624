/* Sleeps on the first word of a file until it is woken, then says how long that took. */
import { futexWait } from '@memlane/linux';
import { mapShared } from '../linux/pages.ts';
import { parameters, say } from '../support/speech.ts';

const { address } = mapShared(parameters<{ path: string }>().path);
say('waiting');
const start = performance.now();
futexWait(address, 0, 30_000);
say('awake', performance.now() - start);
