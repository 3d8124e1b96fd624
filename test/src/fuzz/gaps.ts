/*
 * What the fuzzing has found and what does not hold yet. Each is left out of the tests until it does, so that they can
 * find what else there is; MEMLANE_FUZZ_GAPS=1 takes all of them in.
 */

const all: boolean = process.env.MEMLANE_FUZZ_GAPS === '1';

export const HOLDS: Readonly<Record<'aligned' | 'sealing' | 'recovering' | 'counting' | 'arguments', boolean>> = {
  /** Whoever takes a place whose position is no multiple of 8 is refused: otherwise messages lie at odd offsets. */
  aligned: true,
  /**
   * commit() of a ring with checksums ends, whatever somebody has made of the headers since the claim: by writing into
   * the file, or by cutting it.
   */
  sealing: true,
  /** An end that recovers goes on, or says why not, when a record is wrong in a file that is whole. */
  recovering: true,
  /** poll() of a consumer that recovers does not count the record whose handler has closed it. */
  counting: true,
  /** Each wrong argument is named. */
  arguments: all,
};
