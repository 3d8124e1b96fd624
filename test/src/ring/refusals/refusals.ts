import { headerRefusals } from './header-refusals.ts';
import { pathRefusals } from './path-refusals.ts';
import type { Refusal } from './refusal.ts';
import { topologyRefusals } from './topology-refusals.ts';

/** Everything that any user can provoke alone. What needs root or a second user is in the test file. */
export const refusals: readonly Refusal[] = [...pathRefusals, ...headerRefusals, ...topologyRefusals];
