// biome-ignore-all lint/style/noRestrictedGlobals: Atomics is one of the ways to access memory
import { createHash, createHmac, randomFill, scrypt } from 'node:crypto';
import { readSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { brotliCompress, gunzip, gzip } from 'node:zlib';
import { PAGE_SIZE } from '@memlane/linux';

/*
 * The ways in which a program gets at the memory of a region, one a row. Each is run on a region whose file has been cut
 * behind its first page; none may end the process.
 */

/** What an access gets: the same memory in several shapes, every page but the first gone. */
export interface Ground {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly buffer: Buffer;
  readonly shared: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly longs: BigInt64Array;
  readonly floats: Float64Array;
  /** A descriptor of some other file, open for reading and writing. */
  readonly other: number;
}

export interface Access {
  readonly run: (ground: Ground) => unknown;
  /** Runs before the cut, so that the code has been optimised. Default: none. */
  readonly warmUps?: number;
  /** The kernel makes the access and refuses it (EFAULT) or stops at the page: the handler never hears of it. */
  readonly byKernel?: boolean;
  /** May refuse what it reads, by an error of this code or name. */
  readonly mayThrow?: string;
}

const HOT = 400;
const small = ({ bytes }: Ground): Uint8Array => bytes.subarray(PAGE_SIZE - 8, PAGE_SIZE + 4096);
const smallBuffer = ({ buffer }: Ground): Buffer => buffer.subarray(PAGE_SIZE - 8, PAGE_SIZE + 4096);

/** What the region holds before the cut: JSON text, then a serialized value. */
export function fill(bytes: Uint8Array): void {
  bytes.fill(0x20);
  bytes.set(Buffer.from(JSON.stringify({ text: 'x'.repeat(2 * PAGE_SIZE) })));
  bytes.set(serialize('y'.repeat(2 * PAGE_SIZE)), 4 * PAGE_SIZE);
}

function readLoop({ bytes }: Ground): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i] as number;
  return sum;
}
function writeLoop({ bytes }: Ground): void {
  for (let i = 0; i < bytes.length; i += 64) bytes[i] = i;
}
function wordLoop({ words }: Ground): number {
  let last = 0;
  for (let i = 0; i < words.length; i++) {
    words[i] = i;
    last ^= words[words.length - 1 - i] as number;
  }
  return last;
}
function longLoop({ longs }: Ground): bigint {
  let sum = 0n;
  for (let i = 0; i < longs.length; i += 32) {
    longs[i] = 1n;
    sum += longs[i] as bigint;
  }
  return sum;
}
function floatLoop({ floats }: Ground): number {
  let sum = 0;
  for (let i = 0; i < floats.length; i++) sum += floats[i] as number;
  return sum;
}
function viewLoop({ view }: Ground): number {
  let sum = 0;
  for (let i = 0; i + 8 <= view.byteLength; i += 24) {
    sum += view.getInt16(i) + view.getFloat64(i, true);
    view.setUint32(i, sum);
  }
  return sum;
}
function atomicLoop({ words }: Ground): number {
  let sum = 0;
  for (let i = 0; i < words.length; i += 16) {
    sum += Atomics.load(words, i);
    Atomics.add(words, i, 1);
    Atomics.compareExchange(words, i, 1, 2);
  }
  return sum;
}

const atomics: Readonly<Record<string, Access>> = Object.fromEntries(
  (['load', 'store', 'add', 'sub', 'and', 'or', 'xor', 'exchange', 'compareExchange', 'notify'] as const).map(
    (name): [string, Access] => [
      `Atomics.${name}`,
      {
        // notify looks up waiters by the address alone.
        byKernel: name === 'notify',
        run: ({ words }) => (Atomics[name] as (...of: unknown[]) => unknown)(words, 3 * PAGE_SIZE, 1, 2),
      },
    ],
  ),
);

const encodings: Readonly<Record<string, Access>> = Object.fromEntries(
  (['utf8', 'latin1', 'ascii', 'utf16le', 'base64', 'base64url', 'hex'] as const).map((encoding): [string, Access] => [
    `Buffer.toString('${encoding}')`,
    { run: (ground) => smallBuffer(ground).toString(encoding) },
  ]),
);

const decoders: Readonly<Record<string, Access>> = Object.fromEntries(
  ['utf-8', 'utf-16le', 'latin1'].map((encoding): [string, Access] => [
    `TextDecoder ${encoding}`,
    { run: (ground) => new TextDecoder(encoding).decode(small(ground)) },
  ]),
);

