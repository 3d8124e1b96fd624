import type { Case } from './bed.ts';
import { claimCases } from './claim-cases.ts';
import { lifeCases } from './life-cases.ts';
import { pollCases } from './poll-cases.ts';
import { streamCases } from './stream-cases.ts';
import { waitCases } from './wait-cases.ts';
import { writeCases } from './write-cases.ts';

/** Everything that a ring must do, whatever holds it, wherever its positions are and wherever its ends. */
export const cases: readonly Case[] = [
  ...claimCases,
  ...pollCases,
  ...writeCases,
  ...waitCases,
  ...lifeCases,
  ...streamCases,
];
