// Fills a file system of 1 MiB by a slab that may take more. Says 'result'.
import { createSlab } from 'memlane';
import { parameters, rejectionOf, say, thrownBy } from '../support/speech.ts';

const slab = createSlab(parameters<string>(), { maxBytes: 2 ** 26 });
const first = slab.tryAcquire(400_000);
first?.data.fill(7);
const refused = thrownBy(() => slab.tryAcquire(900_000));
const rejected = (await rejectionOf(() => slab.acquire(900_000)))?.code;
// What nobody uses any more is given back for it.
slab.tryAcquire(300_000)?.release();
const second = slab.tryAcquire(400_000);
second?.data.fill(8);
const kept = first?.data.every((byte) => byte === 7) === true;
let small: string | undefined;
while (small === undefined) small = thrownBy(() => slab.tryAcquire(64)?.data.fill(9))?.code;
const { length: after } = second ?? {};
first?.release();
second?.release();
slab.close();
say('result', { refused: refused?.code, syscall: refused?.syscall, rejected, after, kept, small, empty: 0 });
