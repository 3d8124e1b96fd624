import type { Mutant } from './mutants.ts';
export const workMutants: readonly Mutant[] = [];
