// The C ring's cases: one process, one role. Variants: each, batch, claim (header only), spin and park (round trips).
#include "ring.h"
#include "work.h"

enum { BATCH = 32 };
enum { MIB = 1 << 20, SMALL_RING = MIB, LARGE_RING = 8 * MIB, LARGEST_FOR_SMALL_RING = 16 << 10 };

static inline char *claim(endpoint *e, uint32_t length) {
  char *payload;
  while (!(payload = try_claim(e, length, 0))) relax();
  return payload;
}

// Inlined once per variant, so that the choice costs nothing per message.
static inline __attribute__((always_inline)) void produce(endpoint *e, const work *k, uint64_t count, bool batched, bool header_only) {
  uint32_t unpublished = 0;
  for (uint64_t sequence = 0; sequence < count; sequence++) {
    char *payload;
    while (!(payload = try_claim(e, k->size, 0))) {
      // What is claimed and unpublished must be seen, or a full ring of it would never drain.
      if (unpublished) publish(e), unpublished = 0;
      relax();
    }
    if (header_only) stamp(payload, (double)sequence);
    else fill(k, payload, (double)sequence);
    if (!batched) publish(e);
    else if (++unpublished == BATCH) publish(e), unpublished = 0;
  }
  if (unpublished) publish(e);
}

// One poll: every record published so far, at most `limit`, then one store of the position.
static inline __attribute__((always_inline)) uint64_t poll(endpoint *e, const work *k, uint64_t sequence, uint64_t limit, bool header_only,
                                                           uint64_t *faults) {
  if (!has_records(e)) return 0;
  uint64_t taken = 0;
  while (taken < limit && e->position != e->cached_opposite) {
    uint32_t length;
    const char *payload = take_record(e, &length);
    const double expected = (double)(sequence + taken++);
    if (!(header_only ? is_stamped(k, payload, length, expected) : is_intact(k, payload, length, expected))) ++*faults;
  }
  publish(e);
  return taken;
}

static inline __attribute__((always_inline)) void consume(endpoint *e, const work *k, const arguments *a, bool header_only) {
  uint64_t received = 0, faults = 0, started_ns = now_ns();
  while (received < a->warmup) {
    const uint64_t taken = poll(e, k, received, a->warmup - received, header_only, &faults);
    if (!taken) relax();
    received += taken;
  }
  if (a->warmup) started_ns = now_ns();
  while (received < a->count) {
    const uint64_t taken = poll(e, k, received, a->count - received, header_only, &faults);
    if (!taken) relax();
    received += taken;
  }
  report_consumer(started_ns, now_ns(), faults);
}

static inline __attribute__((always_inline)) void send_one(endpoint *to, const work *k, uint64_t sequence) {
  fill(k, claim(to, k->size), (double)sequence);
  publish(to);
}

static inline __attribute__((always_inline)) void receive_one(endpoint *from, const work *k, uint64_t sequence, bool parks, uint64_t *faults) {
  if (parks) park_until_records(from);
  while (!poll(from, k, sequence, 1, false, faults)) relax();
}

static void ping(endpoint *to, endpoint *from, const work *k, const arguments *a, bool parks) {
  uint32_t *gaps = malloc((a->count - a->warmup) * sizeof *gaps);
  uint64_t faults = 0, last = now_ns();
  memset(gaps, 0, (a->count - a->warmup) * sizeof *gaps);
  for (uint64_t sequence = 0; sequence < a->count; sequence++) {
    send_one(to, k, sequence);
    receive_one(from, k, sequence, parks, &faults);
    const uint64_t now = now_ns();
    if (sequence >= a->warmup) gaps[sequence - a->warmup] = (uint32_t)(now - last);
    last = now;
  }
  report_round_trips(gaps, a->count - a->warmup, faults);
}

static void pong(endpoint *from, endpoint *to, const work *k, const arguments *a, bool parks) {
  uint64_t faults = 0;
  for (uint64_t sequence = 0; sequence < a->count; sequence++) {
    receive_one(from, k, sequence, parks, &faults);
    send_one(to, k, sequence);
  }
  if (faults) die("damaged messages");
}

int main(int argc, char **argv) {
  const arguments a = parse_arguments(argc, argv);
  const work k = work_create(a.size);
  const bool parks = strcmp(a.variant, "park") == 0, round_trip = parks || strcmp(a.variant, "spin") == 0;
  char reply_path[4096];
  snprintf(reply_path, sizeof reply_path, "%s.reply", a.path);
  if (!a.produces) {
    const uint32_t capacity = a.size <= LARGEST_FOR_SMALL_RING ? SMALL_RING : LARGE_RING;
    ring_create(a.path, capacity);
    if (round_trip) ring_create(reply_path, capacity);
  }
  endpoint e = ring_attach(ring_map(a.path), a.produces ? PRODUCER_SLOT : CONSUMER_SLOT);
  endpoint reply = {0};
  if (round_trip) reply = ring_attach(ring_map(reply_path), a.produces ? CONSUMER_SLOT : PRODUCER_SLOT);
  if (!a.produces) print_ready();
  const bool header_only = strcmp(a.variant, "claim") == 0, batched = strcmp(a.variant, "batch") == 0;

  if (round_trip && a.produces) ping(&e, &reply, &k, &a, parks);
  else if (round_trip) pong(&e, &reply, &k, &a, parks);
  else if (!a.produces && header_only) consume(&e, &k, &a, true);
  else if (!a.produces) consume(&e, &k, &a, false);
  else if (header_only) produce(&e, &k, a.count, false, true);
  else if (batched) produce(&e, &k, a.count, true, false);
  else produce(&e, &k, a.count, false, false);
  return 0;
}
