import type { Random } from '../support/random.ts';

/** Makes values that somebody may pass by mistake; new ones each time, for a call may keep or change them. */
const MAKERS: readonly (() => unknown)[] = [
  ...[undefined, null, true, false, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ...[-1, -0, 0, 1, 0.5, 7, 8, 12.5, 4095, 4096, 4097, 8192, 65536, 1000, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31), 1e300],
  ...['', 'x', 'read', 'readwrite', 'park', 'a\0b', '.', '4096', '\ud800', 'x'.repeat(300), 'ä'.repeat(150)],
  ...[10n, -1n, 2n ** 70n, Symbol('some'), Symbol.iterator],
].map((value) => () => value);
const OBJECTS: readonly (() => unknown)[] = [
  () => [],
  () => [8],
  () => ({}),
  () => ({ length: 8, offset: 0 }),
  () => Object.create(null),
  () => () => {},
  () => new Date(0),
  () => new Map(),
  () => /x/,
  () => new Error('passed by mistake'),
  () => Promise.resolve(8),
  () => new Uint8Array(8),
  () => new Uint8Array(70_000),
  () => new Uint16Array(3),
  () => new Float64Array(3),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(8),
  () => new SharedArrayBuffer(8),
  () => new Uint8Array(new SharedArrayBuffer(8)),
  () => detached(),
  () => outOfBounds(),
  () => Buffer.from('text'),
  () => new URL('file:///nowhere'),
  () => AbortSignal.abort(),
  () => new AbortController(),
  () => new EventTarget(),
];

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

function outOfBounds(): Uint8Array {
  const buffer = new ArrayBuffer(16, { maxByteLength: 32 });
  const bytes = new Uint8Array(buffer, 8, 8);
  buffer.resize(4);
  return bytes;
}

const ALL = [...MAKERS, ...OBJECTS];

/** A value that is probably not what is wanted. */
export function hostileValue(random: Random): unknown {
  return random.pick(ALL)();
}

/** Whether a value is certainly wrong where the other one is right: of another type, and not left out. */
export function isOfAnotherType(value: unknown, right: unknown): boolean {
  return value !== undefined && typeOf(value) !== typeOf(right);
}

/** What the functions tell apart: messages, whether text or bytes, are of one type, as are objects with options. */
function typeOf(value: unknown): string {
  if (value instanceof Uint8Array) return 'string';
  return typeof value === 'object' ? Object.prototype.toString.call(value) : typeof value;
}

/** A value for people to read. */
export function describe(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string')
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 8)}… (${value.length})` : value);
  if (typeof value === 'function') return 'function';
  if (Array.isArray(value)) return `[${value.map(describe)}]`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength})`;
  if (typeof value !== 'object' || value === null) return String(value);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype) return prototype?.constructor.name ?? 'null object';
  return `{${Object.entries(value).map(([name, field]) => `${name}: ${describe(field)}`)}}`;
}
