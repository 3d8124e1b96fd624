import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeProgram } from './case.ts';
import { ChildGroup, type Cores } from './child-group.ts';

/** What a consumer that waits for a message which never comes costs. */
export interface IdleResult {
  readonly wait: string;
  readonly cpuMs: number;
  readonly seconds: number;
}

const settleMs = 1000;
const waits = ['event', 'park', 'adaptive'];

/** Watches sleeping consumers, one for each way of sleeping, all at the same time. */
export async function measureIdle(seconds: number, directory: string, cores: Cores | undefined): Promise<IdleResult[]> {
  const group = new ChildGroup(cores, 60);
  const { command } = nodeProgram('ring-idle');
  try {
    const children = waits.map((wait) => ({
      wait,
      child: group.start('consumer', [...command, wait, 'consumer', join(directory, `idle-${wait}`), '8', '0', '1']),
    }));
    await delay(settleMs);
    const before = children.map(({ child }) => processorNs(child.pid));
    await delay(seconds * 1000);
    return children.map(({ wait, child }, index) => ({
      wait,
      seconds,
      cpuMs: (processorNs(child.pid) - before[index]) / 1e6,
    }));
  } finally {
    group.kill();
  }
}

/** Nanoseconds that all the threads of a process have run: /proc/PID/stat would count in steps of 10 ms. */
function processorNs(pid: number | undefined): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks)
    .map((task) => Number(readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ')[0]))
    .reduce((sum, ns) => sum + ns, 0);
}
