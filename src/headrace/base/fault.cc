// The armed side of fault points: one plan at a time, guarded by a mutex.
#include "headrace/base/fault.h"

#include <csignal>
#include <cstdlib>
#include <mutex>

namespace headrace::fault {
namespace {

struct Plan {
  std::mutex mutex;
  std::string prefix;
  int64_t fail_at = 0;  // 0: only count
  int64_t seen = 0;
  Action action = Action::kError;
};

Plan& ThePlan() {
  static Plan plan;
  return plan;
}

void Start(std::string_view prefix, int64_t k, Action action) {
  Plan& plan = ThePlan();
  std::lock_guard lock(plan.mutex);
  plan.prefix = prefix;
  plan.fail_at = k;
  plan.seen = 0;
  plan.action = action;
  armed.store(true, std::memory_order_relaxed);
}

}  // namespace

std::atomic<bool> armed{false};

void Count(std::string_view prefix) { Start(prefix, 0, Action::kError); }

void Arm(std::string_view prefix, int64_t k, Action action) { Start(prefix, k, action); }

void ArmFromEnvironment() {
  const char* text = std::getenv("HEADRACE_FAULT");
  if (text == nullptr) return;
  std::string_view spec(text);
  const size_t colon = spec.find(':');
  if (colon == std::string_view::npos) return;
  const int64_t k = std::strtoll(text + colon + 1, nullptr, 10);
  Arm(spec.substr(0, colon), k, spec.ends_with(":kill") ? Action::kKill : Action::kError);
}

int64_t Disarm() {
  Plan& plan = ThePlan();
  std::lock_guard lock(plan.mutex);
  armed.store(false, std::memory_order_relaxed);
  return plan.seen;
}

Status PassSlow(const char* name) {
  Plan& plan = ThePlan();
  std::lock_guard lock(plan.mutex);
  const std::string_view point(name);
  if (plan.prefix.empty() ? point.starts_with("memory.") : !point.starts_with(plan.prefix)) {
    return Status::OK();
  }
  if (++plan.seen != plan.fail_at) return Status::OK();
  if (plan.action == Action::kKill) std::raise(SIGKILL);
  return Error(ErrorKind::kIo, "fault point {} failed on passage {}", name, plan.seen);
}

}  // namespace headrace::fault
