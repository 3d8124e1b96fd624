import type { Scenario } from './explorer.ts';
export const scenarios: Record<string, () => Scenario> = {};
