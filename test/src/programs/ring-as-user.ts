// Becomes another user and tries, one after the other, what it was given: { uid, tries: [{ action, name, options }] }.
// Says 'tried' with the outcome of each. What must be loaded before root is given up has been by then.
import { createRing, openRing } from 'memlane';
import { becomeUser, parameters, plainError, say } from '../support/speech.ts';

interface Try {
  readonly action: 'open' | 'create' | 'attach';
  readonly path: string;
  readonly options?: object;
}

const { uid, tries } = parameters<{ uid: number; tries: readonly Try[] }>();
if (uid !== process.getuid?.()) becomeUser(uid);
for (const { action, path, options } of tries) {
  try {
    using ring = action === 'create' ? createRing(path, options) : openRing(path, options);
    if (action === 'attach') {
      ring.producer().close();
      ring.consumer().close();
    }
    say('tried', 'done');
  } catch (error) {
    say('tried', plainError(error));
  }
}
