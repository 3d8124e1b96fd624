import { spawnSync } from 'node:child_process';

/** Runs a program in a pid namespace of its own, where its number is 1; it dies with the wrapper. */
export const inPidNamespace: readonly string[] = ['unshare', '--pid', '--fork', '--kill-child'];

/** Why there are no pid namespaces to be had here, or null. */
export const whyNoPidNamespace: string | null = refusal();

function refusal(): string | null {
  const [program = '', ...options] = inPidNamespace;
  const { status, error } = spawnSync(program, [...options, 'true']);
  return status === 0 ? null : `no pid namespaces: ${error?.message ?? 'unshare is refused'}`;
}
