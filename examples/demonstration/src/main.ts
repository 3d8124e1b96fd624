// The demonstration: four acts, each played by processes of its own. This one only directs and judges.
// main [--quick] [FILE]
import { constants } from 'node:os';
import { LinuxError, MemlaneError } from 'memlane';
import { parseArguments, USAGE } from './arguments.ts';
import { Complaint } from './complaint.ts';
import { playCrash } from './crash/act.ts';
import { playCut } from './cut/act.ts';
import { playFile } from './file/act.ts';
import { chooseFile } from './file/source-file.ts';
import { playRace } from './race/act.ts';
import { endScreen, print, printVerdict } from './screen.ts';
import { Stage } from './stage.ts';

let stage: Stage | undefined;

async function main(): Promise<boolean> {
  const { file, quick, help } = parseArguments(process.argv.slice(2));
  if (help) {
    print(USAGE);
    return true;
  }
  const source = chooseFile(file);
  endOnSignal();
  stage = new Stage();
  const started = performance.now();
  const agreed = [
    await playFile(stage, source),
    await playRace(stage, quick),
    await playCrash(stage, quick),
    await playCut(stage, quick),
  ];
  print();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const all = agreed.every(Boolean);
  printVerdict(all, `${all ? 'everything agreed' : 'something did not agree, see above'} (${seconds} s)`);
  return all;
}

/** Whoever ends this process, or stops reading what it prints, also ends what it has started. */
function endOnSignal(): void {
  const endWith = (number: number): void => {
    end();
    process.exit(128 + number);
  };
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => endWith(constants.signals[signal]));
  process.stdout.once('error', () => endWith(constants.signals.SIGPIPE));
}

function end(): void {
  endScreen();
  stage?.end();
}

function complain(error: unknown): void {
  const { message, stack } = error as Error;
  // Errors of memlane say in their message what to do about them.
  const isForUser = error instanceof Complaint || error instanceof LinuxError || error instanceof MemlaneError;
  process.stderr.write(`${isForUser ? message : stack}\n`);
}

try {
  process.exitCode = (await main()) ? 0 : 1;
  end();
} catch (error) {
  process.exitCode = 1;
  end();
  complain(error);
}
