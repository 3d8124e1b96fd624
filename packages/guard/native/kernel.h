// What guard.c needs of the kernel, without a libc: raw system calls, and the structures that signals come with. So one
// object serves glibc and musl, and everything the handler calls is async-signal-safe by construction.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
enum {
  SYS_write = 1,
  SYS_close = 3,
  SYS_fstat = 5,
  SYS_mmap = 9,
  SYS_munmap = 11,
  SYS_rt_sigaction = 13,
  SYS_pread64 = 17,
  SYS_sched_yield = 24,
  SYS_mremap = 25,
  SYS_getpid = 39,
  SYS_fstatfs = 138,
  SYS_gettid = 186,
  SYS_clock_gettime = 228,
  SYS_tgkill = 234,
};
static inline long system_call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
enum { CONTEXT_PC = 168 }; // uc_mcontext.gregs[REG_RIP]
#elif defined(__aarch64__)
enum {
  SYS_fstatfs = 44,
  SYS_close = 57,
  SYS_write = 64,
  SYS_pread64 = 67,
  SYS_fstat = 80,
  SYS_clock_gettime = 113,
  SYS_sched_yield = 124,
  SYS_tgkill = 131,
  SYS_rt_sigaction = 134,
  SYS_getpid = 172,
  SYS_gettid = 178,
  SYS_munmap = 215,
  SYS_mremap = 216,
  SYS_mmap = 222,
};
static inline long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
enum { CONTEXT_PC = 440 }; // uc_mcontext.pc
#else
#error "memlane runs on x64 and arm64"
#endif

#define CALL(number, a, b, c, d, e, f) system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

enum { SIGBUS = 7, SIGSEGV = 11, SEGV_ACCERR = 2 };
enum { PROT_READ = 1, PROT_WRITE = 2 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000 };
enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2 };
enum { EBADF = 9, ENOMEM = 12, EINVAL = 22, ENOSPC = 28 };

#define SA_SIGINFO 4ul
#define SA_RESTORER 0x04000000ul
#define SA_ONSTACK 0x08000000ul
#define SA_RESTART 0x10000000ul
#define SIG_DFL ((void *)0)
#define SIG_IGN ((void *)1)

typedef struct {
  void *handler;
  unsigned long flags;
  void *restorer;
  uint64_t mask;
} action;

typedef struct {
  int signal, error, code, padding;
  void *address; // of a fault; of a signal that somebody sent (code <= 0) it is a pid
} signal_info;

// The parts of struct stat that are in the same place on both architectures.
typedef struct {
  uint64_t device, inode, unused[4];
  int64_t size;
  uint64_t rest[16];
} file_status;

typedef struct {
  int64_t type, block_size;
  uint64_t rest[16];
} file_system_status;

#define HUGETLBFS_MAGIC 0x958458f6

static inline int is_error(long result) { return (unsigned long)result > (unsigned long)-4096L; }

static inline int get_status(int fd, file_status *status) { return fd >= 0 && CALL(SYS_fstat, fd, status, 0, 0, 0, 0) == 0; }

static inline long map_zeros(uint64_t at, uint64_t bytes, int flags) {
  return CALL(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE, flags | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

// Of the monotonic clock.
static inline uint64_t nanoseconds(void) {
  int64_t now[2] = {0, 0};
  CALL(SYS_clock_gettime, 1, now, 0, 0, 0, 0);
  return (uint64_t)now[0] * 1000000000u + (uint64_t)now[1];
}

static inline uint64_t context_pc(const void *context) { return *(const uint64_t *)((const char *)context + CONTEXT_PC); }
