// What the user sees. In a terminal the last lines are redrawn while something is under way; elsewhere there are only
// lines, each printed once.
import { styleText } from 'node:util';
import logUpdate from 'log-update';

const { CI, NO_COLOR, TERM } = process.env;

/** Whether there is a terminal, and its user wants to see more than text. */
export const isPretty: boolean = process.stdout.isTTY === true && !CI && !NO_COLOR && TERM !== 'dumb';

/** How often progress is worth showing: where it is redrawn, and where it takes a line each time. */
const PROGRESS_MS: number = isPretty ? 50 : 2000;

type Style = Parameters<typeof styleText>[0];

export function paint(style: Style, text: string): string {
  return isPretty ? styleText(style, text) : text;
}

let shownAt = performance.now();

/** Prints for good. */
export function print(text = ''): void {
  if (isPretty) logUpdate.clear();
  process.stdout.write(`${text}\n`);
  shownAt = performance.now();
}

export function printHeading(text: string): void {
  print();
  print(paint('bold', text));
}

/** The last line of an act: whether everything agreed. */
export function printVerdict(agreed: boolean, text: string): void {
  if (isPretty) print(agreed ? paint('green', `✔ ${text}`) : paint('red', `✘ ${text}`));
  else print(`${agreed ? 'ok' : 'FAILED'}: ${text}`);
}

/** Shows how far things are, now and then. In a terminal it is taken away again by whatever comes next. */
export function showProgress(text: string): void {
  const now = performance.now();
  if (now - shownAt < PROGRESS_MS) return;
  if (isPretty) logUpdate(text);
  else print(text);
  shownAt = now;
}

/** Shows a table while its rows are being filled: as a whole where it can be redrawn, row by row elsewhere. */
export class TablePrinter {
  readonly #render: () => string;
  #lines = 0;

  constructor(render: () => string) {
    this.#render = render;
    if (!isPretty) this.rowDone(); // the head
  }

  show(): void {
    if (isPretty) showProgress(this.#render());
  }

  rowDone(): void {
    if (!isPretty) print(this.#render().split('\n')[this.#lines++]);
  }

  end(): void {
    if (isPretty) print(this.#render());
  }
}

/** Takes away what is not for good, and gives the cursor back. */
export function endScreen(): void {
  if (!isPretty) return;
  logUpdate.clear();
  logUpdate.done();
}
