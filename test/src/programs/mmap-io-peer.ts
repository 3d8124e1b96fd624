// fork(mmap-io-peer.js, [PACKAGE, PATH, SIZE, OFFSET]): maps a window of a file, then stores and loads on demand.
import { openSync } from 'node:fs';
import type { MmapIo } from '@memlane/core/mmap-io';

export type PeerRequest = { store: [offset: number, text: string] } | { load: [offset: number, length: number] };

const [specifier, path, size, offset] = process.argv.slice(2);
const { default: mmap } = (await import(specifier)) as { default: MmapIo };
const fd = openSync(path, 'r+');
const buffer = mmap.map(Number(size), mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, Number(offset));

process.on('message', (request: PeerRequest) => {
  if ('store' in request) {
    const [at, text] = request.store;
    process.send?.(buffer.write(text, at, 'latin1'));
  } else {
    const [at, length] = request.load;
    process.send?.(buffer.toString('latin1', at, at + length));
  }
});
process.send?.('mapped');
