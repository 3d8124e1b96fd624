import { chownSync, futimesSync } from 'node:fs';
import { dirname } from 'node:path';
import { condemn, corrupt, isReady, type Participant, Role, SharedFile, TamperAlarm } from '@memlane/core';
import { type LinuxError, status, throwArgument } from '@memlane/linux';
import { endOfWhole, hasPositions, type RecordView } from './lane-memory.ts';
import type { Position } from './position.ts';
import { hasManyProducers } from './ring-descriptor.ts';
import { closingOnFailure, format, type MappedRing, mapExisting } from './ring-file.ts';

/*
 * A file that somebody cuts, punches, overwrites or deletes under a running exchange is replaced by a fresh one, without
 * losing a message. What makes that possible: the producer makes its records in private memory (the draft) and keeps them
 * there until they are consumed; the consumer handles private copies whose checksums are right, and knows its own
 * position. Both positions count the same stream, so the fresh file begins with everything between the two. A reader whose
 * position is none of a record is found out there, since whole records reach over it; what is not whole is condemned again.
 *
 *   producer                                       consumer
 *   finds the file lost, or condemned              finds the file lost: condemns it, or the name given to another
 *   makes a fresh one, complete: head, positions,  waits until the name means another file
 *     all records not seen consumed
 *   takes its slot there
 *   gives it the name, by rename                   opens it, checks head and stream, goes on at its own position
 *   leaves the old one                             takes its slot there, leaves the old one
 *
 * The slot comes before the name, so that a producer which is not in the file of that name is dead: a reader may follow late,
 * and find fresh files lost that it has never seen whole.
 *
 * Only the producer makes files, so there is one at a time. A producer that dies before the rename leaves the lost file and
 * a fresh one without a name, which goes with it; after it, a complete file that its successor opens like any other. What
 * only a producer had that died, with a file that was destroyed, is lost: that takes both.
 */

/** Where an endpoint stands: exchanged as a whole when it moves to a fresh file. */
export interface Place {
  readonly ring: MappedRing;
  readonly participant: Participant;
}

const PRODUCER_SLOT = 0;
const CONSUMER_SLOT = 1;

/** Errors of a file that may be replaced while it is being looked at: look again later. */
const TRANSIENT: readonly string[] = [
  'ENOENT',
  'ERR_MEMLANE_CORRUPT',
  'ERR_MEMLANE_DELETED',
  'ERR_MEMLANE_NOT_MEMLANE',
  'ERR_MEMLANE_TRUNCATED',
];

/** What is wrong with the file, if it is cut or its head is not what it was. A few system calls. */
export function lossOf({ ring: { region, lanes }, participant }: Place): unknown {
  try {
    lanes.verify();
  } catch (error) {
    return error;
  }
  if (!isReady(lanes.words)) return corrupt('ready', 0, region.path);
  if (!hasManyProducers(lanes.facts.topology) && !hasPositions(lanes.headOf(0)))
    return corrupt('notConsumed', 0, region.path);
  if (!participant.isRecorded) return corrupt('generation', 0, region.path);
  return undefined;
}

/** Takes a slot of a fresh file, which is closed when that fails. */
function enter(ring: MappedRing, slot: number, role: number, what: string): Place {
  try {
    return { ring, participant: ring.table.take(slot, role, what, () => {}) };
  } catch (error) {
    ring.region.close();
    throw error;
  }
}

/** What a recovering endpoint has of its own: a mapping, the draft, and an ear for whoever touches the file. */
export class Recovery {
  readonly #records: RecordView;
  readonly #path: string;
  readonly #onTamper: () => void;
  #place: Place;
  #alarm: TamperAlarm;

  /**
   * @param place of its own: nobody else uses that mapping.
   * @param records its draft.
   * @param onTamper called from the event loop when somebody has touched the file.
   */
  constructor(place: Place, records: RecordView, onTamper: () => void) {
    this.#records = records;
    this.#place = place;
    this.#path = place.ring.region.path as string;
    this.#onTamper = onTamper;
    this.#alarm = this.#listen();
  }

