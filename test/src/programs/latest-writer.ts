// Writes patterns at full speed until it is killed; or, with `inside`, kills itself in the middle of a value after so many:
// { path, inside? }. Says 'begun' with the version that it goes on at.
import { openLatestValue } from 'memlane';
import { wordsOf } from '../latest/pattern.ts';
import { parameters, say } from '../support/speech.ts';

const { path, inside } = parameters<{ path: string; inside?: number }>();
const judge = process.ppid;
const writer = openLatestValue(path).writer();
say('begun', writer.version);
for (let count = 1; ; count++) {
  const version = (writer.version + 1) | 0;
  const words = wordsOf(version);
  const offset = writer.begin(4 * words) >> 2;
  for (let word = 0; word < words; word++) {
    if (count === inside && word === words >> 1) process.kill(process.pid, 'SIGKILL');
    writer.view.i32[offset + word] = version;
  }
  writer.commit();
  if (count % 100_000 === 0 && process.ppid !== judge) process.exit();
}
