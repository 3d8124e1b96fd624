// Keeps a process alive when a file that it has mapped is cut short, runs out of space, or cannot be read (SIGBUS), and
// when somebody stores through a read-only mapping (SIGSEGV). The page that cannot be had is replaced by a private one,
// the access is made again and succeeds, and a counter tells JavaScript, which looks at it before it believes what it
// has read (packages/guard/src). Faults outside the ranges watched here go on to whoever handled them before.
//
// The handler may interrupt anything, in any thread. It takes no memory from an allocator, calls the kernel directly and
// touches only what lies in this object's own zeroed memory, never a file's: it cannot fault itself.
#include "kernel.h"
#include <stdatomic.h>
#include <stdbool.h>

#define EXPORT __attribute__((visibility("default")))

enum { LAYOUT_VERSION = 1, CAPACITY = 32768, NOTIFIED = 64, MOST_REPEATS = 1000, THREADS = 1024 };
enum state { FREE, TAKEN, WATCHED, LEAVING };
enum cause { NONE, TRUNCATED, UNBACKED, READ_ONLY };

// A watched range of addresses. Who writes: the thread that takes it, until WATCHED; then the handler, under `lock`.
typedef struct {
  _Atomic uint32_t state;
  _Atomic uint32_t lock;
  _Atomic uint64_t start, end;
  uint64_t file_offset; // of `start`
  uint64_t device, inode;
  int32_t fd; // the region's own: trusted only while it still names this device and inode
  uint32_t protection;
  uint32_t page_bytes;
  uint32_t owner;   // the thread whose end ends the range
  uint32_t counter; // the range whose faults are counted: its own, or that of which it is the mirror
  uint32_t repeats; // faults on pages already replaced, in a row
  uint64_t replaced, replaced_bytes; // a bit a page, mapped at the first fault
  // The first fault since the range was watched or restored.
  uint64_t fault_offset;
  int64_t fault_size; // of the file, at that moment; -1 when unknown
  uint32_t fault_cause, fault_code;
} range;

// What JavaScript reads without a call; src/native.ts knows the order.
typedef struct {
  uint32_t layout_version;
  uint32_t capacity;
  _Atomic uint32_t faults;    // handled, in the whole process
  _Atomic uint32_t passed_on; // that concerned no range
  _Atomic uint32_t failed;    // that could not be repaired: passed on as well
  _Atomic uint32_t installs;  // of the handlers; more than one means that somebody had replaced them
  _Atomic uint32_t watched;
  uint32_t unused[25];
  _Atomic uint32_t faults_of[CAPACITY];
} control;

static control shared __attribute__((aligned(4096)));
static range ranges[CAPACITY];
static _Atomic uint32_t ranges_end; // no range at or above this index was ever taken
static _Atomic uint32_t handlers_running;
static _Atomic uint32_t last_owner;
static uint32_t system_page_bytes = 4096;

// Pipes into which a byte is written after a fault. Their descriptors are this object's, so that a number cannot come to
// mean another file.
static struct {
  _Atomic uint32_t state;
  int32_t fd;
  uint32_t owner;
} notified[NOTIFIED];

static void yield(void) { CALL(SYS_sched_yield, 0, 0, 0, 0, 0, 0); }

static void acquire(_Atomic uint32_t *lock) {
  for (int attempt = 1; atomic_exchange_explicit(lock, 1, memory_order_acquire); attempt++)
    if (attempt % 64 == 0) yield();
}
static void release(_Atomic uint32_t *lock) { atomic_store_explicit(lock, 0, memory_order_release); }

