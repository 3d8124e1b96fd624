// A ring whose file another process cuts: { path, scenario, rounds }. Says 'result' with what both ends did.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { PAGE_SIZE } from '@memlane/linux';
import { type Consumer, createRing, openRing, type Producer, type Ring } from 'memlane';
import { cut } from '../guard/cut.ts';
import { dataOffset, lane, locate } from '../ring/ring-bytes.ts';
import { Random } from '../support/random.ts';
import { parameters, rejectionOf, say, thrownBy } from '../support/speech.ts';

interface Plan {
  readonly path: string;
  readonly scenario: 'looking' | 'writing' | 'reading' | 'at any moment';
  /** What the file is cut to. */
  readonly to: 'nothing' | 'head' | 'half';
  readonly seed: number;
}

const CAPACITY = 16 * PAGE_SIZE;
/** Positions that zeros cannot be taken for. */
const SHAPE = { capacityBytes: CAPACITY, startPosition: 2 * CAPACITY };
const MESSAGE = 1000;
const { path, scenario, to, seed } = parameters<Plan>();
const length = { nothing: 0, head: dataOffset, half: dataOffset + CAPACITY / 2 }[to];

/** A message that says which it is, in every byte other than zero. */
function message(number: number): Buffer {
  const bytes = Buffer.alloc(MESSAGE, 1 + (number % 255));
  bytes.writeUInt32LE(number + 1);
  return bytes;
}

/** What both ends of a ring do that is filled up to where the file will be cut, and a bit beyond. */
function filled(work: (producer: Producer, consumer: Consumer, written: number, ring: Ring) => unknown): unknown {
  using ring = createRing(path, SHAPE);
  using other = openRing(path);
  const producer = ring.producer();
  const consumer = other.consumer();
  let written = 0;
  while (producer.tryWrite(message(written))) written++;
  return work(producer, consumer, written, ring);
}

/** The producer's position in the file. */
function published(): number {
  const bytes = readFileSync(path);
  const { offset } = locate(lane, 'published');
  return bytes.length > offset ? bytes.readInt32LE(offset) : 0;
}

const code = (action: () => unknown): string | undefined => thrownBy(action)?.code;

/** Reads until it ends or throws; returns how many messages were right and how it ended. */
function drain(consumer: Consumer): { right: number; wrong: number; end: string | undefined } {
  let right = 0;
  let wrong = 0;
  const end = code(() => {
    for (;;) {
      const next = consumer.tryRead();
      if (next === null) return;
      if (next.data.equals(message(right))) right++;
      else wrong++;
    }
  });
  return { right, wrong, end };
}

const scenarios = {
  looking: () =>
    filled((_producer, _consumer, written, ring) => {
      const { messages } = ring.statistics().producers[0];
      cut(path, length);
      return {
        right: messages === written,
        first: code(() => ring.statistics()),
        again: code(() => ring.statistics()),
      };
    }),

  writing: () =>
    filled((producer, consumer, written) => {
      // Room again, from the beginning of the ring on up to behind the cut.
      consumer.poll(() => {});
      const before = published();
      cut(path, length);
      let claims = 0;
      const claimed = code(() => {
        while (claims < written && producer.tryClaim(MESSAGE) >= 0) claims++;
      });
      const committed = code(() => producer.commit());
      producer.abort();
      const again = code(() => producer.tryWrite(message(0)));
      return {
        // A claim that throws has claimed nothing, so that there is nothing to commit.
        refused: claimed ?? committed,
        again,
        published: published() - (to === 'nothing' ? 0 : before),
        peer: code(() => consumer.poll(() => {})) ?? 'nothing',
      };
    }),

  reading: () =>
    filled((_producer, consumer, written) => {
      cut(path, length);
      const { right, wrong, end } = drain(consumer);
      return { some: right > 0, fewer: right < written, wrong, end, poll: code(() => consumer.poll(() => {})) };
    }),

  async 'at any moment'() {
    const random = new Random(seed);
    const outcome = { right: 0, wrong: 0, ends: {} as Record<string, number>, polled: 0 };
    for (let round = 0; round < 12; round++) {
      using ring = createRing(path, SHAPE);
      using other = openRing(path);
      const producer = ring.producer();
      const consumer = other.consumer();
      // Reads all that is there in between, so that both go round and round.
      let written = 0;
      let read = 0;
      const delay = random.below(30) / 1000;
      const cutter = spawn('sh', ['-c', `sleep ${delay}; truncate --size=${length} '${path}'`], { stdio: 'ignore' });
      const gone = new Promise((resolve) => cutter.once('close', resolve));
      const deadline = performance.now() + 20_000;
      let end: string | undefined;
      while (end === undefined && performance.now() < deadline)
        end = code(() => {
          for (let i = 0; i < 10 && producer.tryWrite(message(written)); i++) written++;
          for (let next = consumer.tryRead(); next !== null; next = consumer.tryRead()) {
            if (next.data.equals(message(read))) outcome.right++;
            else outcome.wrong++;
            read++;
          }
        });
      outcome.ends[end ?? 'never'] = (outcome.ends[end ?? 'never'] ?? 0) + 1;
      await gone;
      rmSync(path, { force: true });
    }
    return { wrong: outcome.wrong, much: outcome.right > 1000, ends: outcome.ends };
  },
};

say('result', await scenarios[scenario]());

/** Iterating throws too, on a ring of its own. */
if (scenario === 'reading') {
  rmSync(path, { force: true });
  using ring = createRing(path, SHAPE);
  const producer = ring.producer();
  const consumer = ring.consumer();
  for (let i = 0; producer.tryWrite(message(i)); i++);
  let read = 0;
  let wrong = 0;
  const end = await rejectionOf(async () => {
    for await (const { data } of consumer) {
      if (!data.equals(message(read))) wrong++;
      if (read === 0) cut(path, length);
      read++;
    }
  });
  say('iterated', { wrong, end: end?.code });
}
