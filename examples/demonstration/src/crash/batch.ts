/** Messages that are published, or given back, at once: the most that can come twice after a death. */
export const BATCH = 256;
