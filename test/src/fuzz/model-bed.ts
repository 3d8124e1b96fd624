import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert';
import {
  Action,
  type Consumer,
  createAnonymousRing,
  createRing,
  type EndpointOptions,
  FULL,
  openRing,
  type Producer,
  type Ring,
  removeRing,
} from 'memlane';
import { fill } from '../ring/traffic.ts';
import { type Deed, Model, type Sent } from './model.ts';
import { lengthFor, type Shape, type Step } from './model-steps.ts';

/** A ring, its model, and every call on both. */
export class Bed {
  readonly model: Model;
  readonly named: boolean;
  ring: Ring;
  producer: Producer;
  consumer: Consumer;
  readonly #options: EndpointOptions;
  readonly #path: string;
  readonly #seed: number;
  #n = 0;

  constructor({ named, recover, ...shape }: Shape, path: string, seed: number) {
    this.named = named;
    this.#path = path;
    this.#seed = seed;
    this.#options = { wait: 'spin', recover: recover && shape.checksums };
    this.model = new Model(shape.capacityBytes, shape.startPosition, shape.checksums);
    this.ring = named ? createRing(path, shape) : createAnonymousRing(shape);
    this.producer = this.ring.producer(this.#options);
    this.consumer = this.ring.consumer(this.#options);
    strictEqual(this.producer.maxMessageBytes, this.model.maxLength);
  }

  run(steps: readonly Step[]): void {
    try {
      for (const what of steps) this.#do(what);
      this.#drain();
      this.#look();
    } finally {
      this.ring.close();
      if (this.named) removeRing(this.#path);
    }
  }

  #do(what: Step): void {
    const { model } = this;
    switch (what.do) {
      case 'claim': {
        const bytes = lengthFor(what.length, model.maxLength);
        this.#claim(this.#message(bytes, what.type), bytes);
        break;
      }
      case 'write': {
        const bytes = lengthFor(what.length, model.maxLength);
        if (bytes >= 0) this.#write(this.#message(bytes, what.type));
        break;
      }
      case 'write text':
        this.#write({ data: Buffer.from(what.text), type: what.type }, what.text);
        break;
      case 'commit':
        this.producer.commit();
        model.commit();
        break;
      case 'abort':
        this.producer.abort();
        model.claims.splice(0);
        break;
      case 'end':
        this.producer.end();
        if (!model.ended) model.commit();
        model.ended = true;
        break;
      case 'poll':
        this.#poll(what.limit, what.deeds);
        break;
      case 'read':
        this.#read();
        break;
      case 'room': {
        const bytes = Math.min(Math.max(lengthFor(what.length, model.maxLength), 0), model.maxLength);
        if (!model.ended) strictEqual(this.producer.waitSync(0, bytes), model.hasRoomFor(bytes));
        break;
      }
      case 'wait':
        strictEqual(this.consumer.waitSync(0), model.look() || model.ended);
        break;
      case 'ended':
        strictEqual(this.consumer.isEnded, model.ended && !model.look());
        break;
      case 'look':
        this.#look();
        break;
      case 'new producer':
        this.producer.close();
        model.producerLeft();
        this.producer = this.ring.producer(this.#options);
        break;
      case 'new consumer':
        this.consumer.close();
        this.#newConsumer();
        break;
      case 'reopen':
        if (!this.named) break;
        this.ring.close();
        this.ring = openRing(this.#path);
        model.producerLeft();
        this.producer = this.ring.producer(this.#options);
        this.#newConsumer();
        break;
    }
  }

  #newConsumer(): void {
    this.model.consumerLeft();
    this.consumer = this.ring.consumer(this.#options);
  }

  #message(bytes: number, type: number): Sent {
    const data = new Uint8Array(Math.min(Math.max(bytes, 0), this.model.maxLength + 64));
    fill(data, 0, data.length, { seed: this.#seed, maxLength: data.length }, this.#n++);
    return { data, type };
  }

  /** What a claim or a write of that many bytes must be refused with, if it must. */
  #refusal(bytes: number): string | undefined {
    if (this.model.ended) return 'ERR_MEMLANE_ENDED';
    if (bytes < 0) return 'ERR_MEMLANE_ARGUMENT';
    return bytes > this.model.maxLength ? 'ERR_MEMLANE_MESSAGE_TOO_LONG' : undefined;
  }

  #claim(message: Sent, bytes: number): void {
    const { model, producer } = this;
    const code = this.#refusal(bytes);
    if (code !== undefined) {
      throws(() => producer.tryClaim(bytes, message.type), { code });
      return;
    }
    const offset = producer.tryClaim(bytes, message.type);
    if (!model.hasRoomFor(bytes)) {
      strictEqual(offset, FULL);
      model.producer.refusals += 1;
      return;
    }
    strictEqual(offset, model.offset);
    producer.view.u8.set(message.data, offset);
    model.claims.push(message);
  }

  #write(message: Sent, text?: string): void {
    const { model, producer } = this;
    const { data, type } = message;
    const code = this.#refusal(data.length);
    if (code !== undefined) {
      throws(() => producer.tryWrite(text ?? data, type), { code });
      return;
    }
    const room = model.hasRoomFor(data.length);
    strictEqual(producer.tryWrite(text ?? data, type), room);
    if (!room) {
      model.producer.refusals += 1;
      return;
    }
    model.claims.push(message);
    model.commit();
  }

  #read(): void {
    const { model } = this;
    const message = this.consumer.tryRead();
    if (!model.look()) {
      strictEqual(message, null);
      return;
    }
    expectSame(message, model.handle());
    model.release();
  }

  #poll(limit: number, deeds: readonly Deed[]): void {
    const { model } = this;
    const due = model.look() ? Math.min(limit, model.seen) : 0;
    let calls = 0;
    let last = 'nothing' as Deed;
    const handled = (): void => void model.handle();
    let count: number | undefined;
    try {
      count = this.consumer.poll(({ u8 }, offset, bytes, type) => {
        ok(offset >= 8 && offset % 8 === 0 && offset < model.capacityBytes + 8, `offset ${offset}`);
        expectSame({ type, data: u8.subarray(offset, offset + bytes) }, model.queue[0]);
        last = deeds[calls++] ?? 'nothing';
        switch (last) {
          case 'abort':
            return Action.ABORT;
          case 'throw':
            throw deeds;
          case 'close':
            this.consumer.close();
            return Action.CONTINUE;
          case 'reply':
            this.#write(this.#message(20, calls));
            break;
          default:
        }
        handled();
        if (last === 'break') return Action.BREAK;
        if (last === 'commit') model.release();
        return last === 'commit' ? Action.COMMIT : last === 'continue' ? Action.CONTINUE : undefined;
      }, limit);
    } catch (error) {
      if (error !== deeds) throw error;
    }
    const stopped = ['abort', 'throw', 'close', 'break'].includes(last);
    ok(stopped ? calls <= due : calls === due, `${calls} records were handed over instead of ${due}`);
    if (last === 'throw') {
      strictEqual(count, undefined);
      return;
    }
    strictEqual(count, last === 'abort' || last === 'close' ? calls - 1 : calls);
    if (last === 'close') this.#newConsumer();
    else model.release();
  }

  #look(): void {
    const { model } = this;
    const {
      backlogBytes,
      capacityBytes,
      producers: [producer],
      consumers: [consumer],
    } = this.ring.statistics();
    const numbers = ({ messages, bytes, batches, refusals }: typeof producer): object => ({
      messages,
      bytes,
      batches,
      refusals,
    });
    deepStrictEqual(
      { backlogBytes, capacityBytes, producer: numbers(producer), consumer: numbers(consumer) },
      {
        backlogBytes: model.backlogBytes,
        capacityBytes: model.capacityBytes,
        producer: model.producer,
        consumer: model.consumer,
      },
    );
  }

  /** Everything that is published comes in the end. */
  #drain(): void {
    while (this.model.queue.length > 0) this.#read();
    this.#read();
  }
}

function expectSame(found: Sent | null, due: Sent | undefined): void {
  ok(due !== undefined && found !== null, found === null ? 'a message is missing' : 'a message was never written');
  ok(found.type === due.type && Buffer.compare(found.data, due.data) === 0, `message ${due.type} differs`);
}
