let left = 0;
let action: (() => void) | undefined;
let nested = false;

/** Lets `other` have its turn, from beginning to end, before the memory operation number `step` from here. */
export function interrupt(step: number, other: () => void): void {
  left = step;
  action = other;
}

/** Whether that step was not reached; forgets it. */
export function wasNotReached(): boolean {
  const missed = action !== undefined;
  action = undefined;
  left = 0;
  return missed;
}

export function isNested(): boolean {
  return nested;
}

/** Called before each memory operation. */
export function beforeStep(): void {
  if (left === 0) return;
  left -= 1;
  if (left > 0 || action === undefined) return;
  const turn = action;
  action = undefined;
  nested = true;
  try {
    turn();
  } catch (error) {
    // It has done nothing yet: the other one holds the lock.
    if ((error as Error).message !== 'contended') throw error;
  } finally {
    nested = false;
  }
}
