// All rows of a group in their order: what aggregates over that order keep where rows are taken
// back again.
#pragma once

#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/cell.h"

namespace headrace {

/// A row that is taken back is the earliest one of its value; one that is not there is ignored.
struct RetainedRows {
  static constexpr const char* kOwner = "an aggregate over changes";

  struct Entry {
    RowPosition position;
    bool is_valid;
    std::string_view cell;
  };

  /// Cells behind a byte that says whether there is a value; rows of one position in the order in
  /// which they came.
  std::multimap<RowPosition, std::string> rows;
  std::multiset<std::pair<std::string, RowPosition>> positions;
  std::string separator;
  int64_t heap_bytes = 0;

  void Add(const RowPosition& position, bool is_valid, std::string_view cell) {
    AddKey(position, KeyOf(is_valid, cell));
  }
  void Remove(bool is_valid, std::string_view cell) {
    const std::string key = KeyOf(is_valid, cell);
    constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
    const auto earliest = positions.lower_bound({key, {kFirst, kFirst}});
    if (earliest == positions.end() || earliest->first != key) return;
    auto row = rows.lower_bound(earliest->second);
    while (row->second != key) ++row;
    heap_bytes -= 2 * HeapBytes(key);
    rows.erase(row);
    positions.erase(earliest);
  }
  void Merge(const RetainedRows& other) {
    if (!other.rows.empty()) separator = other.separator;
    for (const auto& [position, key] : other.rows) AddKey(position, key);
  }
  void Save(std::string* out) const {
    PutText(separator, out);
    PutValue<uint64_t>(rows.size(), out);
    for (const auto& [position, key] : rows) {
      PutValue(position.split, out);
      PutValue(position.row, out);
      PutText(key, out);
    }
  }
  Status Load(StateBytesReader& reader) {
    uint64_t size = 0;
    ARROW_RETURN_NOT_OK(reader.ReadText(&separator));
    ARROW_RETURN_NOT_OK(reader.Read(&size));
    if (size > reader.left() / 24) return reader.Damaged("more rows than bytes");
    for (uint64_t i = 0; i < size; ++i) {
      RowPosition position;
      std::string key;
      ARROW_RETURN_NOT_OK(reader.Read(&position.split));
      ARROW_RETURN_NOT_OK(reader.Read(&position.row));
      ARROW_RETURN_NOT_OK(reader.ReadText(&key));
      if (key.empty() || key[0] < 0 || key[0] > 1) return reader.Damaged("a row without a value");
      AddKey(position, std::move(key));
    }
    return Status::OK();
  }
  int64_t Bytes() const {
    constexpr int64_t kNodeBytes = sizeof(std::pair<RowPosition, std::string>) + 48;
    return static_cast<int64_t>(rows.size()) * 2 * kNodeBytes + heap_bytes + HeapBytes(separator);
  }
  /// In the order of the rows.
  Result<std::vector<Entry>> Entries() const {
    std::vector<Entry> entries;
    for (const auto& [position, key] : rows) entries.push_back(EntryOf(position, key));
    return entries;
  }
  /// REQUIRES: there are rows.
  Entry First() const { return EntryOf(rows.begin()->first, rows.begin()->second); }
  Entry Last() const { return EntryOf(rows.rbegin()->first, rows.rbegin()->second); }

 private:
  static std::string KeyOf(bool is_valid, std::string_view cell) {
    std::string key(1, is_valid ? '\1' : '\0');
    return key.append(cell);
  }
  static Entry EntryOf(const RowPosition& position, const std::string& key) {
    return {position, key[0] == '\1', std::string_view(key).substr(1)};
  }
  void AddKey(const RowPosition& position, std::string key) {
    heap_bytes += 2 * HeapBytes(key);
    positions.emplace(key, position);
    rows.emplace(position, std::move(key));
  }
};

/// Every row, nulls too.
struct AllRows {
  /// `visit(row, is_valid, cell)`
  template <typename Visit>
  static Status ForEach(const AggregateRows& rows, Visit&& visit) {
    const Argument& arg = rows.args[0];
    const Validity valid(arg);
    std::string cell;
    for (int64_t row = 0; row < rows.length; ++row) {
      cell.clear();
      if (valid[row]) ARROW_RETURN_NOT_OK(EncodeCell(*arg.array, arg.is_constant ? 0 : row, &cell));
      visit(row, valid[row], std::string_view(cell));
    }
    return Status::OK();
  }
  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    return ForEach(rows, [&](int64_t row, bool is_valid, std::string_view cell) {
      into(row).Add(PositionOfRow(rows, row), is_valid, cell);
    });
  }
  template <typename Into>
  static Status Remove(KernelContext&, const AggregateRows& rows, Into&& into) {
    return ForEach(rows, [&](int64_t row, bool is_valid, std::string_view cell) {
      into(row).Remove(is_valid, cell);
    });
  }
};

/// The rows of `Base`, in states that take them back too.
template <typename Base>
struct Retained : Base {
  static constexpr bool kRemoves = true;
};

}  // namespace headrace