static uint64_t up_to(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// ---- Replacing pages -------------------------------------------------------------------------------------------------

static uint64_t page_of(const range *r, uint64_t address) { return (address - r->start) / r->page_bytes; }

static bool is_replaced(const range *r, uint64_t page) {
  return page / 8 < r->replaced_bytes && (((const uint8_t *)r->replaced)[page / 8] >> page % 8 & 1);
}

static void note_replaced(range *r, uint64_t from, uint64_t to) {
  const uint64_t first = page_of(r, from), last = page_of(r, to - 1);
  if (!r->replaced) {
    // For the reserved space behind the range too, because the range can be extended: zeros cost nothing until written.
    const uint64_t bytes = up_to(page_of(r, r->end - 1) / 8 + 1, system_page_bytes);
    const long bits = map_zeros(0, bytes, 0);
    if (is_error(bits)) return; // then a second thread on the same page costs it what it has written there
    r->replaced = (uint64_t)bits;
    r->replaced_bytes = bytes;
  }
  uint8_t *bits = (uint8_t *)r->replaced;
  for (uint64_t page = first; page <= last && page / 8 < r->replaced_bytes; page++) bits[page / 8] |= (uint8_t)(1 << page % 8);
}

// From that page on.
static void forget_replaced(range *r, uint64_t first) {
  r->repeats = 0;
  if (first == 0 && r->replaced) {
    CALL(SYS_munmap, r->replaced, r->replaced_bytes, 0, 0, 0, 0);
    r->replaced = r->replaced_bytes = 0;
  }
  uint8_t *bits = (uint8_t *)r->replaced;
  for (uint64_t page = first; page / 8 < r->replaced_bytes; page++) bits[page / 8] &= (uint8_t)~(1 << page % 8);
}

static bool names_its_file(const range *r, file_status *status) {
  return get_status(r->fd, status) && status->device == r->device && status->inode == r->inode;
}

// Zero pages from `from` to `to`, or over the whole range when there is no room for more mappings. Writable also where the
// file's were not: nobody sees what is stored there, and it is one fault less.
static bool replace_by_zeros(range *r, uint64_t from, uint64_t to) {
  if (is_error(map_zeros(from, to - from, MAP_FIXED))) {
    from = r->start;
    to = r->end;
    if (is_error(map_zeros(from, to - from, MAP_FIXED))) return false;
  }
  note_replaced(r, from, to);
  return true;
}

// A private, writable copy of one page. It is read by pread, which reports what cannot be read instead of faulting, and
// moved into place in one step, so that no other thread sees it half filled.
static bool replace_by_copy(range *r, uint64_t page, const file_status *status) {
  const uint64_t bytes = r->page_bytes;
  const long copy = map_zeros(0, bytes, 0);
  if (is_error(copy)) return false;
  if (status) CALL(SYS_pread64, r->fd, copy, bytes, r->file_offset + (page - r->start), 0, 0);
  if (is_error(CALL(SYS_mremap, copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, page, 0))) {
    CALL(SYS_munmap, copy, bytes, 0, 0, 0, 0);
    return false;
  }
  note_replaced(r, page, page + bytes);
  return true;
}

static void notify(void) {
  for (int i = 0; i < NOTIFIED; i++)
    if (atomic_load(&notified[i].state) == WATCHED)
      CALL(SYS_write, notified[i].fd, "!", 1, 0, 0, 0); // a full pipe has been told enough
}

static void count_fault(range *r, enum cause cause, int code, uint64_t address, int64_t file_size) {
  if (r->fault_cause == NONE) {
    r->fault_cause = cause;
    r->fault_code = (uint32_t)code;
    r->fault_offset = r->file_offset + (address - r->start);
    r->fault_size = file_size;
  }
  atomic_fetch_add(&shared.faults_of[r->counter], 1);
  atomic_fetch_add(&shared.faults, 1);
}

// Under the lock of the range. Returns whether the access can be made again.
static bool repair(range *r, uint64_t address, int signal, int code) {
  const uint64_t page = address / r->page_bytes * r->page_bytes;
  // Another thread was faster: the page is there by now. If it is not, the file's was laid over it while a thread had it
  // replaced once more (guard_extend): it is replaced again. Not without end: whatever else it lacks is not our doing.
  const bool again = is_replaced(r, page_of(r, page));
  if (again && ++r->repeats % MOST_REPEATS) return true;
  if (r->repeats > 2 * MOST_REPEATS) return false;

  file_status status;
  const bool known = names_its_file(r, &status);
  const uint64_t file_end = known ? up_to((uint64_t)status.size, r->page_bytes) : 0;
  const bool is_behind = known && r->file_offset + (page - r->start) >= file_end;
  const enum cause cause = signal == SIGSEGV ? READ_ONLY : is_behind ? TRUNCATED : UNBACKED;
  if (!again) r->repeats = 0;
  // Before the page is there: another thread can read the zeros at once, and would find nothing counted.
  count_fault(r, cause, code, address, known ? status.size : -1);
  switch (cause) {
    case READ_ONLY:
      return replace_by_copy(r, page, known ? &status : 0);
    case TRUNCATED:
      // Everything behind the end of the file in one go: one fault instead of one a page.
      return replace_by_zeros(r, file_end > r->file_offset ? r->start + (file_end - r->file_offset) : r->start, r->end);
    default:
      // Inside the file: what can still be read of the page stays.
      if (replace_by_copy(r, page, known ? &status : 0)) return true;
      return replace_by_zeros(r, page, page + r->page_bytes < r->end ? page + r->page_bytes : r->end);
  }
}

// ---- The handler -----------------------------------------------------------------------------------------------------

static void handle(int signal, signal_info *info, void *context);

// What was there before us, and what keeps us from calling it for ever. One each for SIGBUS and SIGSEGV.
typedef struct {
  action previous;
  _Atomic(const signal_info *) passing_on[16]; // on its way through the previous handler
} chain;

static chain chains[2];
static chain *chain_of(int signal) { return &chains[signal == SIGSEGV]; }

// The last fault of a thread that was not repaired here, and how often it was met in a row. By thread, for faults of two
// that take turns would each look new. Threads that share an entry only begin to count anew.
static struct {
  _Atomic uint64_t thread, pc, address, at;
  _Atomic uint32_t times;
} unrepaired[THREADS];

enum { MOMENT = 20 * 1000 * 1000 }; // nanoseconds: more than another thread gets the processor for

static uint32_t times_in_a_row(uint64_t pc, uint64_t address) {
  const uint64_t thread = (uint64_t)CALL(SYS_gettid, 0, 0, 0, 0, 0, 0), now = nanoseconds();
  __typeof__(&unrepaired[0]) last = &unrepaired[thread % THREADS];
  // The address too: a loop over pages which the previous handler repairs one by one faults at one instruction.
  const bool same = last->thread == thread && last->pc == pc && last->address == address && now - last->at < MOMENT;
  last->thread = thread;
  last->pc = pc;
  last->address = address;
  last->at = now;
  const uint32_t times = same ? last->times + 1 : 1;
  last->times = times;
  return times;
}

static void begin_row_anew(void) { unrepaired[(uint64_t)CALL(SYS_gettid, 0, 0, 0, 0, 0, 0) % THREADS].thread = 0; }

// The default action: an access is made again and ends the process at its true place, a signal that was sent is sent again.
static void give_up(int signal, const signal_info *info) {
  const action standard = {0};
  CALL(SYS_rt_sigaction, signal, &standard, 0, 8, 0, 0);
  if (info->code <= 0)
    CALL(SYS_tgkill, CALL(SYS_getpid, 0, 0, 0, 0, 0, 0), CALL(SYS_gettid, 0, 0, 0, 0, 0, 0), signal, 0, 0, 0);
}

static void call_previous(chain *c, int signal, signal_info *info, void *context) {
  if (c->previous.flags & SA_SIGINFO) ((void (*)(int, signal_info *, void *))c->previous.handler)(signal, info, context);
  else ((void (*)(int))c->previous.handler)(signal);
}

static void pass_on(int signal, signal_info *info, void *context, uint32_t times) {
  chain *c = chain_of(signal);
  atomic_fetch_add(&shared.passed_on, 1);
  const bool is_fault = info->code > 0;
  if (c->previous.handler == SIG_IGN && !is_fault) return;
  if (c->previous.handler == SIG_DFL || c->previous.handler == SIG_IGN) return give_up(signal, info);
  // A handler that neither repairs nor moves on, as libuv's, would be called for ever.
  if (times > MOST_REPEATS) return give_up(signal, info);

  // Two guards that each found the other installed call each other: the same signal comes round again.
  int place = -1;
  for (int i = 0; i < 16; i++) {
    if (atomic_load(&c->passing_on[i]) == info) return give_up(signal, info);
    const signal_info *nobody = 0;
    if (place < 0 && atomic_compare_exchange_strong(&c->passing_on[i], &nobody, info)) place = i;
  }
  const uint64_t pc = context_pc(context);
  call_previous(c, signal, info, context);
  if (place >= 0) atomic_store(&c->passing_on[place], (const signal_info *)0);
  if (context_pc(context) != pc) begin_row_anew(); // as V8's does, for an access outside a WebAssembly memory
}

static bool concerns(const range *r, uint64_t address, int signal) {
  if (atomic_load_explicit(&r->state, memory_order_acquire) != WATCHED) return false;
  if (address < atomic_load(&r->start) || address >= atomic_load(&r->end)) return false;
  return signal == SIGBUS || !(r->protection & PROT_WRITE);
}

static bool repair_where_watched(uint64_t address, int signal, int code, bool *found) {
  bool repaired = false;
  atomic_fetch_add(&handlers_running, 1);
  for (uint32_t i = 0, end = atomic_load(&ranges_end); i < end && !*found; i++) {
    range *r = &ranges[i];
    if (!concerns(r, address, signal)) continue;
    *found = true;
    acquire(&r->lock);
    repaired = repair(r, address, signal, code);
    release(&r->lock);
  }
  if (repaired) notify();
  atomic_fetch_sub(&handlers_running, 1);
  return repaired;
}

static void handle(int signal, signal_info *info, void *context) {
  if (info->code <= 0) return pass_on(signal, info, context, 0); // sent by kill: no address
  const uint64_t address = (uint64_t)info->address;
  bool found = false;
  // Of the forbidden accesses only those to pages that exist.
  if ((signal == SIGBUS || info->code == SEGV_ACCERR) && repair_where_watched(address, signal, info->code, &found)) return;
  const uint32_t times = times_in_a_row(context_pc(context), address);
  // The range may have been left since: then its pages are harmless by now, and the access succeeds when it is made
  // again. Passed on at once, the signal would end a process that had nothing to fear.
  if (times == 1) return;
  if (found) atomic_fetch_add(&shared.failed, 1);
  pass_on(signal, info, context, times);
}

#if defined(__x86_64__)
void restore_context(void) __attribute__((visibility("hidden")));
__asm__(".text\n.hidden restore_context\n.globl restore_context\n.type restore_context,@function\nrestore_context:\n mov $15,%eax\n syscall\n");
#endif

static action installed(int signal) {
  action current = {0};
  CALL(SYS_rt_sigaction, signal, 0, &current, 8, 0, 0);
  return current;
}

static bool is_ours(int signal) { return installed(signal).handler == (void *)handle; }

static int install(int signal) {
  const action current = installed(signal);
  if (current.handler == (void *)handle) return 0;
  action ours = {.handler = (void *)handle, .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
#if defined(__x86_64__)
  ours.flags |= SA_RESTORER;
  ours.restorer = (void *)restore_context;
#endif
  chain_of(signal)->previous = current;
  const long result = CALL(SYS_rt_sigaction, signal, &ours, 0, 8, 0, 0);
  return is_error(result) ? (int)result : 1;
}

// ---- What JavaScript calls: results are >= 0 or -errno ---------------------------------------------------------------

static _Atomic uint32_t install_lock;

// Installs the handlers, again where somebody has replaced them. Returns how many had to be.
EXPORT int guard_install(uint32_t page_bytes) {
  acquire(&install_lock);
  system_page_bytes = page_bytes;
  const int bus = install(SIGBUS), violation = install(SIGSEGV);
  if (bus > 0 || violation > 0) atomic_fetch_add(&shared.installs, 1);
  release(&install_lock);
  return bus < 0 ? bus : violation < 0 ? violation : bus + violation;
}

// Bit 0: SIGBUS comes to us; bit 1: SIGSEGV does.
EXPORT int guard_installed(void) { return is_ours(SIGBUS) | is_ours(SIGSEGV) << 1; }

EXPORT void *guard_control(void) {
  shared.layout_version = LAYOUT_VERSION;
  shared.capacity = CAPACITY;
  return &shared;
}

// A number for the calling thread, to be given to guard_thread_ended at its end.
EXPORT int guard_owner(void) { return (int)(atomic_fetch_add(&last_owner, 1) + 1); }

static void leave(range *r) {
  uint32_t watched = WATCHED;
  if (!atomic_compare_exchange_strong(&r->state, &watched, LEAVING)) return;
  // A handler that has found the range must be through: it maps at fixed addresses.
  while (atomic_load(&handlers_running)) yield();
  forget_replaced(r, 0);
  atomic_fetch_sub(&shared.watched, 1);
  atomic_store(&r->state, FREE);
}

// Addresses are in one place only, so whatever else claims them is a leftover.
static void leave_overlapping(uint64_t start, uint64_t end) {
  for (uint32_t i = 0, top = atomic_load(&ranges_end); i < top; i++) {
    range *r = &ranges[i];
    if (atomic_load(&r->state) == WATCHED && atomic_load(&r->start) < end && atomic_load(&r->end) > start) leave(r);
  }
}

// Watches a range. With `counter` >= 0 its faults are counted as those of that one. Returns its index.
EXPORT int guard_watch(uint64_t start, uint64_t bytes, int fd, uint64_t file_offset, uint32_t protection, uint32_t owner, int counter) {
  file_status status;
  file_system_status system = {0};
  if (start % system_page_bytes || !bytes || counter >= CAPACITY) return -EINVAL;
  if (!get_status(fd, &status)) return -EINVAL;
  CALL(SYS_fstatfs, fd, &system, 0, 0, 0, 0);
  const uint32_t page_bytes = system.type == HUGETLBFS_MAGIC ? (uint32_t)system.block_size : system_page_bytes;
  const uint64_t end = start + up_to(bytes, page_bytes);
  leave_overlapping(start, end);
  for (uint32_t i = 0; i < CAPACITY; i++) {
    range *r = &ranges[i];
    uint32_t expected = FREE;
    if (atomic_load(&r->state) != FREE || !atomic_compare_exchange_strong(&r->state, &expected, TAKEN)) continue;
    atomic_store(&r->start, start);
    atomic_store(&r->end, end);
    r->file_offset = file_offset;
    r->device = status.device;
    r->inode = status.inode;
    r->fd = fd;
    r->protection = protection;
    r->page_bytes = page_bytes;
    r->owner = owner;
    r->counter = counter < 0 ? i : (uint32_t)counter;
    r->fault_cause = NONE;
    uint32_t top = atomic_load(&ranges_end);
    while (top <= i && !atomic_compare_exchange_weak(&ranges_end, &top, i + 1)) continue;
    atomic_fetch_add(&shared.watched, 1);
    atomic_store_explicit(&r->state, WATCHED, memory_order_release);
    return (int)i;
  }
  return -ENOMEM;
}

static range *watched_range(int index) {
  return index >= 0 && index < CAPACITY && atomic_load(&ranges[index].state) == WATCHED ? &ranges[index] : 0;
}

// The range is about to be mapped anew from byte `from` on, and to be `bytes` long.
EXPORT int guard_extend(int index, uint64_t bytes, uint64_t from) {
  range *r = watched_range(index);
  if (!r) return -EINVAL;
  acquire(&r->lock);
  atomic_store(&r->end, atomic_load(&r->start) + up_to(bytes, r->page_bytes));
  forget_replaced(r, from / r->page_bytes);
  if (r->replaced) {
    // The bits are as many as the old pages: from now on as many as the new ones.
    const uint64_t wanted = up_to(page_of(r, r->end - 1) / 8 + 1, system_page_bytes);
    const long bits = CALL(SYS_mremap, r->replaced, r->replaced_bytes, wanted, MREMAP_MAYMOVE, 0, 0);
    if (!is_error(bits)) {
      r->replaced = (uint64_t)bits;
      r->replaced_bytes = wanted;
    }
  }
  release(&r->lock);
  return 0;
}

// Under the lock of the range. A range that cannot be mapped gets zeros: a hole in it would be for anybody to map into.
static long map_file(range *r) {
  file_status status;
  long result = -EBADF;
  if (names_its_file(r, &status))
    result = CALL(SYS_mmap, r->start, r->end - r->start, r->protection, MAP_FIXED | MAP_SHARED, r->fd, r->file_offset);
  if (is_error(result)) {
    count_fault(r, UNBACKED, 0, r->start, -1);
    map_zeros(r->start, r->end - r->start, MAP_FIXED);
    return result;
  }
  forget_replaced(r, 0);
  return 0;
}

// Maps the file's pages anew over a range and its mirror (-1: it has none): the next fault is a first one. Here and not
// in JavaScript, because a thread that faults between the mapping and the forgetting would either find its page marked as
// replaced, or have its fault forgotten. `acknowledged` gets the count of the faults that are.
EXPORT int guard_restore(int index, int mirror, uint32_t *acknowledged) {
  range *r = watched_range(index), *m = watched_range(mirror);
  if (!r || (mirror >= 0 && !m)) return -EINVAL;
  acquire(&r->lock);
  if (m) acquire(&m->lock);
  long result = map_file(r);
  if (m && result == 0) result = map_file(m);
  if (result == 0) {
    r->fault_cause = NONE;
    if (m) m->fault_cause = NONE;
    *acknowledged = atomic_load(&shared.faults_of[r->counter]);
  }
  if (m) release(&m->lock);
  release(&r->lock);
  return (int)result;
}

EXPORT int guard_leave(int index) {
  range *r = watched_range(index);
  if (!r) return -EINVAL;
  leave(r);
  return 0;
}

// The first fault of a range: { cause, signal code, offset in the file, size of the file then }. Returns whether there is one.
EXPORT int guard_describe(int index, double *into) {
  range *r = watched_range(index);
  if (!r) return -EINVAL;
  acquire(&r->lock);
  into[0] = r->fault_cause;
  into[1] = r->fault_code;
  into[2] = (double)r->fault_offset;
  into[3] = (double)r->fault_size;
  release(&r->lock);
  return into[0] != NONE;
}

// Has a byte written into a pipe after each fault. The descriptor is ours from here on.
EXPORT int guard_notify(int fd, uint32_t owner) {
  for (int i = 0; i < NOTIFIED; i++) {
    uint32_t expected = FREE;
    if (!atomic_compare_exchange_strong(&notified[i].state, &expected, TAKEN)) continue;
    notified[i].fd = fd;
    notified[i].owner = owner;
    atomic_store_explicit(&notified[i].state, WATCHED, memory_order_release);
    return i;
  }
  return -ENOSPC;
}

EXPORT int guard_silence(int index) {
  uint32_t watched = WATCHED;
  if (index < 0 || index >= NOTIFIED) return -EINVAL;
  if (!atomic_compare_exchange_strong(&notified[index].state, &watched, LEAVING)) return -EINVAL;
  while (atomic_load(&handlers_running)) yield();
  CALL(SYS_close, notified[index].fd, 0, 0, 0, 0, 0);
  atomic_store(&notified[index].state, FREE);
  return 0;
}

// Node's own, found in the program that loads this object.
extern int napi_add_env_cleanup_hook(void *environment, void (*hook)(void *), void *argument) __attribute__((weak));

EXPORT void guard_thread_ended(void *owner);

// Has guard_thread_ended called when that environment, of a thread of Node's, comes to its end.
EXPORT int guard_follow_thread(void *environment, uint32_t owner) {
  if (!napi_add_env_cleanup_hook) return -EINVAL;
  return napi_add_env_cleanup_hook(environment, guard_thread_ended, (void *)(uintptr_t)owner) == 0 ? 0 : -EINVAL;
}

// The end of a thread, terminated or not: its JavaScript does not run any more, and its address space is about to be
// freed. Its pages become zeros for whoever still holds a view of them, and nothing here refers to them any longer.
EXPORT void guard_thread_ended(void *owner) {
  for (int i = 0; i < NOTIFIED; i++)
    if (notified[i].owner == (uint32_t)(uintptr_t)owner) guard_silence(i);
  for (uint32_t i = 0, top = atomic_load(&ranges_end); i < top; i++) {
    range *r = &ranges[i];
    if (atomic_load(&r->state) != WATCHED || r->owner != (uint32_t)(uintptr_t)owner) continue;
    acquire(&r->lock);
    map_zeros(r->start, r->end - r->start, MAP_FIXED);
    release(&r->lock);
    leave(r);
  }
}
