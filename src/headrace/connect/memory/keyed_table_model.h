// For tests: rows with given numbers, and a naive model of a KeyedTable.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "headrace/connect/test_read.h"

namespace headrace::connect_test {

/// Rows (int64 first … first + count − 1, text).
inline std::shared_ptr<arrow::RecordBatch> NumberedRows(const SchemaPtr& schema, int64_t first,
                                                        int64_t count, const std::string& text) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_OK(ids.Append(first + i));
    EXPECT_OK(texts.Append(text));
  }
  return arrow::RecordBatch::Make(schema, count, {*ids.Finish(), *texts.Finish()});
}

/// The rows as text by key as text, and in the order of the last writes.
class TableModel {
 public:
  void Put(const std::string& key, const std::string& row) {
    Delete(key);
    rows_.emplace(++last_, row);
    places_[key] = last_;
  }
  void Delete(const std::string& key) {
    const auto at = places_.find(key);
    if (at == places_.end()) return;
    rows_.erase(at->second);
    places_.erase(at);
  }
  /// All rows, in order.
  std::string Text() const {
    std::string text;
    for (const auto& [place, row] : rows_) text += row;
    return text;
  }
  /// In order, the rows that `matches`.
  template <typename Matches>
  std::string TextOf(const Matches& matches) const {
    std::string text;
    for (const auto& [place, row] : rows_) text += matches(row) ? row : "";
    return text;
  }
  int64_t num_rows() const { return std::ssize(rows_); }

 private:
  int64_t last_ = 0;
  std::map<int64_t, std::string> rows_;
  std::map<std::string, int64_t> places_;
};

}  // namespace headrace::connect_test