/** Uses more and more of the stack until it is used up, with an access at each depth. */
function recurse(bytes: Uint8Array, depth: number): number {
  try {
    return recurse(bytes, depth + 1) + 1;
  } catch {
    return bytes[PAGE_SIZE + (depth % PAGE_SIZE)] as number;
  }
}

/** What is used of WebAssembly, of which the types of Node say nothing. */
interface Engine {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: { readonly g: (address: number) => number } };
}

/** A module that loads a word at its argument; one page of memory. */
const wasm = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f], // (i32) -> i32
  ...[3, 2, 1, 0],
  ...[5, 3, 1, 0, 1], // a memory of one page
  ...[7, 5, 1, 1, 0x67, 0, 0], // exported as 'g'
  ...[10, 9, 1, 7, 0, 0x20, 0, 0x28, 2, 0, 0x0b], // i32.load
]);

/** Accesses outside a WebAssembly memory, each of which the engine turns from SIGSEGV into an error. */
function wasmTraps(times: number): void {
  const { Instance, Module } = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;
  const load = new Instance(new Module(wasm)).exports.g;
  if (load(0) !== 0) throw new Error('WebAssembly cannot load');
  for (let i = 0; i < times; i++)
    try {
      load(65536 + 4096 * i);
      throw new Error('no trap');
    } catch (error) {
      if ((error as Error).name !== 'RuntimeError') throw error;
    }
}

