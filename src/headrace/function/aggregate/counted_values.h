// Values with how often they occur, in their order: what aggregates that depend on the order of
// values keep where rows are taken back again.
#pragma once

#include <map>
#include <string>
#include <type_traits>

#include "headrace/base/error.h"
#include "headrace/function/aggregate/state_kernel.h"
#include "headrace/function/cell.h"
#include "headrace/function/order.h"

namespace headrace {

/// Of the values of a tag of VisitOrdered. A value that is taken back and is not there is ignored.
template <typename Tag>
struct CountedValues {
  static constexpr const char* kOwner = "an aggregate over changes";

  using Value = typename Tag::Value;
  using Owned = std::conditional_t<std::is_same_v<Value, std::string_view>, std::string, Value>;
  struct Less {
    using is_transparent = void;
    bool operator()(const Value& a, const Value& b) const { return ValueLess(a, b); }
  };

  std::map<Owned, int64_t, Less> counts;
  double fraction = 0.5;  // of quantiles
  int64_t heap_bytes = 0;

  bool empty() const { return counts.empty(); }
  Value Least() const { return counts.begin()->first; }
  Value Greatest() const { return counts.rbegin()->first; }

  void Add(const Value& value, int64_t count = 1) {
    const auto found = counts.find(value);
    if (found != counts.end()) {
      found->second += count;
      return;
    }
    const auto made = counts.emplace(Owned(value), count).first;
    if constexpr (std::is_same_v<Owned, std::string>) heap_bytes += HeapBytes(made->first);
  }
  void Remove(const Value& value) {
    const auto found = counts.find(value);
    if (found == counts.end() || --found->second > 0) return;
    if constexpr (std::is_same_v<Owned, std::string>) heap_bytes -= HeapBytes(found->first);
    counts.erase(found);
  }
  void Merge(const CountedValues& other) {
    if (!other.empty()) fraction = other.fraction;
    for (const auto& [value, count] : other.counts) Add(value, count);
  }
  void Save(std::string* out) const {
    PutValue(fraction, out);
    PutValue<uint64_t>(counts.size(), out);
    for (const auto& [value, count] : counts) {
      if constexpr (std::is_same_v<Owned, std::string>) {
        PutText(value, out);
      } else {
        out->append(reinterpret_cast<const char*>(&value), sizeof(value));
      }
      PutValue(count, out);
    }
  }
  Status Load(StateBytesReader& reader) {
    uint64_t size = 0;
    ARROW_RETURN_NOT_OK(reader.Read(&fraction));
    ARROW_RETURN_NOT_OK(reader.Read(&size));
    if (!(fraction >= 0 && fraction <= 1)) return reader.Damaged("a fraction is out of range");
    if (size > reader.left() / sizeof(int64_t)) return reader.Damaged("more values than bytes");
    for (uint64_t i = 0; i < size; ++i) {
      Owned value{};
      int64_t count = 0;
      if constexpr (std::is_same_v<Owned, std::string>) {
        ARROW_RETURN_NOT_OK(reader.ReadText(&value));
      } else {
        ARROW_RETURN_NOT_OK(reader.Read(&value));
      }
      ARROW_RETURN_NOT_OK(reader.ReadCount(&count));
      if (count == 0) return reader.Damaged("a value that does not occur");
      Add(value, count);
    }
    return Status::OK();
  }
  int64_t Bytes() const {
    constexpr int64_t kNodeBytes = sizeof(std::pair<Owned, int64_t>) + 48;
    return static_cast<int64_t>(counts.size()) * kNodeBytes + heap_bytes;
  }
  /// All values, each as often as it occurs.
  template <typename T>
  Result<std::vector<T>> Values() const {
    std::vector<T> values;
    for (const auto& [value, count] : counts) {
      values.insert(values.end(), static_cast<size_t>(count), Value(value));
    }
    return values;
  }
};

/// Adds and takes back values of one argument.
template <typename Tag>
struct RemovableValues {
  static constexpr bool kRemoves = true;

  template <typename Into>
  static Status Add(KernelContext&, const AggregateRows& rows, Into&& into) {
    if (rows.args[0].array->type_id() == arrow::Type::NA) return Status::OK();
    const typename Tag::Column column(rows.args[0]);
    ForEachValid(rows, [&](int64_t row) { into(row).Add(typename Tag::Value(column[row])); });
    return Status::OK();
  }
  template <typename Into>
  static Status Remove(KernelContext&, const AggregateRows& rows, Into&& into) {
    if (rows.args[0].array->type_id() == arrow::Type::NA) return Status::OK();
    const typename Tag::Column column(rows.args[0]);
    ForEachValid(rows, [&](int64_t row) { into(row).Remove(typename Tag::Value(column[row])); });
    return Status::OK();
  }
};

}  // namespace headrace
