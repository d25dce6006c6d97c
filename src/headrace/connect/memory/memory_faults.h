// Faults of streams in memory: which call goes wrong, and how, so that a test can try them all.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "headrace/base/error.h"

namespace headrace {

struct MemoryFault {
  enum class Effect {
    kNone,
    kFail,    // an error, and nothing else happens
    kLose,    // of a read: the rows are lost on their way; of others: it is done, its answer lost
    kRepeat,  // of a read: rows come again that came before
    kDie,     // the writer dies before the call: it and all later ones fail
    kFence,   // another writer has taken its place
  };
  enum class Call { kRead, kWrite, kPrepare, kCommit };
  Effect effect = Effect::kNone;
  Call call = Call::kRead;
  int64_t at = 1;  // the at-th call of this kind, from 1

  bool operator==(const MemoryFault&) const = default;
};

/// "die commit 2, lose read 1": an effect, a call and its number, with commas between.
Result<std::vector<MemoryFault>> ParseMemoryFaults(std::string_view text);

/// Counts calls over the life of a stream, whoever makes them: a fault happens once.
class MemoryFaultPlan {
 public:
  void Add(const std::vector<MemoryFault>& faults);
  /// Counts the call; kNone: all is well.
  MemoryFault::Effect Take(MemoryFault::Call call);
  int64_t calls(MemoryFault::Call call) const { return calls_[static_cast<size_t>(call)]; }

 private:
  std::vector<MemoryFault> faults_;
  std::array<int64_t, 4> calls_ = {};
};

}  // namespace headrace
