import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Aim, judge } from './aims.ts';
import { type Case, label } from './case.ts';
import { loadCatalog } from './catalog.ts';
import { DisturbanceMeter } from './disturbance.ts';
import { type IdleResult, measureIdle } from './idle.ts';
import { chooseCores, describeMachine } from './machine.ts';
import { loadMessageCatalog } from './message-catalog.ts';
import { buildNative, groupPrograms, pairPrograms } from './native-build.ts';
import { parseOptions, usage } from './options.ts';
import {
  formatAims,
  formatHeader,
  formatIdle,
  formatNotes,
  formatRoundTrips,
  formatThroughput,
  pairDrawing,
} from './report.ts';
import { run } from './run.ts';
import { makeScratchDirectory } from './scratch-directory.ts';
import { judgeTopologies } from './topology-aims.ts';
import { loadTopologyCatalog } from './topology-catalog.ts';
import { formatTopologies, stalledNotes, topologyDrawing } from './topology-report.ts';

const options = parseOptions(process.argv.slice(2));
if (!options) {
  console.log(usage);
  process.exit();
}

const startedAt = new Date();
const directory = makeScratchDirectory();

// A log has no line to write over: it gets one line a step (the calibration, a round), not one a case.
let lastStep = '';
const say = (line: string): void => {
  const [step] = line.split(',', 1);
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
  else if (step !== lastStep) process.stderr.write(`${step}\n`);
  lastStep = step;
};

const cores = chooseCores();
const { suite, only, sizes, sampleSeconds, rounds } = options;
const isPairs = suite === 'pairs';
const native = buildNative(suite === 'topologies' ? groupPrograms : pairPrograms);
const catalogs = { pairs: loadCatalog, topologies: loadTopologyCatalog, messages: loadMessageCatalog };
const catalog = await catalogs[suite](native);
const isWanted = (subject: Case): boolean =>
  only.test(label(subject)) && (subject.kind === 'roundTrip' || sizes.includes(subject.sizeBytes));
const cases = catalog.cases.filter(isWanted);
const meter = new DisturbanceMeter(native.paths.probe, cores);
const results = await run(cases, { rounds, sampleSeconds, directory, cores, meter, say });
const measuresIdle = isPairs && only.test('idle');
if (measuresIdle) say('idle consumers');
const idle = measuresIdle ? await measureIdle(options.idleSeconds, directory, cores) : [];
say('');

const machine = describeMachine(cores, native.compiler, suite);
const command = ['pnpm bench', ...process.argv.slice(2)].join(' ');
const aims = suite === 'topologies' ? judgeTopologies(results) : [...judge(results), ...judgeIdle(idle)];
const notes = [...catalog.leftOut, ...stalledNotes(results)];
const text = [
  formatHeader(suite === 'topologies' ? topologyDrawing : pairDrawing, machine, command),
  ...(suite === 'topologies'
    ? [formatTopologies(results)]
    : [formatThroughput(results), formatRoundTrips(results), formatIdle(idle)]),
  formatAims(aims),
  formatNotes(results, notes),
]
  .filter((part) => part !== '')
  .join('\n\n');
console.log(text);
save();

function judgeIdle(measured: readonly IdleResult[]): Aim[] {
  const mostPercent = 0.5;
  return measured.map(({ wait, cpuMs, seconds }) => {
    const percent = cpuMs / 10 / seconds;
    const title = `memlane ${wait}: processor time of a sleeping consumer`;
    return { title, target: `<= ${mostPercent} %`, measured: `${percent.toFixed(3)} %`, met: percent <= mostPercent };
  });
}

function save(): void {
  if (!options) return;
  const raw = {
    startedAt,
    command,
    machine,
    sampleSeconds,
    homeBounceNs: meter.homeNs,
    results: results.map(({ subject: { kind, name, sizeBytes, shape }, samples, failure }) => ({
      ...{ kind, name, sizeBytes, shape, failure },
      samples,
    })),
    idle,
    aims,
    leftOut: catalog.leftOut,
  };
  const json = `${JSON.stringify(raw, undefined, 1)}\n`;
  if (options.json) writeFileSync(options.json, json);
  if (!options.save) return;
  const target = fileURLToPath(new URL('../results/', import.meta.url));
  mkdirSync(target, { recursive: true });
  const name = `${startedAt.toISOString().slice(0, 10)}-node-${machine.node}${isPairs ? '' : `-${suite}`}`;
  writeFileSync(join(target, `${name}.json`), json);
  writeFileSync(join(target, `${name}.txt`), `${text}\n`);
}
