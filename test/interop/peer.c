// One end of a ring, in C: does what it is told on its standard input, a command a line, and answers each with the JSON
// ["answer", [what, value]]. test/src/programs/interop-peer.ts does the same in Node.js, and test/src/interop has them talk.
//
//   produce PATH, consume PATH [oldest] [name=TEXT] [keep=nothing|everything|BYTES]   take a place
//   write ID FIRST COUNT LONGEST WAIT   messages of producer ID, waiting for room
//   try ID FIRST COUNT LONGEST          the same, up to the first that finds no room
//   read COUNT LONGEST WAIT             that many, or up to the end; says what was wrong with them
//   wait WAIT [LENGTH]                  for a message, or room for one
//   fade MS                             dies: of what the kernel closes one after the other, the lock goes so much later
//   end, tidy, leave, alive SLOT, resize LEVEL, geometry TOPOLOGY PRODUCERS CONSUMERS CAPACITY MAXLEVEL PAGE
//
//   work-produce PATH, work-consume PATH   take a place in a work queue
//   put ID FIRST COUNT LONGEST WAIT        messages, waiting for room
//   get COUNT LONGEST WAIT                 that many, or up to the end, each acknowledged; says which they were
//   take WAIT, ack, nack DELAYMS, dead     one message; what is done with it; a dead letter, which is freed
//
// Message n of a producer has a length, a type and contents that follow from the two. WAIT is spin or park.
#define _GNU_SOURCE
#define MEMLANE_RING_IMPLEMENTATION
#include "memlane_work.h"
#include <signal.h>

enum { MOST_IDS = 64, PATIENCE_MS = 20000, BATCH = 4, RELEASE_AFTER = 8 };

static memlane_ring ring;
static memlane_producer producer;
static memlane_consumer consumer;
static memlane_queue queue;
static memlane_worker worker;
static memlane_delivery held;
static enum { NOBODY, PRODUCER, CONSUMER, WORKER } role;

static void say(const char *event, const char *value) {
  printf("[\"answer\",[\"%s\",%s]]\n", event, value);
  fflush(stdout);
}

static int fail(int error) {
  char text[256];
  snprintf(text, sizeof text, "{\"code\":\"%s\",\"field\":\"%s\"}", memlane_error_name(error),
           error != MEMLANE_CORRUPT ? "" : role == WORKER ? queue.file.field : ring.file.field);
  say("error", text);
  return error;
}

// ---- Messages that can be recognised ---------------------------------------------------------------------------------------

static uint32_t length_of(uint32_t id, uint32_t n, uint32_t longest) {
  const uint32_t mixed = (n * 2654435761u ^ id * 40503u) >> 8;
  return 8 + mixed % (longest - 7);
}
static uint8_t byte_of(uint32_t id, uint32_t n, uint32_t i) { return (uint8_t)(i * 31 + n * 7 + id * 13); }

static void fill(uint8_t *payload, uint32_t length, uint32_t id, uint32_t n) {
  memcpy(payload, &id, 4);
  memcpy(payload + 4, &n, 4);
  for (uint32_t i = 8; i < length; i++) payload[i] = byte_of(id, n, i);
}

// What has been read of each producer.
static struct {
  uint32_t first, next, count, skipped;
} seen[MOST_IDS];
static uint32_t longest_of_all, faults;
static char first_fault[128];

static void wrong(const char *what, uint32_t id, uint32_t n) {
  if (faults++ == 0) snprintf(first_fault, sizeof first_fault, "%s in message %u of %u", what, n, id);
}

static void check(const memlane_message *message) {
  uint32_t id, n;
  if (message->length < 8) {
    wrong("length", 0, 0);
    return;
  }
  memcpy(&id, message->payload, 4);
  memcpy(&n, message->payload + 4, 4);
  if (id >= MOST_IDS) wrong("id", id, n);
  else if ((uint32_t)message->type != n) wrong("type", id, n);
  else if (message->length != length_of(id, n, longest_of_all)) wrong("length", id, n);
  else {
    for (uint32_t i = 8; i < message->length; i++)
      if (message->payload[i] != byte_of(id, n, i)) {
        wrong("contents", id, n);
        break;
      }
    if (seen[id].count == 0) seen[id].first = seen[id].next = n;
    if (n < seen[id].next) wrong("order", id, n);
    seen[id].skipped += n - seen[id].next;
    seen[id].next = n + 1;
    seen[id].count += 1;
  }
}

