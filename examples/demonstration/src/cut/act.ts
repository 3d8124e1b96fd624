// Act 4. The file itself is destroyed: a third process cuts it, and worse, while messages flow through it.
import { setTimeout as delay } from 'node:timers/promises';
import { createRing } from 'memlane';
import { print, printHeading, printVerdict, showProgress } from '../screen.ts';
import type { Stage } from '../stage.ts';
import { grouped, microseconds } from '../units.ts';
import { BLOWS, type Blow } from './blows.ts';
import { Bystanders } from './bystanders.ts';
import { type Consumption, Exchange, type Production } from './exchange.ts';
import { Saboteur } from './saboteur.ts';

/** Some hundred messages: most of the time there are some in every part of the file. */
const RING_BYTES = 64 << 10;
const LOOK_MS = 10;
/** Whoever has not noticed by then never will. */
const WATCHDOG_MS = 10_000;

/** @returns whether every message arrived once, in order and whole, whatever was done to the file. */
export async function playCut(stage: Stage, quick: boolean): Promise<boolean> {
  const blows = quick ? BLOWS : [...BLOWS, ...BLOWS];
  const intervalMs = quick ? 100 : 300;
  const path = stage.path('exchange');
  printHeading(`Act 4. The mapped file destroyed, ${blows.length} times, while messages flow`);
  print(`producer → ${path} → consumer; a third process has its way with the file`);

  createRing(path, { capacityBytes: RING_BYTES, checksums: true }).close();
  const exchange = new Exchange(stage, path);
  const bystanders = new Bystanders(stage, path);
  using saboteur = new Saboteur(stage, path);
  await stage.while(Promise.all([exchange.begin(), bystanders.begin(), saboteur.ready]));

  /** Lets it go on for an interval, and until a condition is met. */
  const goOn = async (condition = (): boolean => true): Promise<void> => {
    const began = performance.now();
    for (let passed = 0; passed < intervalMs || (passed < WATCHDOG_MS && !condition()); ) {
      await stage.while(delay(LOOK_MS));
      showProgress(`${grouped(exchange.received)} messages received`);
      passed = performance.now() - began;
    }
  };
  await goOn();
  for (const [count, blow] of blows.entries()) {
    exchange.forget();
    const struckMs = await saboteur.strike(BLOWS.indexOf(blow));
    await goOn(() => blow.mayMiss || exchange.moved !== undefined);
    print(`${blow.words}: ${consequence(exchange, blow, struckMs)}`);
    if (count === 0) for (const words of await bystanders.look(struckMs)) print(words);
  }
  await saboteur.end();
  const [production, consumption] = await exchange.end(WATCHDOG_MS);
  return judge(exchange, production, consumption);
}

function consequence({ moved, fault }: Exchange, { mayMiss }: Blow, struckMs: number): string {
  if (moved === undefined) return mayMiss ? 'nothing there was still to be read' : 'not noticed by both';
  const { number, atMs } = moved;
  const went = `both went on in a fresh file after ${microseconds(1000 * (atMs - struckMs))}, at message ${grouped(number)}`;
  return fault === undefined ? went : `${went}; fault: ${fault.cause}, byte ${grouped(fault.offset)}`;
}

function judge({ moves }: Exchange, production: Production, consumption: Consumption): boolean {
  const { sent } = production;
  const { received, repeated, wrong, due } = consumption;
  const lost = consumption.lost + sent - due;
  const faults = production.faults + consumption.faults;
  const times = moves.producer === moves.consumer ? `${moves.producer}` : `${moves.producer} and ${moves.consumer}`;
  print(`producer and consumer moved to a fresh file ${times} times, and survived ${grouped(faults)} faults`);
  const agreed = received === sent && lost === 0 && repeated === 0 && wrong === 0;
  const counts = `${grouped(received)} of ${grouped(sent)} messages received`;
  printVerdict(agreed, `${counts}, ${grouped(lost)} lost, ${grouped(repeated)} repeated, ${grouped(wrong)} wrong`);
  return agreed;
}
