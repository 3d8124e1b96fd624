/* Gives anonymous memory away, closes it, and lets other things take the number of its descriptor. */
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Region } from '@memlane/core';
import { makeFifo } from '@memlane/linux';
import { Commands, say } from '../support/speech.ts';

const commands = new Commands();
const region = Region.createAnonymous(4096);
region.bytes[0] = 1;
const { path } = region.descriptor();
const number = Number(path.slice(path.lastIndexOf('/') + 1));
say('descriptor', region.descriptor());

/** Takes numbers by `make` until it is the one in question, and gives the others back. */
async function takeNumber(make: () => number | Promise<number>): Promise<boolean> {
  const taken: number[] = [];
  while (taken.at(-1) !== number && taken.length < 50) taken.push(await make());
  return taken.at(-1) === number;
}

await commands.next();
region.close();
const folder = mkdtempSync(join(tmpdir(), 'memlane-test-'));
const fifo = join(folder, 'fifo');
makeFifo(fifo);
// Without a writer: whoever opens this one for reading and would wait, waits for ever.
say('same number', await takeNumber(() => openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)));
rmSync(folder, { recursive: true });

await commands.next();
closeSync(number);
const servers: Server[] = [];
const listen = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      servers.push(server);
      resolve((server as unknown as { _handle: { fd: number } })._handle.fd);
    });
  });
say('same number', await takeNumber(listen));

await commands.next();
for (const server of servers) server.close(() => {});
setImmediate(() => setImmediate(() => say('same number', true)));
