// Named fault points: a test counts passages, then makes the k-th fail, for k = 1 … n. Unarmed they
// cost one relaxed atomic load. The empty prefix means all but memory.*, which every buffer passes.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "headrace/base/error.h"

namespace headrace::fault {

/// What an armed point does when its turn comes.
enum class Action : uint8_t {
  kError,  // return an IoError that names the point
  kKill,   // raise SIGKILL in this process
};

/// Starts counting passages of points whose name begins with `prefix`; resets the counts.
void Count(std::string_view prefix);
/// Arms: the k-th (from 1) passage of points whose name begins with `prefix` takes `action`.
void Arm(std::string_view prefix, int64_t k, Action action = Action::kError);
/// Arms from the environment variable HEADRACE_FAULT="prefix:k[:kill]", if set.
void ArmFromEnvironment();
/// Stops counting and disarms. Returns the passages seen since Count or Arm.
int64_t Disarm();

extern std::atomic<bool> armed;
Status PassSlow(const char* name);

inline Status Pass(const char* name) {
  if (!armed.load(std::memory_order_relaxed)) [[likely]]
    return Status::OK();
  return PassSlow(name);
}

}  // namespace headrace::fault

/// Marks a place that can fail: returns from the enclosing function when it is told to.
#define HEADRACE_FAULT_POINT(name) ARROW_RETURN_NOT_OK(::headrace::fault::Pass(name))
