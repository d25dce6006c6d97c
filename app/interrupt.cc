// Signals.
#include "interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace headrace::app {
namespace {

std::atomic<int> caught{0};
static_assert(std::atomic<int>::is_always_lock_free);

void OnSignal(int signal) {
  if (caught.exchange(signal) != 0) _exit(128 + signal);
}

}  // namespace

void CatchSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file past the limit (ulimit -f) is an error of its write
}

int CaughtSignal() { return caught.load(); }

void ForgetInterrupt() {
  int expected = SIGINT;
  caught.compare_exchange_strong(expected, 0);
}

Status CheckInterrupted() {
  if (CaughtSignal() == 0) return Status::OK();
  return Error(ErrorKind::kCancelled, "interrupted");
}

}  // namespace headrace::app
