import { type EndpointOptions, FULL, type Producer, type Ring } from 'memlane';
import type { PlainError } from '../support/speech.ts';
import { End, outcomes, type StreamPlan } from './end.ts';
import { fill, lengthOf, typeOf } from './traffic.ts';

/** A producer and what the cases do with one. */
export class ProducerEnd extends End<Producer, EndpointOptions> {
  protected take(ring: Ring, options: EndpointOptions): Producer {
    return ring.producer(options);
  }

  maxMessageBytes(): number {
    return this.endpoint.maxMessageBytes;
  }

  /** Claims without writing anything. */
  claim(length: number, type?: number): number {
    return this.endpoint.tryClaim(length, type);
  }

  /** Claims, writes the payload where there is room, and returns the offset. */
  claimFor(payload: Uint8Array | string, type?: number): number {
    const bytes = Buffer.from(payload as string);
    const offset = this.endpoint.tryClaim(bytes.length, type);
    if (offset !== FULL) this.endpoint.view.u8.set(bytes, offset);
    return offset;
  }

  /** Claims 40 bytes and writes a part through each view. */
  claimThroughEveryView(): number {
    const { view } = this.endpoint;
    const offset = this.endpoint.tryClaim(40);
    if (offset === FULL) return offset;
    view.u8[offset] = 0xa5;
    view.i32[(offset >> 2) + 1] = -2;
    view.f64[(offset >> 3) + 1] = Math.PI;
    view.data.setBigUint64(offset + 16, 0x0123456789abcdefn, true);
    view.buffer.write('ring', offset + 24, 'latin1');
    view.u8[offset + 39] = 0x5a;
    return offset;
  }

  commit(): void {
    this.endpoint.commit();
  }

  abort(): void {
    this.endpoint.abort();
  }

  tryWrite(message: Uint8Array | string, type?: number): boolean {
    return this.endpoint.tryWrite(message, type);
  }

  /** Writes an array of that many bytes whose buffer has gone to another thread. */
  tryWriteGone(bytes: number): boolean {
    const message = new Uint8Array(bytes);
    structuredClone(message.buffer, { transfer: [message.buffer] });
    return this.endpoint.tryWrite(message);
  }

  /** Writes that message until the ring refuses; returns how often it did not. */
  writeUntilFull(message: Uint8Array | string): number {
    let count = 0;
    while (this.endpoint.tryWrite(message)) count += 1;
    return count;
  }

  async write(message: Uint8Array | string, { type, key }: { type?: number; key?: string } = {}): Promise<void> {
    await this.endpoint.write(message, { type, signal: this.signal(key) });
  }

  /** Begins one write a text without awaiting any, then awaits them all. */
  async writeAllAtOnce(messages: readonly string[]): Promise<void> {
    await Promise.all(messages.map((message) => this.endpoint.write(message)));
  }

  waitSync(timeoutMs?: number, length?: number): boolean {
    return this.endpoint.waitSync(timeoutMs, length);
  }

  async wait({ length, key }: { length?: number; key?: string } = {}): Promise<void> {
    await this.endpoint.wait({ length, signal: this.signal(key) });
  }

  end(): void {
    this.endpoint.end();
  }

  /** Calls every method once and returns what each throws. */
  async everyMethod(): Promise<Record<string, PlainError | undefined>> {
    const { endpoint } = this;
    return outcomes({
      tryClaim: () => endpoint.tryClaim(1),
      commit: () => endpoint.commit(),
      abort: () => endpoint.abort(),
      tryWrite: () => endpoint.tryWrite('x'),
      write: () => endpoint.write('x'),
      waitSync: () => endpoint.waitSync(0),
      wait: () => endpoint.wait(),
      end: () => endpoint.end(),
      isPeerAlive: () => endpoint.isPeerAlive(),
    });
  }

  /** Writes messages 0 to count - 1 of a traffic in batches of random size, and ends the stream. */
  async stream({ traffic, count, blocking, maxBatch }: StreamPlan): Promise<void> {
    const { endpoint } = this;
    let batched = 0;
    for (let n = 0; n < count; n++) {
      const length = lengthOf(traffic, n);
      let offset = endpoint.tryClaim(length, typeOf(n));
      while (offset === FULL) {
        endpoint.commit();
        batched = 0;
        if (!blocking) await endpoint.wait({ length });
        else if (!endpoint.waitSync(20_000, length)) throw new Error(`no room for message ${n} within 20 s`);
        offset = endpoint.tryClaim(length, typeOf(n));
      }
      fill(endpoint.view.u8, offset, length, traffic, n);
      batched += 1;
      if (batched > (traffic.seed + n * 7) % maxBatch) {
        endpoint.commit();
        batched = 0;
      }
    }
    endpoint.end();
  }
}
