import { argumentCases } from './argument-cases.ts';
import type { Case } from './case.ts';
import { mappingCases, surfaceCases } from './mapping-cases.ts';

/** Everything that the drop-in and the original are held to. A program names a case by its index here. */
export const cases: readonly Case[] = [...surfaceCases, ...mappingCases, ...argumentCases];