// ---- Commands --------------------------------------------------------------------------------------------------------------

static memlane_strategy strategy_of(const char *name) { return strcmp(name, "spin") == 0 ? MEMLANE_SPIN : MEMLANE_PARK; }

static int write_messages(uint32_t id, uint32_t first, uint32_t count, uint32_t longest, const char *wait) {
  uint32_t n = first;
  while (n < first + count) {
    void *payload;
    const uint32_t length = length_of(id, n, longest);
    int result = memlane_claim(&producer, length, (int32_t)n, &payload);
    if (result < 0) return fail(result);
    if (result == 1) {
      fill(payload, length, id, n++);
      if (n % BATCH != 0) continue;
    }
    const int committed = memlane_commit(&producer);
    if (committed < 0) return fail(committed);
    if (result == 1) continue;
    if (!wait) break;
    result = memlane_wait_for_room(&producer, length, strategy_of(wait), PATIENCE_MS);
    if (result <= 0) return fail(result ? result : -ETIMEDOUT);
  }
  const int result = memlane_commit(&producer);
  if (result < 0) return fail(result);
  char text[32];
  snprintf(text, sizeof text, "%u", n - first);
  say("written", text);
  return 0;
}

static void report(bool ended) {
  printf("[\"answer\",[\"read\",{\"ended\":%s,\"lost\":%llu,\"faults\":%u,\"fault\":\"%s\",\"seen\":{", ended ? "true" : "false",
         (unsigned long long)consumer.lost_records, faults, first_fault);
  const char *comma = "";
  for (uint32_t id = 0; id < MOST_IDS; id++) {
    if (seen[id].count == 0) continue;
    printf("%s\"%u\":{\"first\":%u,\"next\":%u,\"count\":%u,\"skipped\":%u}", comma, id, seen[id].first, seen[id].next,
           seen[id].count, seen[id].skipped);
    comma = ",";
  }
  printf("}}]]\n");
  fflush(stdout);
}

static int read_messages(uint32_t count, uint32_t longest, const char *wait) {
  memset(seen, 0, sizeof seen);
  longest_of_all = longest;
  faults = 0;
  first_fault[0] = 0;
  int result = 0;
  for (uint32_t unreleased = 0; count > 0;) {
    memlane_message message;
    result = memlane_next(&consumer, &message);
    if (result < 0) return fail(result);
    if (result == 1) {
      check(&message);
      count -= 1;
      if (++unreleased < RELEASE_AFTER) continue;
    }
    unreleased = 0;
    const int released = memlane_release(&consumer);
    if (released < 0) return fail(released);
    if (result == 1) continue;
    result = memlane_is_ended(&consumer);
    if (result < 0) return fail(result);
    if (result == 1) break;
    result = memlane_wait(&consumer, strategy_of(wait), PATIENCE_MS);
    if (result <= 0) return fail(result ? result : -ETIMEDOUT);
  }
  const int released = memlane_release(&consumer);
  if (released < 0) return fail(released);
  report(count > 0);
  return 0;
}

static void leave(void) {
  if (role == PRODUCER) memlane_leave_producer(&producer);
  if (role == CONSUMER) memlane_leave_consumer(&consumer);
  if (role == WORKER) {
    memlane_work_leave(&worker);
    memlane_close_queue(&queue);
  } else if (role != NOBODY) memlane_close(&ring);
  role = NOBODY;
}

