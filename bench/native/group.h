// What every native program of the topologies shares with the TypeScript ones (src/group-role.ts, src/intake.ts): N
// producers and M consumers, each a process.
//   Start: consumer 0 makes the thing and prints "ready", then all others attach and print it; "go" comes to all on stdin.
//   End: an ordered stream has as many messages as each consumer expects. Of a work queue no consumer knows its share:
//     each producer prints "sent"; when all have, producer 0 is told to put in one end mark a consumer.
// A message carries its stamp, sequence * producers + producer, with a power of two of producers.
#pragma once
#include "work.h"
#include <sched.h>
#include <sys/resource.h>

enum { LOOKS_BEFORE_YIELD = 64, LOOKS_BEFORE_CLOCK = 64 * LOOKS_BEFORE_YIELD, CHECKPOINTS_A_WARMUP = 16 };
static const double END_MARK = -1;

typedef struct {
  const char *variant;
  bool produces;
  const char *path;
  uint32_t size;
  uint64_t warmup, count; // messages of each producer
  uint32_t index, producers, consumers;
  double limit_seconds; // after which a consumer gives up and says how far it came
  bool shared;          // a work queue: a message goes to one consumer, not to all
} group_role;

static inline group_role parse_group_role(int argc, char **argv) {
  if (argc != 11) {
    fprintf(stderr, "usage: %s VARIANT producer|consumer PATH SIZE WARMUP COUNT INDEX PRODUCERS CONSUMERS LIMIT_SECONDS\n", argv[0]);
    exit(2);
  }
  group_role r = {.variant = argv[1], .produces = strcmp(argv[2], "producer") == 0, .path = argv[3], .size = (uint32_t)atol(argv[4]),
                  .warmup = strtoull(argv[5], 0, 10), .count = strtoull(argv[6], 0, 10), .index = (uint32_t)atol(argv[7]),
                  .producers = (uint32_t)atol(argv[8]), .consumers = (uint32_t)atol(argv[9]), .limit_seconds = atof(argv[10]),
                  .shared = strcmp(argv[1], "workQueue") == 0};
  return r;
}

static inline void await_line(void) {
  char letter;
  do
    if (read(0, &letter, 1) != 1) exit(3); // the runner is gone
  while (letter != '\n');
}

static inline void await_go(void) {
  print_ready();
  await_line();
}

static inline void await_all_sent(void) {
  puts("sent");
  fflush(stdout);
  await_line();
}

static inline double stamp_of(const group_role *r, uint64_t sequence) { return (double)(sequence * r->producers + r->index); }

// Looks again for a while, then lets others run: with more processes than cores, what is waited for may need this core.
static inline void back_off(uint32_t *looks) {
  if (++*looks % LOOKS_BEFORE_YIELD == 0) sched_yield();
  else relax();
}

// What one consumer has taken in: how much by when, and whether each message was the one that it had to be.
typedef struct {
  const group_role *role;
  uint64_t received, every, next_checkpoint;
  uint64_t *at_ns, checkpoints;
  uint64_t started_ns, ended_ns, faults;
  double *expected;     // by producer: of an ordered stream the next stamp, of a work queue the least that may come
  unsigned char *seen;  // of a work queue: a bit for each stamp
  bool stalled;
} intake;

static inline intake intake_create(const group_role *r) {
  const uint64_t total = r->count * r->producers, share = r->warmup * r->producers / (r->shared ? r->consumers : 1);
  intake t;
  memset(&t, 0, sizeof t);
  t.role = r;
  t.every = t.next_checkpoint = share / CHECKPOINTS_A_WARMUP ? share / CHECKPOINTS_A_WARMUP : 1;
  t.at_ns = (uint64_t *)calloc(total / t.every + 1, sizeof *t.at_ns);
  t.expected = (double *)calloc(r->producers, sizeof *t.expected);
  for (uint32_t p = 0; p < r->producers; p++) t.expected[p] = p;
  t.seen = r->shared ? (unsigned char *)calloc(total / 8 + 1, 1) : NULL;
  if (!t.at_ns || !t.expected || (r->shared && !t.seen)) die("calloc");
  return t;
}

static inline void intake_start(intake *t) { t->started_ns = t->ended_ns = now_ns(); }

static inline bool intake_is_complete(const intake *t) { return t->received == t->role->count * t->role->producers; }

// Judges one message. Returns false for an end mark.
static inline bool take_in(intake *t, const work *k, const char *payload, uint32_t length) {
  const group_role *r = t->role;
  const double stamp = *(const double *)payload;
  if (stamp == END_MARK && r->shared) return false;
  if (!is_intact(k, payload, length, stamp) || !(stamp >= 0) || stamp >= (double)(r->count * r->producers)) {
    t->faults++;
  } else {
    const uint64_t number = (uint64_t)stamp;
    double *expected = &t->expected[number & (r->producers - 1)];
    if (r->shared ? stamp < *expected : stamp != *expected) t->faults++;
    *expected = stamp + r->producers;
    if (r->shared) t->seen[number >> 3] |= (unsigned char)(1 << (number & 7));
  }
  if (++t->received == t->next_checkpoint) {
    t->at_ns[t->checkpoints++] = now_ns();
    t->next_checkpoint += t->every;
  }
  return true;
}

// Prints what src/intake.ts prints; what was seen of a work queue goes to a file, for the runner to lay one over the other.
static inline void report_intake(const intake *t) {
  const group_role *r = t->role;
  if (r->shared) {
    char path[4096];
    snprintf(path, sizeof path, "%s.seen%u", r->path, r->index);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(t->seen, 1, r->count * r->producers / 8 + 1, file) == 0 || fclose(file)) die(path);
  }
  printf("{\"received\":%llu,\"every\":%llu,\"startedNs\":%llu,\"endedNs\":%llu,\"faults\":%llu,\"stalled\":%s,\"atNs\":[",
         (unsigned long long)t->received, (unsigned long long)t->every, (unsigned long long)t->started_ns,
         (unsigned long long)t->ended_ns, (unsigned long long)t->faults, t->stalled ? "true" : "false");
  for (uint64_t i = 0; i < t->checkpoints; i++) printf("%s%llu", i ? "," : "", (unsigned long long)t->at_ns[i]);
  puts("]}");
  fflush(stdout);
}

static inline uint64_t processor_ns(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}
