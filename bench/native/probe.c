// How long a cache line takes from core to core and back, right now. On a virtual machine that changes by a factor of
// two to five within seconds, as the host moves the virtual CPUs; a sample taken across such a change compares nothing.
// Usage: probe CORE CORE. Prints the median of short series, in nanoseconds.
#define _GNU_SOURCE
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { SERIES = 21, BOUNCES = 1000 };

static struct {
  _Alignas(128) _Atomic int ball;
} table;

static void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static void *answer(void *core) {
  pin(*(int *)core);
  for (int i = 0; i < SERIES * BOUNCES; i++) {
    while (atomic_load(&table.ball) != 2 * i + 1) relax();
    atomic_store(&table.ball, 2 * i + 2);
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int cores[2] = {atoi(argv[1]), atoi(argv[2])};
  pthread_t other;
  if (pthread_create(&other, NULL, answer, &cores[1])) die("pthread_create");
  pin(cores[0]);
  uint32_t series[SERIES];
  for (int s = 0, i = 0; s < SERIES; s++) {
    const uint64_t started = now_ns();
    for (int b = 0; b < BOUNCES; b++, i++) {
      atomic_store(&table.ball, 2 * i + 1);
      while (atomic_load(&table.ball) != 2 * i + 2) relax();
    }
    series[s] = (uint32_t)((now_ns() - started) / BOUNCES);
  }
  pthread_join(other, NULL);
  qsort(series, SERIES, sizeof *series, ascending);
  printf("%u\n", series[SERIES / 2]);
  return 0;
}
