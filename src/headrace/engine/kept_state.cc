// The comparison of a checkpoint with the queries of a job.
#include "headrace/engine/kept_state.h"

#include <fmt/ranges.h>

#include "headrace/table/options.h"

namespace headrace {
namespace {

std::string Listed(const char* what, const std::vector<std::string>& names) {
  return names.empty() ? "" : fmt::format("; {}: {}", what, fmt::join(names, ", "));
}

Status CheckDropped(const CheckpointReader& saved, const std::string& directory,
                    const StateTerms& terms) {
  for (const std::string& name : terms.drop) {
    if (saved.Find(name) != nullptr) continue;
    const std::string nearest = NearestName(name, saved.QueryNames());
    return Error(ErrorKind::kUnknownName, "{} holds no state of a query called \"{}\"{}", directory,
                 name, nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest));
  }
  return Status::OK();
}

Status Refusal(const std::string& directory, int64_t epoch, const std::vector<std::string>& changed,
               const std::vector<std::string>& gone) {
  std::string text;
  for (const std::string& name : changed) {
    text += fmt::format("; query \"{}\" has changed", name);
  }
  for (const std::string& name : gone) {
    text += fmt::format("; query \"{}\" is no longer there", name);
  }
  const std::string& first = changed.empty() ? gone.front() : changed.front();
  text += fmt::format(
      ". Give their state up by name (--drop-state '{0}'; in Python drop_state=[\"{0}\"])", first);
  if (!changed.empty()) {
    text += " or start all that have changed anew (--allow-rebuild; allow_rebuild=True)";
  }
  return Error(ErrorKind::kStale, "the state in {} (epoch {}) is that of another job{}", directory,
               epoch, text);
}

}  // namespace

std::string KeptState::Text() const {
  return fmt::format("epoch {}{}{}{}{}", epoch, Listed("goes on with", kept),
                     Listed("starts anew", rebuilt), Listed("new", added),
                     Listed("gave up the state of", dropped));
}

Result<KeptState> DecideState(const CheckpointReader& saved, const std::string& directory,
                              const std::map<std::string, uint64_t>& plans,
                              const StateTerms& terms) {
  ARROW_RETURN_NOT_OK(CheckDropped(saved, directory, terms));
  KeptState state;
  state.epoch = saved.epoch();
  std::vector<std::string> changed;
  std::vector<std::string> gone;
  for (const auto& [name, hash] : plans) {
    const QueryCheckpoint* query = saved.Find(name);
    if (query == nullptr) {
      state.added.push_back(name);
    } else if (terms.drop.contains(name)) {
      state.rebuilt.push_back(name);
    } else if (query->plan_hash() == hash) {
      state.kept.push_back(name);
    } else if (terms.allow_rebuild) {
      state.rebuilt.push_back(name);
    } else {
      changed.push_back(name);
    }
  }
  for (const std::string& name : saved.QueryNames()) {
    if (plans.contains(name)) continue;
    (terms.drop.contains(name) ? state.dropped : gone).push_back(name);
  }
  if (!changed.empty() || !gone.empty()) {
    return Refusal(directory, state.epoch, changed, gone);
  }
  return state;
}

}  // namespace headrace
