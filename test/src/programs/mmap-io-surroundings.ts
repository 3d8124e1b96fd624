// node mmap-io-surroundings.js FOLDER: hands a mapped Buffer to the parts of Node.js that take buffers.
// Prints, for each, whether the bytes arrived (true), came out wrong (false), or the error's name.
import { createHash, createHmac, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { openSync, promises, readFileSync, readSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { buffer as collect } from 'node:stream/consumers';
import { StringDecoder } from 'node:string_decoder';
import { promisify } from 'node:util';
import { gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib';
import mmap from '@memlane/core/mmap-io';

const [folder] = process.argv.slice(2);
const source = join(folder, 'source');
const plain = Buffer.from('The quick brown fox jumps over the lazy dog. '.repeat(500));
writeFileSync(source, plain);
const mapped = mmap.map(plain.length, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, openSync(source, 'r'));

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const mac = (bytes: Buffer): string => createHmac('sha256', bytes.subarray(0, 16)).update(bytes).digest('hex');

async function throughSocket(): Promise<Buffer> {
  const server = createServer().listen(join(folder, 'socket'));
  await once(server, 'listening');
  const client = connect(join(folder, 'socket'));
  const [accepted] = await once(server, 'connection');
  client.end(mapped);
  const received = await collect(accepted);
  server.close();
  return received;
}

const attempts: Record<string, () => boolean | Promise<boolean>> = {
  'Buffer.equals, compare, indexOf': () =>
    mapped.equals(plain) && Buffer.compare(mapped, plain) === 0 && mapped.indexOf('lazy') === plain.indexOf('lazy'),
  'Buffer.concat and Buffer.from copy': () => {
    const copies = [Buffer.concat([mapped]), Buffer.from(mapped)];
    return copies.every((copy) => copy.equals(plain) && copy.buffer instanceof ArrayBuffer);
  },
  'Buffer.toString': () => mapped.toString('base64') === plain.toString('base64'),
  TextDecoder: () => new TextDecoder().decode(mapped) === plain.toString(),
  StringDecoder: () => new StringDecoder('utf8').end(mapped) === plain.toString(),
  'node:crypto': () => digest(mapped) === digest(plain) && mac(mapped) === mac(plain),
  'zlib, at once': () => gunzipSync(gzipSync(mapped)).equals(plain),
  'zlib, in the thread pool': async () => (await promisify(gunzip)(await promisify(gzip)(mapped))).equals(plain),
  'fs.readSync into it': () => readSync(openSync(source, 'r'), mapped, 0, 100, 0) === 100 && mapped.equals(plain),
  'fs.writeFileSync': () => {
    writeFileSync(join(folder, 'copy'), mapped);
    return readFileSync(join(folder, 'copy')).equals(plain);
  },
  'fs.promises.writeFile': async () => {
    await promises.writeFile(join(folder, 'copy-async'), mapped);
    return readFileSync(join(folder, 'copy-async')).equals(plain);
  },
  'a socket': async () => (await throughSocket()).equals(plain),
  Blob: async () => Buffer.from(await new Blob([mapped]).arrayBuffer()).equals(plain),
  'WebCrypto, a view': async () => (await webcrypto.subtle.digest('SHA-256', mapped)).byteLength === 32,
  'WebCrypto, a copy': async () => (await webcrypto.subtle.digest('SHA-256', Buffer.from(mapped))).byteLength === 32,
  'a Web byte stream, a view': () => {
    const controller = { current: undefined as ReadableByteStreamController | undefined };
    new ReadableStream({
      type: 'bytes',
      start(given) {
        controller.current = given as ReadableByteStreamController;
      },
    });
    controller.current?.enqueue(mapped);
    return true;
  },
  'structuredClone with transfer': () => {
    structuredClone(mapped, { transfer: [mapped.buffer as unknown as ArrayBuffer] });
    return true;
  },
};

const results: Record<string, boolean | string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    results[name] = await attempt();
  } catch (error) {
    results[name] = error instanceof TypeError || error instanceof DOMException ? 'refused' : String(error);
  }
}
process.stdout.write(JSON.stringify(results));