static int attach(const char *kind, const char *path, char **words) {
  leave();
  int result = memlane_open(&ring, path);
  if (result) return fail(result);
  const bool produces = strcmp(kind, "produce") == 0;
  memlane_consumer_options options = {0};
  options.retention = MEMLANE_KEEP_EVERYTHING;
  for (; *words; words++) {
    if (strcmp(*words, "oldest") == 0) options.from_oldest = true;
    else if (strncmp(*words, "name=", 5) == 0) options.name = *words + 5;
    else if (strcmp(*words, "keep=nothing") == 0) options.retention = MEMLANE_KEEP_NOTHING;
    else if (strncmp(*words, "keep=", 5) == 0 && strcmp(*words, "keep=everything") != 0) {
      options.retention = MEMLANE_KEEP_BYTES;
      options.kept_bytes = atof(*words + 5);
    }
  }
  if (produces) result = memlane_produce(&producer, &ring);
  else result = memlane_consume(&consumer, &ring, ring.topology >= MEMLANE_BROADCAST ? &options : NULL);
  if (result) {
    fail(result);
    memlane_close(&ring);
    return result;
  }
  role = produces ? PRODUCER : CONSUMER;
  char text[32];
  snprintf(text, sizeof text, "%u", produces ? producer.member.slot : consumer.member.slot);
  say("attached", text);
  return 0;
}

// ---- The work queue --------------------------------------------------------------------------------------------------------

static int attach_to_queue(const char *kind, const char *path) {
  leave();
  role = WORKER; // for the field of an error
  int result = memlane_open_queue(&queue, path);
  if (result == 0) {
    const bool produces = strcmp(kind, "work-produce") == 0;
    result = produces ? memlane_work_produce(&worker, &queue) : memlane_work_consume(&worker, &queue);
    if (result) memlane_close_queue(&queue);
  }
  if (result) {
    fail(result);
    role = NOBODY;
    return result;
  }
  char text[32];
  snprintf(text, sizeof text, "%u", worker.member.slot);
  say("attached", text);
  return 0;
}

static int put(uint32_t id, uint32_t first, uint32_t count, uint32_t longest, const char *wait) {
  static uint8_t payload[1 << 16];
  for (uint32_t n = first; n < first + count;) {
    const uint32_t length = length_of(id, n, longest);
    fill(payload, length, id, n);
    int result = memlane_work_write(&worker, payload, length, (int32_t)n);
    if (result < 0) return fail(result);
    if (result == 1) {
      n++;
      continue;
    }
    result = memlane_work_wait_for_room(&worker, strategy_of(wait), PATIENCE_MS);
    if (result <= 0) return fail(result ? result : -ETIMEDOUT);
  }
  char text[32];
  snprintf(text, sizeof text, "%u", count);
  say("written", text);
  return 0;
}

// Takes a message, or finds the end: 0.
static int take(const char *wait) {
  for (;;) {
    int result = memlane_work_take(&worker, &held);
    if (result) return result;
    result = memlane_work_is_ended(&worker);
    if (result) return result < 0 ? result : 0;
    result = memlane_work_wait(&worker, strategy_of(wait), PATIENCE_MS);
    if (result <= 0) return result ? result : -ETIMEDOUT;
  }
}

static int get(uint32_t count, uint32_t longest, const char *wait) {
  longest_of_all = longest;
  faults = 0;
  first_fault[0] = 0;
  printf("[\"answer\",[\"got\",{\"messages\":[");
  const char *comma = "";
  int result = 1;
  while (count-- > 0 && (result = take(wait)) > 0) {
    const memlane_message message = {held.payload, held.length, 0, held.type};
    memset(seen, 0, sizeof seen); // their order is nobody's
    check(&message);
    printf("%s[%u,%d,%d]", comma, *(const uint32_t *)held.payload, held.type, held.deliveries);
    comma = ",";
    if ((result = memlane_work_acknowledge(&worker, &held))) break;
    result = 1;
  }
  printf("],\"faults\":%u,\"fault\":\"%s\",\"ended\":%s,\"error\":\"%s\"}]]\n", faults, first_fault,
         result == 0 ? "true" : "false", result < 0 ? memlane_error_name(result) : "");
  fflush(stdout);
  return 0;
}

static void tell_delivery(int result) {
  char text[96] = "null";
  if (result < 0) {
    fail(result);
    return;
  }
  if (result == 1)
    snprintf(text, sizeof text, "[%u,%d,%d]", *(const uint32_t *)held.payload, held.type, held.deliveries);
  say("taken", text);
}

