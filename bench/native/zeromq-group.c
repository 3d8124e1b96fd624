// libzmq's publish and subscribe over ipc://, with nothing dropped: a full subscriber makes the publisher wait.
#include "group.h"
#include <zmq.h>

enum { HIGH_WATER_MARK = 10000 };

static void set(void *socket, int option, int value) {
  if (zmq_setsockopt(socket, option, &value, sizeof value)) die("zmq_setsockopt");
}

static void publish(const group_role *r, const work *k, void *context, const char *address) {
  void *socket = zmq_socket(context, ZMQ_XPUB);
  set(socket, ZMQ_SNDHWM, HIGH_WATER_MARK);
  set(socket, ZMQ_XPUB_NODROP, 1);
  set(socket, ZMQ_XPUB_VERBOSE, 1);
  if (zmq_bind(socket, address)) die("zmq_bind");
  char subscription[8];
  for (uint32_t c = 0; c < r->consumers; c++)
    if (zmq_recv(socket, subscription, sizeof subscription, 0) < 0) die("zmq_recv");
  await_go();
  uint64_t started_ns = 0;
  for (uint64_t i = 0; i < r->count; i++) {
    if (i == r->warmup) started_ns = processor_ns();
    number(k, (char *)k->source, stamp_of(r, i));
    if (zmq_send(socket, k->source, k->size, 0) < 0) die("zmq_send");
  }
  printf("{\"producerNs\":%f}\n", (double)(processor_ns() - started_ns) / (double)(r->count - r->warmup));
  fflush(stdout);
  zmq_close(socket);
  zmq_ctx_term(context); // sends what has not been sent yet
}

static void subscribe(const group_role *r, const work *k, void *context, const char *address) {
  void *socket = zmq_socket(context, ZMQ_SUB);
  set(socket, ZMQ_RCVHWM, HIGH_WATER_MARK);
  set(socket, ZMQ_RECONNECT_IVL, 1);
  if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) || zmq_connect(socket, address)) die("zmq_connect");
  intake t = intake_create(r);
  zmq_msg_t message;
  zmq_msg_init(&message);
  await_go();
  intake_start(&t);
  while (!intake_is_complete(&t)) {
    if (zmq_msg_recv(&message, socket, 0) < 0) die("zmq_msg_recv");
    take_in(&t, k, (const char *)zmq_msg_data(&message), (uint32_t)zmq_msg_size(&message));
  }
  t.ended_ns = now_ns();
  report_intake(&t);
}

int main(int argc, char **argv) {
  const group_role r = parse_group_role(argc, argv);
  const work k = work_create(r.size);
  char address[4096];
  snprintf(address, sizeof address, "ipc://%s", r.path);
  if (r.produces) publish(&r, &k, zmq_ctx_new(), address);
  else subscribe(&r, &k, zmq_ctx_new(), address);
  return 0;
}
