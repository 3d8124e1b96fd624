/*
 * Request and reply.
 *
 *   client                                         server
 *   takes a place: a lane of `control`, the
 *   consumer of the reply ring of that number
 *   writes the request            requests ──▶     takes it; skips it when the client is gone
 *                                                  handles it
 *   gives the reply to who asked  ◀── replies[n]   writes the reply                            (A)
 *                                                  acknowledges the request                    (B)
 *   cancels, grants               control ──▶      aborts the handler's signal; goes on with a stream
 *
 * Requests are a work queue. Replies are a ring for each client, in which each server has a lane; a reply for a client that is
 * gone holds nobody up, because a dead cursor counts for nothing. `control` is a bus from all clients to all servers, for what is
 * rare: whoever does not have the request passes over it.
 *
 * A client is its place and its tenancy (see Ring.tenantOf) in `control`; a request is its client and a correlation.
 *
 * Who dies where:
 *
 * - a server before (A): the request is given back, and delivered to another one; after the last delivery that is allowed it is a
 *   dead letter. Its client keeps a vigil while it waits for replies: it takes its dead letters out and rejects. Those of clients
 *   that are gone are taken out by whoever meets them.
 * - a server between (A) and (B): the same, so a reply may come twice. The client drops what it does not expect any more.
 * - a server in a stream: another begins it anew, with a higher number of delivery. A client that has had nothing yet follows it;
 *   one that has had something cannot, for who says that it would be the same: it rejects, and cancels.
 * - a client: whoever takes its requests finds its tenancy gone and acknowledges them; whoever handles one is told by the death,
 *   and aborts. Its successor in the place begins to read where the lanes are by then.
 * - anybody beside a long message: its reference is in a record, or nobody's, and then settled by who tidies (see
 *   large-messages.ts). Replies to a client that is gone are read by nobody: whoever tidies takes that client's place in
 *   the reply ring for a moment, and gives it up.
 *
 * A request that is cancelled is taken back where no server has it. Where one has, it is told by `control`, which it read before it
 * could take any request; should it die instead, the client's vigil takes the request back, or else tells the next server, when that
 * sends something of a stream. (One that sends a single reply is let do so.)
 */

/**
 * What a request begins with; the value, or the reference to it, is behind.
 *
 * ```text
 *        0               4               8              12
 *    0  | correlation   | client        | tenant        | window        |
 * ```
 */
export const REQUEST = { correlation: 0, client: 4, tenant: 8, window: 12, bytes: 16 } as const;

/**
 * What a reply begins with; likewise.
 *
 * ```text
 *        0               4               8              12
 *    0  | correlation   | tenant        | delivery      | kind          |
 * ```
 */
export const REPLY = { correlation: 0, tenant: 4, delivery: 8, kind: 12, bytes: 16 } as const;

/**
 * All of a control message.
 *
 * ```text
 *        0               4               8              12
 *    0  | correlation   | client        | tenant        | granted       |
 * ```
 */
export const CONTROL = { correlation: 0, client: 4, tenant: 8, granted: 12, bytes: 16 } as const;

/** `granted` of a control message that cancels. */
export const CANCELLED = -1;

/** What a reply is. */
export const ReplyKind = {
  /** The only one. */
  value: 0,
  /** One of a stream. */
  item: 1,
  /** The end of a stream; without a value. */
  end: 2,
  /** What the handler has thrown, in JSON. */
  error: 3,
} as const;

/** Names a request to its client, and a client's request to its server. */
export interface RequestName {
  readonly correlation: number;
  readonly client: number;
  readonly tenant: number;
}

/** What a request says of itself. */
export interface RequestHead extends RequestName {
  /** Items of a stream that may be under way, unread; 0 for who wants one reply. */
  readonly window: number;
}

/** What a reply says of itself. */
export interface ReplyHead {
  readonly correlation: number;
  readonly tenant: number;
  /** How many times the request had been delivered. */
  readonly delivery: number;
  readonly kind: number;
}

/** Writes what a request begins with; returns where the rest goes. */
export function writeRequest(data: DataView, offset: number, head: RequestHead): number {
  data.setInt32(offset + REQUEST.correlation, head.correlation, true);
  data.setInt32(offset + REQUEST.client, head.client, true);
  data.setInt32(offset + REQUEST.tenant, head.tenant, true);
  data.setInt32(offset + REQUEST.window, head.window, true);
  return offset + REQUEST.bytes;
}

/** What a record says that is a request; undefined when it is too short for one. */
export function readRequest(data: DataView, offset: number, length: number): RequestHead | undefined {
  if (length < REQUEST.bytes) return undefined;
  return {
    correlation: data.getInt32(offset + REQUEST.correlation, true),
    client: data.getInt32(offset + REQUEST.client, true),
    tenant: data.getInt32(offset + REQUEST.tenant, true),
    window: data.getInt32(offset + REQUEST.window, true),
  };
}

/** As {@link writeRequest}. */
export function writeReply(data: DataView, offset: number, head: ReplyHead): number {
  data.setInt32(offset + REPLY.correlation, head.correlation, true);
  data.setInt32(offset + REPLY.tenant, head.tenant, true);
  data.setInt32(offset + REPLY.delivery, head.delivery, true);
  data.setInt32(offset + REPLY.kind, head.kind, true);
  return offset + REPLY.bytes;
}

/** As {@link readRequest}. */
export function readReply(data: DataView, offset: number, length: number): ReplyHead | undefined {
  if (length < REPLY.bytes) return undefined;
  return {
    correlation: data.getInt32(offset + REPLY.correlation, true),
    tenant: data.getInt32(offset + REPLY.tenant, true),
    delivery: data.getInt32(offset + REPLY.delivery, true),
    kind: data.getInt32(offset + REPLY.kind, true),
  };
}

/** Writes a control message. */
export function writeControl(data: DataView, offset: number, name: RequestName, granted: number): void {
  data.setInt32(offset + CONTROL.correlation, name.correlation, true);
  data.setInt32(offset + CONTROL.client, name.client, true);
  data.setInt32(offset + CONTROL.tenant, name.tenant, true);
  data.setInt32(offset + CONTROL.granted, granted, true);
}

/** As {@link readRequest}. */
export function readControl(
  data: DataView,
  offset: number,
  length: number,
): (RequestName & { readonly granted: number }) | undefined {
  if (length !== CONTROL.bytes) return undefined;
  return {
    correlation: data.getInt32(offset + CONTROL.correlation, true),
    client: data.getInt32(offset + CONTROL.client, true),
    tenant: data.getInt32(offset + CONTROL.tenant, true),
    granted: data.getInt32(offset + CONTROL.granted, true),
  };
}
