import { Readable, Writable } from 'node:stream';

/*
 * Node's streams of objects over what can be iterated and sent; `Readable.toWeb` and `Writable.toWeb` make those of the web of
 * them. Back-pressure goes through: a stream that nobody reads takes nothing out, one that waits for room takes nothing in.
 */

/** A stream of what an iteration yields; destroying it ends the iteration. */
export function readableOf<Item>(iterate: (signal: AbortSignal) => AsyncIterable<Item>): Readable {
  const controller = new AbortController();
  const stream = Readable.from(iterate(controller.signal), { objectMode: true, highWaterMark: 1 });
  stream.once('close', () => controller.abort());
  return stream;
}

/** A stream that sends what is written to it, one after the other. */
export function writableOf<Item>(send: (item: Item, signal: AbortSignal) => Promise<unknown>): Writable {
  const controller = new AbortController();
  return new Writable({
    objectMode: true,
    highWaterMark: 16,
    write: (item: Item, _, done) => void send(item, controller.signal).then(() => done(), done),
    destroy: (error, done) => {
      controller.abort();
      done(error);
    },
  });
}
