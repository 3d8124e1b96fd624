/* Sleeps on the first word of a file until it is woken, then says how long that took. */
import { futexWait } from '@memlane/linux';
import { mapShared } from '../linux/pages.ts';
import { parameters, say } from '../support/speech.ts';

// To the end of the scope: nothing but the view keeps the engine from unmapping the address.
using mapping = mapShared(parameters<{ path: string }>().path);
say('waiting', mapping.address);
const start = performance.now();
futexWait(mapping.address, 0, 30_000);
say('awake', performance.now() - start);