export const accesses: Readonly<Record<string, Access>> = {
  'read loop': { run: readLoop },
  'read loop, optimised': { run: readLoop, warmUps: HOT },
  'write loop': { run: writeLoop },
  'write loop, optimised': { run: writeLoop, warmUps: 2 * HOT },
  'Int32Array, both ways, optimised': { run: wordLoop, warmUps: HOT },
  'BigInt64Array, optimised': { run: longLoop, warmUps: 2 * HOT },
  'Float64Array, optimised': { run: floatLoop, warmUps: HOT },
  DataView: { run: viewLoop },
  'DataView, optimised': { run: viewLoop, warmUps: HOT },
  'a value across the edge of the page': { run: ({ view }) => view.getFloat64(PAGE_SIZE - 4) },
  'a store across the edge of the page': { run: ({ view }) => view.setFloat64(PAGE_SIZE - 4, 1) },
  ...atomics,
  'Atomics of 64 bits': { run: ({ longs }) => Atomics.add(longs, PAGE_SIZE, 1n) },
  'Atomics.wait': { run: ({ words }) => Atomics.wait(words, 3 * PAGE_SIZE, 1, 1) },
  'Atomics, optimised': { run: atomicLoop, warmUps: HOT },

  'TypedArray.set from it': { run: ({ bytes }) => new Uint8Array(bytes.length).set(bytes) },
  'TypedArray.set into it': { run: ({ bytes }) => bytes.set(new Uint8Array(bytes.length)) },
  'TypedArray.slice': { run: ({ bytes }) => bytes.slice() },
  'TypedArray.fill': { run: ({ bytes }) => bytes.fill(9) },
  'TypedArray.copyWithin': { run: ({ bytes }) => bytes.copyWithin(0, PAGE_SIZE) },
  'TypedArray.reverse': { run: ({ bytes }) => bytes.reverse() },
  'TypedArray.sort': { run: ({ floats }) => floats.sort() },
  'TypedArray.indexOf': { run: ({ bytes }) => bytes.indexOf(0x99) },
  'TypedArray.includes': { run: ({ bytes }) => bytes.includes(0x99) },
  'TypedArray.map': { run: ({ bytes }) => bytes.map((byte) => byte + 1) },
  'TypedArray.join': { run: (ground) => small(ground).join() },
  'SharedArrayBuffer.slice': { run: ({ shared }) => shared.slice(0) },
  'Array.from': { run: (ground) => Array.from(small(ground)) },
  spread: { run: (ground) => [...small(ground)] },
  'for of': {
    run: (ground) => {
      let sum = 0;
      for (const byte of small(ground)) sum += byte;
      return sum;
    },
  },

  'Buffer.copy from it': { run: ({ buffer }) => buffer.copy(Buffer.alloc(buffer.length)) },
  'Buffer.copy into it': { run: ({ buffer }) => Buffer.alloc(buffer.length).copy(buffer) },
  'Buffer.from': { run: ({ buffer }) => Buffer.from(buffer) },
  'Buffer.concat': { run: (ground) => Buffer.concat([smallBuffer(ground)]) },
  'Buffer.equals': { run: ({ buffer }) => buffer.equals(Buffer.from(buffer)) },
  'Buffer.compare': { run: ({ buffer }) => Buffer.compare(Buffer.from(buffer), buffer) },
  'Buffer.indexOf': { run: ({ buffer }) => buffer.indexOf('nothing like it') },
  'Buffer.fill': { run: ({ buffer }) => buffer.fill('abc') },
  'Buffer.swap16': { run: ({ buffer }) => buffer.swap16() },
  'Buffer.write': { run: ({ buffer }) => buffer.write('text', PAGE_SIZE - 2) },
  'Buffer.write of another encoding': { run: ({ buffer }) => buffer.write('7465787474', PAGE_SIZE - 2, 'hex') },
  'Buffer.readDoubleLE': { run: ({ buffer }) => buffer.readDoubleLE(PAGE_SIZE + 3) },
  'Buffer.writeBigInt64BE': { run: ({ buffer }) => buffer.writeBigInt64BE(7n, PAGE_SIZE + 3) },
  'Buffer.toJSON': { run: (ground) => smallBuffer(ground).toJSON() },
  ...encodings,
  ...decoders,
  'TextEncoder.encodeInto': { run: (ground) => new TextEncoder().encodeInto('x'.repeat(64), small(ground)) },
  'JSON.parse': { run: ({ buffer }) => JSON.parse(buffer.toString('utf8', 0, 4 * PAGE_SIZE)), mayThrow: 'SyntaxError' },
  'JSON.stringify': { run: (ground) => JSON.stringify(small(ground)) },
  'v8.deserialize': { run: ({ buffer }) => deserialize(buffer.subarray(4 * PAGE_SIZE)), mayThrow: 'Error' },
  'v8.serialize': { run: (ground) => serialize(Buffer.from(small(ground))) },
  structuredClone: { run: ({ bytes }) => structuredClone(bytes.subarray(PAGE_SIZE)).fill(1) },
  Blob: { run: (ground) => new Blob([Buffer.from(small(ground))]).arrayBuffer() },

  'crypto hash': { run: ({ bytes }) => createHash('sha256').update(bytes).digest() },
  'crypto hmac': { run: ({ bytes }) => createHmac('sha256', bytes).update(bytes).digest() },
  'crypto scrypt, in the pool': {
    run: ({ bytes }) =>
      promisify(scrypt as (...of: [Uint8Array, Uint8Array, number, object, () => void]) => void)(
        bytes.subarray(PAGE_SIZE, PAGE_SIZE + 64),
        new Uint8Array(8),
        32,
        { N: 64 },
      ),
  },
  'crypto randomFill into it, in the pool': {
    run: ({ bytes }) => promisify(randomFill as (view: Uint8Array, done: (error: Error | null) => void) => void)(bytes),
  },
  'gzip, in the pool': { run: ({ bytes }) => promisify(gzip)(bytes) },
  'gunzip, in the pool': { run: ({ bytes }) => promisify(gunzip)(bytes.subarray(PAGE_SIZE)), mayThrow: 'Z_DATA_ERROR' },
  'brotli, in the pool': { run: ({ bytes }) => promisify(brotliCompress)(bytes) },

  'deep recursion': { run: ({ bytes }) => recurse(bytes, 0) },
  'WebAssembly traps before and after': {
    run: ({ bytes }) => {
      wasmTraps(2000);
      const byte = bytes[PAGE_SIZE];
      wasmTraps(2000);
      return byte;
    },
  },

  'fs.writeSync from it': {
    run: ({ bytes, other }) => writeSync(other, bytes.subarray(PAGE_SIZE), 0, PAGE_SIZE, 0),
    byKernel: true,
    mayThrow: 'EFAULT',
  },
  'fs.write from it, in the pool': {
    run: ({ bytes, other }) => promisify(write)(other, bytes.subarray(PAGE_SIZE), 0, PAGE_SIZE, 0),
    byKernel: true,
    mayThrow: 'EFAULT',
  },
  'fs.readSync into it': {
    run: ({ bytes, other }) => {
      writeSync(other, Buffer.alloc(2 * PAGE_SIZE, 1), 0, 2 * PAGE_SIZE, 0);
      readSync(other, bytes.subarray(PAGE_SIZE), 0, PAGE_SIZE, 0);
    },
    byKernel: true,
    mayThrow: 'EFAULT',
  },
};