static void tell_geometry(const uint32_t n[6]) {
  const memlane_geometry at = memlane_geometry_of(n[0], n[1], n[2], n[3], n[4], n[5]);
  char text[512];
  snprintf(text, sizeof text,
           "{\"slotCount\":%u,\"slotsOffset\":%u,\"sleepersOffset\":%u,\"namesOffset\":%u,\"changesOffset\":%u,"
           "\"lanesOffset\":%u,\"laneBytes\":%u,\"dataOffset\":%u,\"extentBytes\":%llu,"
           "\"fileLength\":%llu}",
           at.slot_count, at.slots_offset, at.sleepers_offset, at.names_offset, at.changes_offset, at.lanes_offset,
           at.lane_bytes, at.data_offset, (unsigned long long)at.extent_bytes, (unsigned long long)at.file_length);
  say("geometry", text);
}

static void obey(char **words, uint32_t count) {
  const char *verb = words[0];
  uint32_t n[6] = {0};
  for (uint32_t i = 1; i < count && i <= 6; i++) n[i - 1] = (uint32_t)strtoul(words[i], NULL, 10);
  char text[32];
  int result = 0;
  if (strcmp(verb, "produce") == 0 || strcmp(verb, "consume") == 0) attach(verb, words[1], words + 2);
  else if (strcmp(verb, "write") == 0) write_messages(n[0], n[1], n[2], n[3], words[5]);
  else if (strcmp(verb, "try") == 0) write_messages(n[0], n[1], n[2], n[3], NULL);
  else if (strcmp(verb, "read") == 0) read_messages(n[0], n[1], words[3]);
  else if (strcmp(verb, "geometry") == 0) tell_geometry(n);
  else if (strncmp(verb, "work-", 5) == 0) attach_to_queue(verb, words[1]);
  else if (strcmp(verb, "put") == 0) put(n[0], n[1], n[2], n[3], words[5]);
  else if (strcmp(verb, "get") == 0) get(n[0], n[1], words[3]);
  else if (strcmp(verb, "take") == 0) tell_delivery(take(words[1]));
  else if (strcmp(verb, "ack") == 0 || strcmp(verb, "nack") == 0) {
    if (*verb == 'a') result = memlane_work_acknowledge(&worker, &held);
    else result = memlane_work_give_back(&worker, &held, n[0]);
    if (result == 0) say("settled", "null");
  } else if (strcmp(verb, "dead") == 0) {
    result = memlane_work_take_dead(&worker, &held);
    if (result == 1) {
      tell_delivery(1);
      memlane_work_acknowledge(&worker, &held);
    } else if (result == 0) say("taken", "null");
  }
  else if (strcmp(verb, "fade") == 0) {
    memlane_member *m = role == PRODUCER ? &producer.member : &consumer.member;
    close(m->bell);
    close(m->life);
    usleep(n[0] * 1000);
    raise(SIGKILL);
  } else if (strcmp(verb, "leave") == 0) {
    leave();
    say("left", "null");
  } else if (strcmp(verb, "end") == 0) {
    result = role == WORKER ? memlane_work_end(&worker) : memlane_end(&producer);
    if (result == 0) say("ended", "null");
  } else if (strcmp(verb, "wait") == 0) {
    if (role == PRODUCER) result = memlane_wait_for_room(&producer, n[1], strategy_of(words[1]), PATIENCE_MS);
    else result = memlane_wait(&consumer, strategy_of(words[1]), PATIENCE_MS);
    if (result >= 0) say("woken", result ? "true" : "false");
  } else if (strcmp(verb, "resize") == 0) {
    result = memlane_resize(&producer, n[0]);
    if (result == 0) say("resized", "null");
  } else if (strcmp(verb, "tidy") == 0) {
    result = memlane_tidy(&consumer);
    snprintf(text, sizeof text, "%d", result);
    if (result >= 0) say("tidied", text);
  } else if (strcmp(verb, "alive") == 0) say("alive", memlane_is_alive(&ring.file, n[0]) ? "true" : "false");
  else say("error", "{\"code\":\"no such command\"}");
  if (result < 0) fail(result);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  char line[8192];
  while (fgets(line, sizeof line, stdin)) {
    char *words[16] = {0}; // the last one stays NULL
    uint32_t count = 0;
    for (char *word = strtok(line, " \n"); word && count < 15; word = strtok(NULL, " \n")) words[count++] = word;
    if (count > 0) obey(words, count);
  }
  leave(); // whoever told it is gone
  return 0;
}
