// ColumnBuilder: one column of a CSV file, from fields to an array.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/format/csv/row_scanner.h"
#include "headrace/types/batch.h"

namespace headrace::csv {

/// The spellings of null that unquoted fields may have.
class NullSpellings {
 public:
  explicit NullSpellings(const std::vector<std::string>& spellings);
  bool Contains(std::string_view text) const {
    if (text.empty()) return has_empty_;
    return text.size() <= longest_ && ContainsSlow(text);
  }

 private:
  bool ContainsSlow(std::string_view text) const;
  std::vector<std::string> spellings_;
  size_t longest_ = 0;
  bool has_empty_ = false;
};

/// One thread; used for batch after batch.
class ColumnBuilder {
 public:
  static constexpr int64_t kAllFit = -1;
  virtual ~ColumnBuilder() = default;
  /// Appends the column's fields of all rows. Returns the first row whose field does not fit (the
  /// builder is then of no more use), or kAllFit.
  virtual Result<int64_t> Append(const RowScanner& scanner, const RowBlock& block, int column) = 0;
  /// What Append takes, for messages: "int64".
  virtual std::string expected() const = 0;
  /// What was appended since the last Finish.
  virtual Result<ArrayPtr> Finish() = 0;
};

/// kUnsupported names types that CSV fields cannot hold. `nulls` must outlive the builder.
Result<std::unique_ptr<ColumnBuilder>> MakeColumnBuilder(const TypePtr& type,
                                                         const NullSpellings& nulls,
                                                         arrow::MemoryPool* pool);

/// What a value takes in a batch: bits of a fixed-width type, or 32 and the text.
int64_t BitsPerValue(const arrow::DataType& type);
bool HoldsText(const arrow::DataType& type);

}  // namespace headrace::csv
