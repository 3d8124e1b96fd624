// Uses the guard's object as a program of any libc may: opened by dlopen, without Node. Prints a JSON line a finding,
// [name, value ...]; test/src/guard/portability.test.ts compiles, starts and judges it.
//   guard-portability OBJECT SCRATCH_FILE
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

// What native/kernel.h takes for granted of the structures that the kernel fills, as this libc declares them.
#if defined(__x86_64__)
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) == 168, "CONTEXT_PC");
#define ARCHITECTURE "x64"
#elif defined(__aarch64__)
_Static_assert(offsetof(ucontext_t, uc_mcontext.pc) == 440, "CONTEXT_PC");
#define ARCHITECTURE "arm64"
#endif
_Static_assert(offsetof(siginfo_t, si_code) == 8 && offsetof(siginfo_t, si_addr) == 16, "signal_info");
_Static_assert(offsetof(struct stat, st_ino) == 8 && offsetof(struct stat, st_size) == 48, "file_status");
_Static_assert(sizeof(struct stat) <= 184, "file_status");
_Static_assert(offsetof(struct statfs, f_bsize) == 8 && sizeof(struct statfs) <= 144, "file_system_status");
_Static_assert(SIGBUS == 7 && SIGSEGV == 11 && SEGV_ACCERR == 2, "signals");
_Static_assert(SA_SIGINFO == 4 && SA_ONSTACK == 0x08000000 && SA_RESTART == 0x10000000, "flags of sigaction");
_Static_assert(MAP_FIXED == 0x10 && MAP_ANONYMOUS == 0x20 && MAP_NORESERVE == 0x4000, "flags of mmap");
_Static_assert(MREMAP_MAYMOVE == 1 && MREMAP_FIXED == 2, "flags of mremap");

#ifdef __GLIBC__
#define LIBC "glibc"
#else
#define LIBC "musl"
#endif

enum { FAULTS = 2, PASSED_ON, FAILED, INSTALLS, WATCHED, FAULTS_OF = 32 }; // words of the control block
enum { PAGES = 8, THREADS = 4, SHARED_PAGES = 64 };
typedef volatile uint8_t *bytes;

static int (*guard_install)(uint32_t page_bytes);
static int (*guard_installed)(void);
static void *(*guard_control)(void);
static int (*guard_owner)(void);
static int (*guard_watch)(uint64_t, uint64_t, int, uint64_t, uint32_t, uint32_t, int);
static int (*guard_extend)(int, uint64_t, uint64_t);
static int (*guard_restore)(int, int, uint32_t *);
static int (*guard_leave)(int);
static int (*guard_describe)(int, double *);
static int (*guard_notify)(int, uint32_t);
static int (*guard_silence)(int);
static int (*guard_follow_thread)(void *, uint32_t);
static void (*guard_thread_ended)(void *);

static volatile uint32_t *control;
static long page;
static int fd;

static void require(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(2);
}

static void *symbol(void *object, const char *name) {
  void *found = dlsym(object, name);
  require(found != NULL, name);
  return found;
}
#define BIND(name) name = (__typeof__(name))symbol(object, #name)

static void fill(int pages) {
  require(ftruncate(fd, 0) == 0 && ftruncate(fd, pages * page) == 0, "ftruncate");
  for (int i = 0; i < pages; i++) {
    uint8_t content[page];
    memset(content, i + 1, page);
    require(pwrite(fd, content, page, i * page) == page, "pwrite");
  }
}

static bytes map(int pages, int protection) {
  void *at = mmap(NULL, pages * page, protection, MAP_SHARED, fd, 0);
  require(at != MAP_FAILED, "mmap");
  return at;
}

// By another process, as whoever cuts a file does.
static void cut_to(long length) {
  const pid_t child = fork();
  if (child == 0) _exit(ftruncate(fd, length) == 0 ? 0 : 1);
  int status;
  require(waitpid(child, &status, 0) == child && status == 0, "the cutter");
}

// The signal that ends a process which does that, or 1000 + its exit code.
static int death_of(void (*deed)(void)) {
  const pid_t child = fork();
  if (child == 0) {
    deed();
    _exit(0);
  }
  int status;
  require(waitpid(child, &status, 0) == child, "waitpid");
  return WIFSIGNALED(status) ? WTERMSIG(status) : 1000 + WEXITSTATUS(status);
}

// ---- In a file that was cut ------------------------------------------------------------------------------------------

static void describe(const char *name, int index) {
  double fault[4] = {-1, -1, -1, -1};
  const int is_fault = guard_describe(index, fault);
  const double in_page = fault[2] - (long)(fault[2] / page) * page;
  printf("[\"%s\",%d,%g,%g,%ld,%g,%g]\n", name, is_fault, fault[0], fault[1], (long)(fault[2] / page), in_page, fault[3] / page);
}

