// The text of faults, and their turns.
#include "headrace/connect/memory/memory_faults.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "headrace/base/ascii_case.h"

namespace headrace {
namespace {

using Call = MemoryFault::Call;
using Effect = MemoryFault::Effect;

struct EffectName {
  const char* name;
  Effect effect;
  bool is_of_reads;
  bool is_of_writers;
};

constexpr EffectName kEffects[] = {
    {"fail", Effect::kFail, true, true},      {"lose", Effect::kLose, true, true},
    {"repeat", Effect::kRepeat, true, false}, {"die", Effect::kDie, false, true},
    {"fence", Effect::kFence, false, true},
};

struct CallName {
  const char* name;
  Call call;
};

constexpr CallName kCalls[] = {{"read", Call::kRead},
                               {"write", Call::kWrite},
                               {"prepare", Call::kPrepare},
                               {"commit", Call::kCommit}};

/// The front of `*text` up to `end`, without blanks around it; takes it away.
std::string_view TakeUntil(char end, std::string_view* text) {
  const size_t length = std::min(text->find(end), text->size());
  std::string_view part = text->substr(0, length);
  text->remove_prefix(std::min(length + 1, text->size()));
  while (part.starts_with(' ')) part.remove_prefix(1);
  while (part.ends_with(' ')) part.remove_suffix(1);
  return part;
}

bool ParseFault(std::string_view text, MemoryFault* fault) {
  const std::string effect_name = LowerCase(TakeUntil(' ', &text));
  const std::string call_name = LowerCase(TakeUntil(' ', &text));
  const std::string_view number = TakeUntil(' ', &text);
  const auto* effect = std::find_if(std::begin(kEffects), std::end(kEffects),
                                    [&](const auto& one) { return one.name == effect_name; });
  const auto* call = std::find_if(std::begin(kCalls), std::end(kCalls),
                                  [&](const auto& one) { return one.name == call_name; });
  if (effect == std::end(kEffects) || call == std::end(kCalls)) return false;
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, fault->at);
  fault->effect = effect->effect;
  fault->call = call->call;
  const bool may_be = call->call == Call::kRead ? effect->is_of_reads : effect->is_of_writers;
  return may_be && text.empty() && error == std::errc() && stop == end && fault->at > 0;
}

}  // namespace

Result<std::vector<MemoryFault>> ParseMemoryFaults(std::string_view text) {
  std::vector<MemoryFault> faults;
  while (!text.empty()) {
    const std::string_view one = TakeUntil(',', &text);
    if (ParseFault(one, &faults.emplace_back())) continue;
    return Error(
        ErrorKind::kInvalidArgument,
        "memory stream: option faults expects fail, lose or repeat and read, or fail, lose, die or "
        "fence and write, prepare or commit, and the number of the call, as in 'lose "
        "read 1, die commit 2'; got '{}'",
        one);
  }
  return faults;
}

void MemoryFaultPlan::Add(const std::vector<MemoryFault>& faults) {
  for (const MemoryFault& fault : faults) {
    if (std::find(faults_.begin(), faults_.end(), fault) == faults_.end()) {
      faults_.push_back(fault);
    }
  }
}

Effect MemoryFaultPlan::Take(Call call) {
  const int64_t number = ++calls_[static_cast<size_t>(call)];
  for (const MemoryFault& fault : faults_) {
    if (fault.call == call && fault.at == number) return fault.effect;
  }
  return Effect::kNone;
}

}  // namespace headrace
