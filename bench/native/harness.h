// What every native case program shares with the TypeScript ones: arguments, clock, the lines it prints.
// A consumer prints "ready" once it is attached; the role that measured prints one line of JSON, read by src/sample.ts.
#pragma once
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  const char *variant;
  int produces;
  const char *path;
  uint32_t size;
  uint64_t warmup, count;
} arguments;

static inline void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
  exit(1);
}

static inline arguments parse_arguments(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: %s VARIANT producer|consumer PATH SIZE WARMUP COUNT\n", argv[0]);
    exit(2);
  }
  arguments a = {argv[1], strcmp(argv[2], "producer") == 0, argv[3], (uint32_t)atol(argv[4]), strtoull(argv[5], 0, 10),
                 strtoull(argv[6], 0, 10)};
  return a;
}

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static inline void print_ready(void) {
  puts("ready");
  fflush(stdout);
}

static inline void report_consumer(uint64_t started_ns, uint64_t ended_ns, uint64_t faults) {
  printf("{\"elapsedNs\":%llu,\"faults\":%llu}\n", (unsigned long long)(ended_ns - started_ns), (unsigned long long)faults);
}

static inline int ascending(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

// What one reading of the clock costs: the median gap between readings made back to back.
static inline uint32_t clock_cost_ns(void) {
  enum { READINGS = 10001 };
  static uint32_t gaps[READINGS];
  uint64_t last = now_ns();
  for (int i = 0; i < READINGS; i++) {
    const uint64_t now = now_ns();
    gaps[i] = (uint32_t)(now - last);
    last = now;
  }
  qsort(gaps, READINGS, sizeof *gaps, ascending);
  return gaps[READINGS / 2];
}

// Round trips are timed from reply to reply with one reading of the clock each; that reading is taken off again.
static inline void report_round_trips(uint32_t *gaps, uint64_t count, uint64_t faults) {
  const uint32_t clock_ns = clock_cost_ns();
  for (uint64_t i = 0; i < count; i++) gaps[i] = gaps[i] > clock_ns ? gaps[i] - clock_ns : 0;
  qsort(gaps, count, sizeof *gaps, ascending);
#define AT(q) gaps[(uint64_t)((double)(count - 1) * (q))]
  printf("{\"roundTripNs\":{\"p50\":%u,\"p99\":%u,\"p999\":%u,\"max\":%u},\"clockNs\":%u,\"faults\":%llu}\n", AT(0.5),
         AT(0.99), AT(0.999), gaps[count - 1], clock_ns, (unsigned long long)faults);
#undef AT
}
