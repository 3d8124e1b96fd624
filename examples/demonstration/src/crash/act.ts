// Act 3. kill -9: a producer and a consumer are killed while messages flow, and others go on where they were.
import { createRing } from 'memlane';
import { print, printHeading, printVerdict, showProgress } from '../screen.ts';
import type { Stage } from '../stage.ts';
import { grouped } from '../units.ts';
import { BATCH } from './batch.ts';
import { Judge } from './judge.ts';
import { type Part, Troupe } from './troupe.ts';

const VICTIMS: readonly Part[] = ['consumer', 'consumer', 'consumer', 'producer', 'producer', 'producer'];

/** Messages in all, and the room that the rings have for those under way. */
interface Scale {
  readonly total: number;
  /**
   * Large, so that on a busy machine nobody runs dry while the others wait for a processor. Small enough for the producer
   * to be at work still when it is to be killed the last time: a seventh of all messages and reports overflow both rings.
   */
  readonly ringBytes: number;
}

const FULL_SCALE: Scale = { total: 4_900_000, ringBytes: 8 << 20 };
const QUICK_SCALE: Scale = { total: 700_000, ringBytes: 1 << 20 };

/** @returns whether every message was handled, in order, by whichever processes there were. */
export async function playCrash(stage: Stage, quick: boolean): Promise<boolean> {
  const { total, ringBytes: capacityBytes } = quick ? QUICK_SCALE : FULL_SCALE;
  printHeading(`Act 3. kill -9, ${VICTIMS.length} times, while ${grouped(total)} messages flow`);
  print(`producer → ring → consumer → ring → judge; a death repeats ${BATCH} messages at most`);

  createRing(stage.path('messages'), { capacityBytes }).close();
  using reports = createRing(stage.path('reports'), { capacityBytes });
  using reportsEnd = reports.consumer();
  const judge = new Judge(reportsEnd);
  const onProgress = (due: number): void => showProgress(`${grouped(due)} of ${grouped(total)} handled`);
  const hearUntil = (condition: () => boolean): Promise<void> => judge.hearUntil(condition, stage.signal, onProgress);

  const troupe = new Troupe(stage, stage.path('messages'), stage.path('reports'), total);
  for (const [deaths, part] of VICTIMS.entries()) {
    const moment = (total * (deaths + 1)) / (VICTIMS.length + 1);
    await hearUntil(() => judge.due >= moment);
    const pid = await troupe.replace(part);
    await hearUntil(() => judge.successions.length > deaths);
    const { due, first } = judge.successions[deaths];
    const found = `${Math.max(0, due - first)} twice, ${Math.max(0, first - due)} lost`;
    print(`${part} ${pid} killed at ${grouped(due)}, next began at ${grouped(first)}: ${found}`);
  }
  await hearUntil(() => judge.hasHeardAll);
  await troupe.end();

  const { due, lost, faults, twice, mostTwice } = judge;
  const agreed = due === total && lost === 0 && faults === 0 && mostTwice <= BATCH;
  const counts = `${grouped(due)} of ${grouped(total)} messages handled, ${lost} lost, ${grouped(twice)} twice`;
  const complaint = `; ${grouped(faults)} damaged or out of order, up to ${grouped(mostTwice)} twice after a death`;
  printVerdict(agreed, agreed ? counts : counts + complaint);
  return agreed;
}