static void counters(const char *name, int index) {
  printf("[\"%s\",%u,%u,%u,%u]\n", name, control[FAULTS], control[FAULTS_OF + index], control[FAILED], control[PASSED_ON]);
}

static void outlive_a_cut(void) {
  fill(PAGES);
  bytes memory = map(2 * PAGES, PROT_READ | PROT_WRITE); // of which half is watched at first
  int news[2];
  require(pipe2(news, O_NONBLOCK | O_CLOEXEC) == 0, "pipe2");
  const int place = guard_notify(news[1], 1);
  const int index = guard_watch((uint64_t)memory, PAGES * page, fd, 0, PROT_READ | PROT_WRITE, 1, -1);
  printf("[\"watched\",%d,%u]\n", index, control[WATCHED]);
  printf("[\"before\",%d,%d]\n", memory[0], memory[7 * page]);
  describe("nothing to describe", index);

  cut_to(2 * page);
  const int first = memory[5 * page + 3]; // the fault that is described; it replaces all behind the end of the file
  printf("[\"beyond the cut\",%d,%d,%d]\n", first, memory[7 * page], memory[2 * page]);
  printf("[\"before the cut\",%d,%d]\n", memory[0], memory[2 * page - 1]);
  memory[4 * page] = 77;
  printf("[\"stored beyond\",%d]\n", memory[4 * page]);
  counters("faults of the cut", index);
  describe("the cut", index);
  char told[8];
  printf("[\"told\",%d]\n", (int)read(news[0], told, sizeof told));
  const int silenced = guard_silence(place);
  printf("[\"silenced\",%d,%d,%d]\n", silenced, guard_silence(place), (int)read(news[0], told, 1)); // 0: the end of a pipe

  fill(PAGES);
  uint32_t acknowledged = 0;
  const int restored = guard_restore(index, -1, &acknowledged);
  printf("[\"restored\",%d,%u,%d,%d]\n", restored, acknowledged, memory[4 * page], memory[5 * page]);
  const int extended = guard_extend(index, 2 * PAGES * page, PAGES * page);
  printf("[\"extended\",%d,%d]\n", extended, memory[(2 * PAGES - 1) * page]);
  const int left = guard_leave(index);
  printf("[\"left\",%d,%d,%u]\n", left, guard_leave(index), control[WATCHED]);
  munmap((void *)memory, 2 * PAGES * page);
}

static void store_where_forbidden(void) {
  fill(PAGES);
  bytes memory = map(PAGES, PROT_READ);
  const int index = guard_watch((uint64_t)memory, PAGES * page, fd, 0, PROT_READ, 1, -1);
  const uint32_t faults = control[FAULTS];
  memory[3 * page + 1] = 99;
  uint8_t in_file;
  require(pread(fd, &in_file, 1, 3 * page + 1) == 1, "pread");
  printf("[\"forbidden store\",%d,%d,%d,%d]\n", memory[3 * page + 1], memory[3 * page], memory[4 * page], in_file);
  printf("[\"faults of the store\",%u,%u]\n", control[FAULTS] - faults, control[FAULTS_OF + index]);
  describe("the store", index);
  guard_leave(index);
  munmap((void *)memory, PAGES * page);
}

// ---- Threads ---------------------------------------------------------------------------------------------------------

static bytes common;
static pthread_barrier_t together;

static void *store_in_each_page(void *thread) {
  pthread_barrier_wait(&together);
  for (int i = 0; i < SHARED_PAGES; i++) common[i * page + (intptr_t)thread] = (uint8_t)(1 + (intptr_t)thread);
  return NULL;
}

// A page that one thread has replaced must not be replaced by another: that would lose what the first has stored.
static void store_in_threads(void) {
  int lost = 0;
  for (int round = 0; round < 50; round++) {
    fill(SHARED_PAGES);
    // Each page is a fault of its own where the store is forbidden, all are one behind the end of the file.
    const int protection = round % 2 ? PROT_READ : PROT_READ | PROT_WRITE;
    common = map(SHARED_PAGES, protection);
    const int index = guard_watch((uint64_t)common, SHARED_PAGES * page, fd, 0, protection, 1, -1);
    if (round % 2 == 0) require(ftruncate(fd, 0) == 0, "ftruncate");
    pthread_t threads[THREADS];
    pthread_barrier_init(&together, NULL, THREADS);
    for (intptr_t i = 0; i < THREADS; i++)
      require(pthread_create(&threads[i], NULL, store_in_each_page, (void *)i) == 0, "pthread_create");
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < SHARED_PAGES; i++)
      for (int thread = 0; thread < THREADS; thread++) lost += common[i * page + thread] != 1 + thread;
    guard_leave(index);
    munmap((void *)common, SHARED_PAGES * page);
  }
  printf("[\"lost by threads\",%d]\n", lost);
}

