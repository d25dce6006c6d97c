// Values are numbered by their encoded keys, partition by partition.
#include "headrace/exec/op/window/distinct_rows.h"

#include <optional>
#include <string_view>
#include <unordered_map>

#include "headrace/types/key/key_encoder.h"

namespace headrace {
namespace {

/// A key in either form.
struct KeyOfRow {
  std::string_view bytes;
  uint64_t value = 0;
  uint64_t hash = 0;
  bool is_null = false;
  bool operator==(const KeyOfRow&) const = default;
};

struct HashOfKey {
  size_t operator()(const KeyOfRow& key) const { return key.hash; }
};

KeyOfRow KeyAt(const EncodedKeys& keys, int64_t row) {
  const auto index = static_cast<size_t>(row);
  KeyOfRow key;
  key.hash = keys.hashes[index];
  key.is_null = keys.nulls[index] != 0;
  if (keys.is_fixed) {
    key.value = keys.values[index];
  } else {
    key.bytes = keys.Bytes(row);
  }
  return key;
}

std::vector<int> ColumnsOf(const FunctionCall& call) {
  std::vector<int> columns;
  for (const ExpressionPtr& arg : call.args) {
    if (arg->kind == Expression::Kind::kColumn) columns.push_back(arg->column);
  }
  return columns;
}

}  // namespace

Result<DistinctRows> DistinctRows::Make(const FunctionCall& call, const WindowSegment& segment,
                                        const arrow::Schema& schema, arrow::MemoryPool* pool) {
  DistinctRows rows;
  const std::vector<int> columns = ColumnsOf(call);
  EncodedKeys keys;
  if (!columns.empty()) {
    ARROW_ASSIGN_OR_RAISE(const KeyEncoder encoder,
                          KeyEncoder::Make(KeyColumnsOf(schema, columns)));
    ARROW_RETURN_NOT_OK(encoder.Encode(segment.rows, pool, &keys));
  }
  const int64_t count = segment.rows.num_rows();
  RunCursor partition(segment.partitions);
  std::unordered_map<KeyOfRow, int64_t, HashOfKey> numbers;
  for (int64_t row = 0; row < count; ++row) {
    partition.MoveTo(row);
    if (partition.begin() == row) numbers.clear();
    const KeyOfRow key = columns.empty() ? KeyOfRow() : KeyAt(keys, row);
    const auto [known, is_first] =
        numbers.try_emplace(key, static_cast<int64_t>(rows.firsts_.size()));
    rows.firsts_before_.push_back(static_cast<int64_t>(rows.firsts_.size()));
    if (is_first) rows.firsts_.push_back(row);
    rows.values_.push_back(known->second);
  }
  rows.firsts_before_.push_back(static_cast<int64_t>(rows.firsts_.size()));
  rows.seen_.assign(rows.firsts_.size(), 0);
  return rows;
}

RowRanges DistinctRows::AmongFirsts(const RowRanges& frames) const {
  RowRanges ranges;
  for (size_t i = 0; i < frames.begins.size(); ++i) {
    ranges.begins.push_back(firsts_before_[static_cast<size_t>(frames.begins[i])]);
    ranges.ends.push_back(firsts_before_[static_cast<size_t>(frames.ends[i])]);
  }
  return ranges;
}

std::vector<int64_t> DistinctRows::WithoutRepeats(std::span<const int64_t> rows) {
  ++pass_;
  std::vector<int64_t> kept;
  for (const int64_t row : rows) {
    int64_t& seen = seen_[static_cast<size_t>(values_[static_cast<size_t>(row)])];
    if (seen == pass_) continue;
    seen = pass_;
    kept.push_back(row);
  }
  return kept;
}

}  // namespace headrace
