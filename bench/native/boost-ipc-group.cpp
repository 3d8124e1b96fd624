// boost::interprocess::message_queue: a priority queue in shared memory behind a mutex; send and receive wait.
#include "shared-queue.h"
#include <boost/interprocess/ipc/message_queue.hpp>

static const bool waits_inside = true;
using boost::interprocess::message_queue;
namespace interprocess = boost::interprocess;

// In the system's folder of shared memory, whatever the path.
static const char *name_of(const group_role *r) {
  static char name[256];
  const char *file = strrchr(r->path, '/');
  const char *folder = file;
  while (folder > r->path && folder[-1] != '/') folder--;
  snprintf(name, sizeof name, "%.*s.%s", (int)(file - folder), folder, file + 1);
  return name;
}

static void all_attached(const group_role *r) { message_queue::remove(name_of(r)); }

static inline bool send(void *queue, const work *k, double stamp) {
  number(k, reinterpret_cast<char *>(k->source), stamp);
  static_cast<message_queue *>(queue)->send(k->source, k->size, 0);
  return true;
}

static inline bool receive(void *queue, char *copy, uint32_t size) {
  interprocess::message_queue::size_type length;
  unsigned priority;
  static_cast<message_queue *>(queue)->receive(copy, size, length, priority);
  return length == size;
}

#define BOOST_IPC_GROUP(N)                                                                                               \
  static void *queue_##N##_open(const group_role *r) { return new message_queue(interprocess::open_only, name_of(r)); }  \
  static void *queue_##N##_make(const group_role *r) {                                                                   \
    return new message_queue(interprocess::create_only, name_of(r), QUEUE_BYTES / N, N);                                 \
  }                                                                                                                      \
  static inline bool send_##N(void *queue, const work *k, double stamp) { return send(queue, k, stamp); }                \
  static inline bool receive_##N(void *queue, char *copy) { return receive(queue, copy, N); }

GROUP_SIZES(BOOST_IPC_GROUP)
SHARED_QUEUE_MAIN
