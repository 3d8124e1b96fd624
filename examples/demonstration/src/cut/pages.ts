// How the bystanders read, through whatever has mapped the file for them. Imports nothing of memlane: who loads it has
// its guard.

/** No page is smaller. */
const STEP_BYTES = 4096;

/** Reads a byte of every page. */
export function readPages(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += STEP_BYTES) sum += bytes[at];
  return sum;
}

/** Pause between two rounds: the bystanders should take no processor from those who work. */
export const PAUSE_MS = 1;
