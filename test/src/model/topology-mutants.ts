import type { Mutant } from './mutants.ts';
export const topologyMutants: readonly Mutant[] = [];
