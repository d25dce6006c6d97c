// The least recently used results go first.
#include "headrace/engine/result_cache.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "headrace/plan/builder.h"

namespace headrace {
namespace {

constexpr std::chrono::milliseconds kMakingPause{10};

int64_t NextKey() {
  static std::atomic<int64_t> count{0};
  return ++count;
}

}  // namespace

ResultCache::Entries::iterator ResultCache::Find(int64_t key) {
  return std::find_if(entries_.begin(), entries_.end(),
                      [key](const Entry& entry) { return entry.key == key; });
}

void ResultCache::Forget(Entries::iterator entry) {
  figures_.bytes -= entry->table->num_bytes();
  entries_.erase(entry);
}

void ResultCache::KeepWithin(int64_t limit_bytes) {
  for (auto entry = entries_.end(); figures_.bytes > limit_bytes && entry != entries_.begin();) {
    --entry;
    if (entry->table == nullptr) continue;
    ++figures_.evictions;
    const auto last = entry++;
    Forget(last);
  }
}

Result<ResultCache::Table> ResultCache::FindOrClaim(int64_t key, const std::string& snapshot,
                                                    const Poll& poll) {
  std::unique_lock lock(mutex_);
  auto entry = Find(key);
  while (entry != entries_.end() && entry->table == nullptr) {
    changed_.wait_for(lock, kMakingPause);
    lock.unlock();
    if (poll) ARROW_RETURN_NOT_OK(poll(QueryMetrics()));
    lock.lock();
    entry = Find(key);
  }
  if (entry != entries_.end() && entry->snapshot == snapshot) {
    ++figures_.hits;
    entries_.splice(entries_.begin(), entries_, entry);
    return entry->table;
  }
  if (entry != entries_.end()) Forget(entry);
  ++figures_.misses;
  entries_.push_front({key, snapshot, nullptr});
  return nullptr;
}

void ResultCache::Settle(int64_t key, Table made, int64_t limit_bytes) {
  std::lock_guard lock(mutex_);
  const auto entry = Find(key);
  if (made != nullptr) {
    entry->table = std::move(made);
    figures_.bytes += entry->table->num_bytes();
    KeepWithin(limit_bytes);
  } else {
    entries_.erase(entry);
  }
  changed_.notify_all();
}

Result<ResultCache::Table> ResultCache::Get(int64_t key, const std::string& snapshot,
                                            int64_t limit_bytes,
                                            const std::function<Result<Table>()>& make,
                                            const Poll& poll) {
  ARROW_ASSIGN_OR_RAISE(const Table kept, FindOrClaim(key, snapshot, poll));
  if (kept != nullptr) return kept;
  Result<Table> made = Error(ErrorKind::kInternal, "a cached query gave no rows");
  try {
    made = make();
  } catch (...) {
    Settle(key, nullptr, limit_bytes);
    throw;
  }
  Settle(key, made.ok() ? *made : nullptr, limit_bytes);
  return made;
}

void ResultCache::Drop(int64_t key) {
  std::lock_guard lock(mutex_);
  const auto entry = Find(key);
  if (entry != entries_.end() && entry->table != nullptr) Forget(entry);
}

void ResultCache::Clear() {
  std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->table != nullptr) Forget(entry);
    entry = next;
  }
}

ResultCache::Figures ResultCache::figures() const {
  std::lock_guard lock(mutex_);
  Figures figures = figures_;
  figures.entries = std::count_if(entries_.begin(), entries_.end(),
                                  [](const Entry& entry) { return entry.table != nullptr; });
  return figures;
}

CachedQuery::CachedQuery(Session& session, PlanPtr plan)
    : ComputedSource("cache", plan->schema(), plan->properties().ordering),
      plan_(std::move(plan)),
      key_(NextKey()),
      cache_(session.result_cache()) {}

CachedQuery::~CachedQuery() {
  if (const auto cache = cache_.lock()) cache->Drop(key_);
}

/// What all data that `plan` reads is now.
Status CachedQuery::AppendSnapshots(const PlanNode& plan, std::string* snapshots) {
  for (const PlanPtr& input : plan.inputs()) {
    ARROW_RETURN_NOT_OK(AppendSnapshots(*input, snapshots));
  }
  const auto* scan = As<ScanNode>(plan);
  if (scan == nullptr) return Status::OK();
  if (const auto* cached = dynamic_cast<const CachedQuery*>(scan->source.get())) {
    return AppendSnapshots(*cached->plan_, snapshots);
  }
  if (const auto* computed = dynamic_cast<const ComputedSource*>(scan->source.get())) {
    const PlanRewrite visit = [&](const PlanPtr& part) -> Result<PlanPtr> {
      ARROW_RETURN_NOT_OK(AppendSnapshots(*part, snapshots));
      return part;
    };
    return computed->WithPlans(visit).status();
  }
  ARROW_ASSIGN_OR_RAISE(const std::string now, scan->source->Snapshot());
  *snapshots += now + '\n';
  return Status::OK();
}

Result<PlanPtr> CachedQuery::Compute(Session& session, const Poll& poll) {
  std::string snapshots;
  ARROW_RETURN_NOT_OK(AppendSnapshots(*plan_, &snapshots));
  ARROW_ASSIGN_OR_RAISE(SourcePtr table,
                        session.result_cache()->Get(
                            key_, snapshots, session.settings().cache_limit,
                            [&] { return StoreTable(session, plan_, name(), poll); }, poll));
  return PlanScan(std::move(table));
}

}  // namespace headrace
