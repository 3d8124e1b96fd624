// Serves squares: { path, holds? }. Says 'ready'. A request { hold: true } says 'holds' and is never answered; { late: ms } is answered after
// that time, and says 'aborted' when its signal does; { count } is answered by a stream, which waits before item `stopAt`.
import { openService } from 'memlane';
import { parameters, pause, say } from '../support/speech.ts';

interface Question {
  readonly n: number;
  readonly hold?: boolean;
  readonly late?: number;
  readonly count?: number;
  readonly stopAt?: number;
}

const { path, concurrency = 8 } = parameters<{ path: string; concurrency?: number }>();
const service = openService<Question, unknown>(path);
const leaving = new AbortController();
process.once('SIGTERM', () => leaving.abort());
const serving = service.serve(
  async ({ n, hold, late, count, stopAt }, { signal, deliveries }) => {
    signal.addEventListener('abort', () => say('aborted', n));
    if (count !== undefined)
      return (async function* items(): AsyncGenerator<unknown> {
        for (let at = 0; at < count; at++) {
          if (at === stopAt) {
            say('holds', n);
            await new Promise(() => {});
          }
          yield { n, at, deliveries };
        }
      })();
    if (hold === true) {
      say('holds', n);
      await new Promise(() => {});
    }
    if (late !== undefined) {
      say('begun', n);
      await pause(late);
    }
    return { square: n * n, deliveries };
  },
  { concurrency, signal: leaving.signal },
);
say('ready');
await serving;
say('ended');
service.close();
