import type { Edits } from '../support/mutation.ts';

/*
 * Faults planted in the compiled modules of a process of its own, against rules that only real processes, threads and files
 * can show to be kept. The explorer has those of the protocols: ../model/mutants.ts.
 */
export interface Fault {
  /** End of the module's URL. */
  readonly module: string;
  readonly edits: Edits;
}

const PUBLISH = 'file.publish(path);';
const EARLY = 'return closingOnFailure(file, () => {';

/** Published first, and written afterwards. */
const namedEarly = (module: string, begin: string, write: string): Fault => ({
  module,
  edits: [
    { from: `${begin}\n        ${write}\n        ${PUBLISH}`, to: `${begin}\n        ${PUBLISH}\n        ${write}` },
  ],
});

export type FaultName =
  | 'ring named before it is whole'
  | 'work queue named before it is whole'
  | 'latest value or counters named before they are whole'
  | 'name not looked at after the lock'
  | 'death not watched'
  | 'the dead not looked for'
  | 'dead coordinator not followed'
  | 'dead thread not followed'
  | 'killed in the middle of a move'
  | 'move of the dead not finished'
  | 'older segment given back at once';

/** The moment between announcing the newer segment and publishing the mark that leads there. */
const KILLED = "announce();\n        process.kill(process.pid, 'SIGKILL');";

export const faults: Readonly<Record<FaultName, Fault>> = {
  'ring named before it is whole': namedEarly('/ring/dist/ring.js', EARLY, 'const ring = format(file, options);'),
  'work queue named before it is whole': namedEarly(
    '/ring/dist/work-queue.js',
    EARLY,
    'const work = formatWork(file, options);',
  ),
  'latest value or counters named before they are whole': namedEarly(
    '/core/dist/shared-structure.js',
    'return closingFile(file, () => {',
    'const mapped = kind.format(file, options);',
  ),
  'name not looked at after the lock': {
    module: '/core/dist/shared-file.js',
    edits: [{ from: 'if (!this.anonymous && !this.#awaitsName && status(this.fd).nlink === 0)', to: 'if (false)' }],
  },
  'death not watched': {
    module: '/core/dist/waiting.js',
    edits: [{ from: '!peer.watchDeath(lookAgain) && peer.isInTransit', to: 'false' }],
  },
  'the dead not looked for': {
    module: '/ring/dist/work-endpoint.js',
    edits: [{ from: 'cells.sweep();', to: '' }],
  },
  'dead coordinator not followed': {
    module: '/core/dist/shared-region.js',
    edits: [
      {
        from: 'if (!coordinator.watchDeath(() => this.#endForTheDead()))\n            this.#endForTheDead();',
        to: '',
      },
    ],
  },
  'dead thread not followed': {
    module: '/guard/dist/native.js',
    edits: [{ from: 'native.followThread(threadEnvironment, owner)', to: '0' }],
  },
  'killed in the middle of a move': {
    module: '/ring/dist/lane-writer.js',
    edits: [{ from: 'announce();', to: KILLED }],
  },
  'move of the dead not finished': {
    module: '/ring/dist/lanes.js',
    edits: [{ from: 'if (levels[1] === UNUSED || distance(begin, published) <= 0)', to: 'if (true)' }],
  },
  'older segment given back at once': {
    module: '/ring/dist/gate.js',
    edits: [
      {
        from: 'if (older !== undefined && distance(older.end, consumed) > 0)',
        to: 'older?.retire();\n if (older !== undefined && distance(older.end, consumed) > 0)',
      },
    ],
  },
};
