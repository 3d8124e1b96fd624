/** How much is tried: MEMLANE_FUZZ=10 for ten times as much. */
export const AMOUNT: number = Number(process.env.MEMLANE_FUZZ ?? 1);

/** Patience of a judge for that much, in ms: a watchdog for a busy machine, not an expectation. */
export const PATIENCE_MS: number = 60_000 * Math.max(1, AMOUNT);
