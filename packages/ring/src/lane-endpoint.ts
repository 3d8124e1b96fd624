import type { SlotRow } from '@memlane/core';
import { checkWaitingOptions, Endpoint, type WaitingOptions } from '@memlane/core';
import { checkType } from '@memlane/linux';
import { createDraft } from './draft.ts';
import type { RecordView } from './lane-memory.ts';
import { lossOf, type Place, Recovery, recovers } from './recovery.ts';

/** How an endpoint of a ring behaves. */
export interface EndpointOptions extends WaitingOptions {
  /**
   * Survive the loss of the file: when somebody cuts, punches, overwrites or deletes it, producer and consumer (both with
   * this option) go on in a fresh file of the same name, and no message is lost, repeated or wrong. For rings created
   * with `checksums`. Costs memory for one more capacity, and one copy a message. Default false.
   */
  readonly recover?: boolean;
}

/** What producer and consumer of a ring have in common: a place in it, and perhaps the means to recover. */
export abstract class LaneEndpoint extends Endpoint {
  #place: Place;
  /** undefined for an endpoint that fails with its file. */
  protected readonly recovery: Recovery | undefined;
  /** Private memory for records: made there by a producer that recovers, checked there by a consumer of checksums. */
  protected readonly draft: RecordView | undefined;
  readonly #draft: Disposable | undefined;
  #movedTimes = 0;
  #inspectedMs = 0;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;

  constructor(
    place: Place,
    row: SlotRow,
    options: EndpointOptions,
    onClose: (endpoint: Endpoint) => void,
    needsDraft: boolean,
  ) {
    const { ring, participant } = place;
    super({ region: ring.region, table: ring.table, participant }, row, options, onClose);
    this.#place = place;
    if (!needsDraft) return;
    const draft = createDraft(ring.lanes.facts.capacityBytes);
    this.#draft = draft.region;
    this.draft = draft.view;
    if (recovers(ring, options)) this.recovery = new Recovery(place, draft.view, this.alarmedSoon);
  }

  /** Times that the endpoint went on in a fresh file; see {@link EndpointOptions.recover}. */
  get recoveries(): number {
    return this.#movedTimes;
  }

  override close(): void {
    if (this.closed) return;
    super.close();
    clearTimeout(this.#retry);
    this.recovery?.close();
    this.#draft?.[Symbol.dispose]();
  }

  /** Makes a part of the endpoint; what it has by then (alarm, draft, slot) is given back when that fails. */
  protected closingOnFailure<Part>(make: () => Part): Part {
    try {
      return make();
    } catch (error) {
      LaneEndpoint.prototype.close.call(this); // that of a subclass would close the part
      throw error;
    }
  }

  /** Moves to a fresh file if there is, or can be, one; returns whether it did. */
  protected abstract mend(): boolean;

  /** Takes a new place, to which the lane has moved already; leaves the old one. */
  protected moveTo(place: Place): void {
    // First: a wait that is under way looks at its condition during the move, and so perhaps at the file.
    using _old = this.recovery?.settle(place);
    this.#movedTimes += 1;
    this.#place = place;
    const { ring, participant } = place;
    this.moveStation({ region: ring.region, table: ring.table, participant });
  }

  /** Looks, now and then, whether the file is still there, for what is done again and again; returns whether it moved. */
  protected inspect(): boolean {
    if (this.recovery === undefined) return false;
    const nowMs = performance.now();
    if (nowMs - this.#inspectedMs < INSPECTION_MS) return false;
    this.#inspectedMs = nowMs;
    return !this.recovery.isWhole() && this.mend();
  }

  protected override findLoss(): unknown {
    return lossOf(this.#place);
  }

  protected override get hasOwnAlarm(): boolean {
    return this.recovery !== undefined;
  }

  protected override alarmed(): void {
    if (this.recovery === undefined) {
      super.alarmed();
      return;
    }
    let settled = false;
    try {
      settled = this.recovery.isWhole() || this.mend();
    } catch (error) {
      this.waiter.fail(error); // full disk, a foreign file of that name; without a wait, whatever is done next meets it
    }
    // No fresh file yet, or one that has been lost as well before it was opened: its alarm is not ours.
    clearTimeout(this.#retry);
    this.#retryMs = settled ? FIRST_RETRY_MS : Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    if (!settled) this.#retry = setTimeout(this.alarmedSoon, this.#retryMs).unref();
    this.waiter.lookAgain();
  }
}

/** How often a condition that is looked at without end looks at the file, too. */
const INSPECTION_MS = 10;
const FIRST_RETRY_MS = 5;
const LAST_RETRY_MS = 100;

/** @throws ERR_MEMLANE_ARGUMENT unless the options make sense. */
export function checkEndpointOptions(options: EndpointOptions): void {
  checkWaitingOptions(options);
  const { recover = false } = options;
  checkType('recover', recover, 'boolean');
}