static void end_a_thread(void) {
  fill(PAGES);
  const int owner = guard_owner();
  bytes memory = map(PAGES, PROT_READ | PROT_WRITE);
  guard_watch((uint64_t)memory, PAGES * page, fd, 0, PROT_READ | PROT_WRITE, owner, -1);
  guard_thread_ended((void *)(intptr_t)owner);
  printf("[\"thread ended\",%d,%u]\n", memory[page], control[WATCHED]);
  munmap((void *)memory, PAGES * page);
}

// ---- What concerns no range ------------------------------------------------------------------------------------------

static void read_unwatched(void) {
  bytes memory = map(PAGES, PROT_READ | PROT_WRITE);
  cut_to(page);
  memory[0] = memory[page];
}
static void store_unwatched(void) { *map(PAGES, PROT_READ) = 1; }
static void store_nowhere(void) { *(volatile int *)8 = 1; }
static void kill_bus(void) { kill(getpid(), SIGBUS); }

static void leave_with_42(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  _exit(info->si_code > 0 ? 42 : 43);
}
static void handle_before_the_guard(void) {
  const struct sigaction theirs = {.sa_sigaction = leave_with_42, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &theirs, NULL);
  if (guard_installed() != 2 || guard_install(page) != 1 || guard_installed() != 3) _exit(1);
}
static void read_unwatched_handled(void) {
  handle_before_the_guard();
  read_unwatched();
}
static void kill_bus_handled(void) {
  handle_before_the_guard();
  kill_bus();
}

// Moves on behind each fault, as V8's handler does. All but its last are at one instruction and one address, which ends a
// process unless the guard sees in the context that it has been moved on.
static const volatile uint8_t *page_that_is_gone;
static sig_atomic_t moved_on;
static void move_on(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  moved_on++;
#if defined(__x86_64__)
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2; // movb (%rax), %al
#elif defined(__aarch64__)
  ((ucontext_t *)context)->uc_mcontext.pc += 4;
#endif
}
__attribute__((noinline)) static void touch(void) {
#if defined(__x86_64__)
  uintptr_t at = (uintptr_t)page_that_is_gone;
  __asm__ volatile(".byte 0x8a, 0x00" : "+a"(at) : : "memory"); // movb (%rax), %al
#elif defined(__aarch64__)
  __asm__ volatile("ldrb w9, [%0]" : : "r"(page_that_is_gone) : "w9", "memory");
#endif
}
static void be_moved_on(void) {
  const struct sigaction theirs = {.sa_sigaction = move_on, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &theirs, NULL);
  guard_install(page);
  page_that_is_gone = map(PAGES, PROT_READ) + page;
  cut_to(page);
  for (int i = 0; i < 3000; i++) touch();
  _exit(moved_on == 3000 ? 44 : 45);
}

static int death_after_filling(void (*deed)(void)) {
  fill(PAGES);
  return death_of(deed);
}

int main(int count, char **parameters) {
  require(count == 3, "usage: guard-portability OBJECT SCRATCH_FILE");
  setvbuf(stdout, NULL, _IONBF, 0); // a child must not print again what is in the buffer
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  page = getpagesize();
  fd = open(parameters[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  require(fd >= 0, parameters[2]);

  void *object = dlopen(parameters[1], RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  BIND(guard_install), BIND(guard_installed), BIND(guard_control), BIND(guard_owner), BIND(guard_watch);
  BIND(guard_extend), BIND(guard_restore), BIND(guard_leave), BIND(guard_describe), BIND(guard_notify);
  BIND(guard_silence), BIND(guard_follow_thread), BIND(guard_thread_ended);
  // As at the end of the only thread that has loaded it: the object must stay.
  dlclose(object);

  control = guard_control();
  printf("[\"machine\",\"" ARCHITECTURE "\",\"" LIBC "\"]\n");
  printf("[\"control\",%u,%u]\n", control[0], control[1]);
  const int installed = guard_install(page), again = guard_install(page);
  printf("[\"installed\",%d,%d,%d,%u]\n", installed, again, guard_installed(), control[INSTALLS]);
  printf("[\"follow without Node\",%d]\n", guard_follow_thread(NULL, 1));
  outlive_a_cut();
  store_where_forbidden();
  store_in_threads();
  end_a_thread();
  printf("[\"unwatched read\",%d]\n", death_after_filling(read_unwatched));
  printf("[\"unwatched store\",%d]\n", death_after_filling(store_unwatched));
  printf("[\"store nowhere\",%d]\n", death_after_filling(store_nowhere));
  printf("[\"kill -BUS\",%d]\n", death_after_filling(kill_bus));
  printf("[\"handled read\",%d]\n", death_after_filling(read_unwatched_handled));
  printf("[\"handled kill -BUS\",%d]\n", death_after_filling(kill_bus_handled));
  printf("[\"moved on\",%d]\n", death_after_filling(be_moved_on));
  printf("[\"in the end\",%u,%u,%u]\n", control[FAILED], control[PASSED_ON], control[WATCHED]);
  return 0;
}
