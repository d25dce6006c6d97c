// For tests: aggregation of a table by maps of text, the plain way, and the calls that it knows.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "headrace/exec/op/test_drive.h"

namespace headrace::breaker_test {

/// Columns: k int64, s text, v int64, t text; all with nulls, keys of about `distinct` values each.
inline TestTable RandomKeyedTable(int64_t count, uint64_t distinct, Rng& rng) {
  const arrow::FieldVector fields = {
      arrow::field("k", arrow::int64()), arrow::field("s", arrow::utf8()),
      arrow::field("v", arrow::int64()), arrow::field("t", arrow::utf8())};
  const auto number = [&](uint64_t below) -> std::optional<int64_t> {
    if (rng.Below(12) == 0) return std::nullopt;
    return static_cast<int64_t>(rng.Below(below)) - 5;
  };
  const auto text = [&](uint64_t below) -> std::optional<std::string> {
    if (rng.Below(12) == 0) return std::nullopt;
    const uint64_t value = rng.Below(below);
    return std::string(value % 23, 'x') + std::to_string(value);
  };
  std::vector<ArrayPtr> columns;
  columns.push_back(Int64s(count, [&](int64_t) { return number(distinct); }));
  columns.push_back(Texts(count, [&](int64_t) { return text(distinct); }));
  columns.push_back(Int64s(count, [&](int64_t) { return number(1000); }));
  columns.push_back(Texts(count, [&](int64_t) { return text(1000); }));
  return {arrow::schema(fields), Batch(std::move(columns), count)};
}

/// count(*), count(v), sum(v), mean(v), min(t), max(v): what Reference computes.
inline std::vector<FunctionCall> AllCalls(const arrow::Schema& schema) {
  return {MakeCall(schema, "count", {}, "rows"),   MakeCall(schema, "count", {"v"}, "values"),
          MakeCall(schema, "sum", {"v"}, "total"), MakeCall(schema, "mean", {"v"}, "mean"),
          MakeCall(schema, "min", {"t"}, "first"), MakeCall(schema, "max", {"v"}, "largest")};
}

/// The calls of AllCalls that can take rows back.
inline std::vector<FunctionCall> RemovableCalls(const arrow::Schema& schema) {
  return {MakeCall(schema, "count", {}, "rows"), MakeCall(schema, "count", {"v"}, "values"),
          MakeCall(schema, "sum", {"v"}, "total")};
}

/// What AllCalls gives for a group of rows.
class ReferenceGroup {
 public:
  /// `weight` is +1, or −1 for a row that is taken back.
  void Add(const std::vector<std::string>& row, int weight = 1) {
    rows_ += weight;
    if (row[2] != "NULL") {
      values_ += weight;
      total_ += weight * std::stoll(row[2]);
      largest_ = values_ == 1 ? std::stoll(row[2]) : std::max(largest_, std::stoll(row[2]));
    }
    if (row[3] != "NULL") first_ = first_.empty() ? row[3] : std::min(first_, row[3]);
  }
  bool empty() const { return rows_ == 0; }
  std::vector<std::string> Removable() const {
    return {std::to_string(rows_), std::to_string(values_),
            values_ == 0 ? "NULL" : std::to_string(total_)};
  }
  std::vector<std::string> All() const {
    std::vector<std::string> cells = Removable();
    cells.push_back(values_ == 0 ? "NULL" : Mean());
    cells.push_back(first_.empty() ? "NULL" : first_);
    cells.push_back(values_ == 0 ? "NULL" : std::to_string(largest_));
    return cells;
  }

 private:
  std::string Mean() const {
    arrow::DoubleBuilder builder;
    EXPECT_OK(builder.Append(static_cast<double>(total_) / static_cast<double>(values_)));
    return FormatValue(*builder.Finish().ValueOrDie(), 0);
  }

  int64_t rows_ = 0;
  int64_t values_ = 0;
  int64_t total_ = 0;
  long long largest_ = 0;
  std::string first_;
};

using ReferenceGroups = std::map<std::vector<std::string>, ReferenceGroup>;

inline ReferenceGroups GroupRows(const Cells& rows, const std::vector<int>& keys) {
  ReferenceGroups groups;
  for (const std::vector<std::string>& row : rows) {
    std::vector<std::string> key;
    for (int column : keys) key.push_back(row[static_cast<size_t>(column)]);
    groups[key].Add(row);
  }
  return groups;
}

/// Sorted rows: keys, then results.
inline Cells Reference(const TestTable& table, const std::vector<int>& keys) {
  ReferenceGroups groups = GroupRows(CellsOf(table.batch), keys);
  if (keys.empty()) groups[{}];  // one row, also of none
  Cells expected;
  for (const auto& [key, group] : groups) {
    expected.push_back(key);
    const std::vector<std::string> results = group.All();
    expected.back().insert(expected.back().end(), results.begin(), results.end());
  }
  std::sort(expected.begin(), expected.end());
  return expected;
}

}  // namespace headrace::breaker_test
