export type { Fault, FaultCause } from './fault.ts';
export { type Guard, type GuardStatus, guard } from './guard.ts';
export { GuardedRange, type Mapping } from './guarded-range.ts';
