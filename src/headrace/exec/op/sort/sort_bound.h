// SortBound: the key above which no row is wanted any more by a sort of which the first rows are.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace {

/// A key of a sorted run, and how many rows end there: those behind the key before it.
using RankedKey = std::pair<std::string, int64_t>;

/// Shared by the lanes of a sort; only falls. Thread safe.
class SortBound {
 public:
  explicit SortBound(int64_t rows_wanted) : rows_wanted_(rows_wanted) {}

  /// As many rows as are wanted have keys of at most `key`.
  void Tighten(std::string_view key);
  /// Keys of rows that were not counted before. The bound is the least key that as many rows as are
  /// wanted do not exceed; memory: of keys with so many rows.
  void Count(std::vector<RankedKey> keys);
  /// Updates a reader's copy; `key` is empty while there is no bound.
  void Read(int64_t* version, std::string* key) const;

 private:
  void TightenLocked(std::string_view key);

  const int64_t rows_wanted_;
  std::atomic<int64_t> version_{0};
  mutable std::mutex mutex_;  // guards all below
  std::string key_;
  std::priority_queue<RankedKey> counted_;  // the greatest first
  int64_t rows_counted_ = 0;
};

}  // namespace headrace
