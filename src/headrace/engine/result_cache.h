// The result cache: what cached queries gave, kept for the queries that use them next.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "headrace/engine/computed_source.h"
#include "headrace/engine/stored_table.h"

namespace headrace {

/// Tables by a key and by the data that they were made of. When all take more than the limit, those
/// that were used longest ago are let go; one that alone takes more is not kept. Thread safe.
class ResultCache {
 public:
  using Table = std::shared_ptr<StoredTable>;
  struct Figures {
    int64_t entries = 0;
    int64_t bytes = 0;  // in memory and on disk
    int64_t hits = 0;
    int64_t misses = 0;
    int64_t evictions = 0;
  };

  /// The table of `key` if it was made of `snapshot`, else what `make` gives, which is kept. One
  /// caller makes, others of the same key wait and ask `poll` meanwhile.
  Result<Table> Get(int64_t key, const std::string& snapshot, int64_t limit_bytes,
                    const std::function<Result<Table>()>& make, const Poll& poll);
  void Drop(int64_t key);
  void Clear();
  Figures figures() const;

 private:
  struct Entry {
    int64_t key = 0;
    std::string snapshot;
    Table table;  // null while it is made
  };
  using Entries = std::list<Entry>;

  /// What is kept, once nobody makes it any more; null where the caller is to make it and to Settle
  /// it.
  Result<Table> FindOrClaim(int64_t key, const std::string& snapshot, const Poll& poll);
  /// Keeps what was made; null: nothing was.
  void Settle(int64_t key, Table made, int64_t limit_bytes);
  Entries::iterator Find(int64_t key);
  void Forget(Entries::iterator entry);
  void KeepWithin(int64_t limit_bytes);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Entries entries_;  // the one used last comes first
  Figures figures_;
};

/// A query whose rows are kept in the session's cache from its first use on, until one of the
/// tables that it reads changes.
class CachedQuery final : public ComputedSource {
 public:
  CachedQuery(Session& session, PlanPtr plan);
  ~CachedQuery() override;
  Result<PlanPtr> Compute(Session& session, const Poll& poll) override;
  /// The time of a cached query is that of its run.
  Result<SourcePtr> WithPlans(const PlanRewrite&) const override { return SourcePtr(); }

 private:
  static Status AppendSnapshots(const PlanNode& plan, std::string* snapshots);

  const PlanPtr plan_;
  const int64_t key_;
  const std::weak_ptr<ResultCache> cache_;
};

}  // namespace headrace
