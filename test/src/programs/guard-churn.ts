// Opens, touches and closes regions whose file another process keeps cutting, in several threads, beside memory that
// must not change: { path, cycles, threads, seed }. Says 'result' with what was found.
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { constants, memory, PAGE_SIZE, viewMemory } from '@memlane/linux';
import { guard, Region } from 'memlane';
import { Random } from '../support/random.ts';
import { parameters, say, thrownBy } from '../support/speech.ts';

interface Plan {
  readonly path: string;
  readonly cycles: number;
  readonly threads: number;
  readonly seed: number;
}

const LENGTH = 16 * PAGE_SIZE;
const SENTINELS = 200;
const plan = parameters<Plan>();

/** Memory of all kinds between which regions come and go: of the engine, and mapped by hand. */
class Sentinels {
  readonly #random: Random;
  readonly #all: { bytes: Uint8Array; value: number; address: number }[] = [];
  wrong = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** One more, in place of one that is looked at and given back. */
  renew(): void {
    const value = this.#random.between(1, 255);
    const length = this.#random.between(1, 8) * PAGE_SIZE;
    const mapped = this.#random.chance(0.5);
    const address = mapped ? memory.map(0, length, READ_WRITE, PRIVATE, -1, 0) : 0;
    const bytes = mapped ? new Uint8Array(viewMemory(address, length)) : new Uint8Array(length);
    this.#all.push({ bytes: bytes.fill(value), value, address });
    if (this.#all.length > SENTINELS) this.#look(this.#random.below(SENTINELS));
  }

  look(): void {
    while (this.#all.length > 0) this.#look(0);
  }

  #look(index: number): void {
    const [{ bytes, value, address }] = this.#all.splice(index, 1) as [
      { bytes: Uint8Array; value: number; address: number },
    ];
    if (!bytes.every((byte) => byte === value)) this.wrong++;
    if (address !== 0) memory.unmap(address, bytes.length);
  }
}

const READ_WRITE = constants.PROT_READ | constants.PROT_WRITE;
const PRIVATE = constants.MAP_PRIVATE | constants.MAP_ANONYMOUS;

if (parentPort !== null) parentPort.postMessage(churn(new Random(workerData)));
else {
  const random = new Random(plan.seed);
  const workers = Array.from(
    { length: plan.threads },
    () => new Worker(new URL(import.meta.url), { workerData: random.next(), argv: process.argv.slice(2) }),
  );
  const ended = await Promise.all(workers.map((worker) => once(worker, 'message')));
  const outcomes = ended.map(([outcome]) => outcome as ReturnType<typeof churn>);
  const { failed, passedOn, watched, installed } = guard.status();
  say('result', {
    cycles: outcomes.reduce((sum, { cycles }) => sum + cycles, 0),
    faults: guard.status().faults,
    wrong: outcomes.reduce((sum, { wrong }) => sum + wrong, 0),
    refused: [...new Set(outcomes.flatMap(({ refused }) => refused))],
    status: { failed, passedOn, watched, installed },
  });
}

function churn(random: Random): { cycles: number; wrong: number; refused: string[] } {
  const sentinels = new Sentinels(random);
  const refused = new Set<string>();
  /** Regions that stay open for a while. */
  const open: Region[] = [];
  const attempt = (action: () => void): void => {
    const code = thrownBy(action)?.code;
    if (code !== undefined) refused.add(code);
  };
  for (let cycle = 0; cycle < plan.cycles; cycle++) {
    sentinels.renew();
    attempt(() =>
      open.push(
        Region.open(plan.path, {
          length: LENGTH,
          ...(random.chance(0.3) ? { mirror: PAGE_SIZE } : { access: random.pick(['read', 'readwrite']) }),
        }),
      ),
    );
    for (const region of open) {
      const bytes = new Uint8Array(region.buffer);
      for (let i = random.below(PAGE_SIZE); i < bytes.length; i += PAGE_SIZE) bytes[i] = cycle;
      attempt(() => region.check());
      if (random.chance(0.2)) attempt(() => region.remap());
    }
    if (open.length > 4) open.splice(random.below(open.length), 1)[0]?.close();
  }
  for (const region of open) region.close();
  sentinels.look();
  return { cycles: plan.cycles, wrong: sentinels.wrong, refused: [...refused] };
}
