/* Imports the package, on a machine that the judge has made another one of. */
import { rejectionOf, say } from '../support/speech.ts';

say('result', await rejectionOf(() => import('@memlane/linux')));
