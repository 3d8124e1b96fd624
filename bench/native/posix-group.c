// A POSIX message queue: the kernel's, as deep as it lets everybody have one; send and receive wait.
#include "shared-queue.h"
#include <mqueue.h>

enum { DEPTH = 10 };
static const bool waits_inside = true;

static const char *name_of(const group_role *r) {
  static char name[256];
  const char *file = strrchr(r->path, '/');
  const char *folder = file;
  while (folder > r->path && folder[-1] != '/') folder--;
  snprintf(name, sizeof name, "/%.*s.%s", (int)(file - folder), folder, file + 1);
  return name;
}

static void all_attached(const group_role *r) { mq_unlink(name_of(r)); }

// A descriptor, handed on as the pointer that the driver carries.
static void *open_queue(const group_role *r, int flags) {
  struct mq_attr shape = {.mq_maxmsg = DEPTH, .mq_msgsize = r->size};
  const mqd_t queue = mq_open(name_of(r), O_RDWR | O_CLOEXEC | flags, 0600, &shape);
  if (queue == (mqd_t)-1) die("mq_open");
  return (void *)(intptr_t)queue;
}

#define POSIX_GROUP(N)                                                                                                   \
  static void *queue_##N##_open(const group_role *r) { return open_queue(r, 0); }                                        \
  static void *queue_##N##_make(const group_role *r) { return open_queue(r, O_CREAT | O_EXCL); }                         \
  static inline bool send_##N(void *queue, const work *k, double stamp) {                                                \
    number(k, (char *)k->source, stamp);                                                                                 \
    if (mq_send((mqd_t)(intptr_t)queue, (const char *)k->source, N, 0)) die("mq_send");                                  \
    return true;                                                                                                         \
  }                                                                                                                      \
  static inline bool receive_##N(void *queue, char *copy) {                                                              \
    return mq_receive((mqd_t)(intptr_t)queue, copy, N, NULL) == N;                                                       \
  }

GROUP_SIZES(POSIX_GROUP)
SHARED_QUEUE_MAIN