  /** Whether another file has the name by now. */
  get isReplaced(): boolean {
    return SharedFile.identityOf(this.#path) !== undefined && !this.#place.ring.region.file.isNamed;
  }

  /** Whether the file is still all there and has its name. A few system calls. */
  isWhole(): boolean {
    return lossOf(this.#place) === undefined && this.#place.ring.region.file.isNamed;
  }

  /**
   * Makes a fresh file in place of the lost one, with every record between the two positions.
   *
   * @throws ERR_MEMLANE_DELETED when the name means another file by now; ERR_MEMLANE_CORRUPT when no record begins where the
   *   consumer says it is; LinuxError ENOSPC and the like, with nothing changed: it may be tried again.
   */
  replace({ published, consumed }: { published: Position; consumed: Position }): Place {
    const { region, lanes, streamId, epoch } = this.#place.ring;
    const now = SharedFile.identityOf(this.#path);
    if (now !== undefined) region.file.expectIdentity(now, this.#path);
    const end = endOfWhole(this.#records, lanes.facts.capacityBytes, consumed, published);
    if (end !== published) throw corrupt('consumed', consumed, this.#path);
    const { mode, uid, gid } = status(region.file.fd);
    const file = SharedFile.createUnnamed(dirname(this.#path), region.length, mode & 0o777, false);
    return closingOnFailure(file, () => {
      const continuation = { streamId, epoch: epoch + 2, published, consumed, records: this.#records };
      const ring = format(file, { capacityBytes: lanes.facts.capacityBytes, checksums: true }, continuation);
      if (uid !== process.getuid?.()) chownSync(`/proc/self/fd/${file.fd}`, uid, gid);
      file.announce(this.#path);
      const place = enter(ring, PRODUCER_SLOT, Role.producer, 'producer');
      try {
        file.publishOver(this.#path);
      } catch (error) {
        place.participant.leave();
        throw error;
      }
      return place;
    });
  }

  /**
   * Tells the producer that the file is lost, who may not be able to see it: only the reader of a record finds out that it
   * is wrong. A producer that waits is woken by the caller, any other one by its alarm.
   */
  condemn(): void {
    const { region, lanes } = this.#place.ring;
    condemn(lanes.words);
    const now = new Date();
    futimesSync(region.file.fd, now, now);
  }

  /**
   * Opens the fresh file that the producer has made; undefined while there is none.
   *
   * @throws ERR_MEMLANE_BUSY when another consumer was faster.
   */
  follow(): Place | undefined {
    if (this.#place.ring.region.file.isNamed) return undefined;
    try {
      const file = SharedFile.open(this.#path);
      return closingOnFailure(file, () => {
        const ring = mapExisting(file);
        return enter(ring, CONSUMER_SLOT, Role.consumer, 'consumer');
      });
    } catch (error) {
      if (TRANSIENT.includes((error as LinuxError).code)) return undefined;
      throw error;
    }
  }

  /** Takes note of the place to which the endpoint has moved; returns what to dispose of once nothing refers to the old one. */
  settle(place: Place): Disposable {
    const { region } = this.#place.ring;
    this.#place = place;
    this.#alarm.close();
    this.#alarm = this.#listen();
    return region;
  }

  #listen(): TamperAlarm {
    const alarm = new TamperAlarm(this.#place.ring.region.file.fd, this.#onTamper);
    this.#onTamper(); // for what has happened before: it looks a little later
    return alarm;
  }

  close(): void {
    this.#alarm.close();
    this.#place.ring.region.close();
  }
}

/** Whether an endpoint is to recover. An anonymous ring is sealed: nothing can happen to it. */
export function recovers({ region }: MappedRing, { recover = false }: { readonly recover?: boolean }): boolean {
  return recover && region.path !== undefined;
}

/**
 * The place for an endpoint that is to recover: a mapping of its own, so that it can be left.
 *
 * @throws ERR_MEMLANE_ARGUMENT unless the ring has checksums, without which a loss could go unnoticed, and topology 'spsc'.
 */
export function placeOfItsOwn(ring: MappedRing, take: (ring: MappedRing) => Participant): Place {
  const { checksums, topology } = ring.lanes.facts;
  if (topology !== 'spsc') throwArgument('recover', true, `false for topology '${topology}'`);
  if (!checksums) throwArgument('recover', true, 'false for a ring that was not created with checksums');
  const file = ring.region.file.reopen();
  const own = closingOnFailure(file, () => mapExisting(file));
  try {
    return { ring: own, participant: take(own) };
  } catch (error) {
    own.region.close();
    throw error;
  }
}
