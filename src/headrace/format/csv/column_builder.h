// ColumnBuilder: one column of a CSV file, from fields to an array.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/format/csv/field_text.h"
#include "headrace/format/csv/row_scanner.h"
#include "headrace/format/time_form.h"
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
  virtual ~ColumnBuilder() = default;
  /// Appends the column's fields of all rows: null for those that do not fit, whose rows are added
  /// to `misfits`, ascending.
  virtual Status Append(const RowBlock& block, int column, std::vector<int64_t>* misfits) = 0;
  /// What Append takes, for messages: "int64".
  virtual std::string expected() const = 0;
  /// What was appended since the last Finish.
  virtual Result<ArrayPtr> Finish() = 0;
};

/// What builders of one file share; must outlive them.
struct FieldRules {
  explicit FieldRules(const Dialect& dialect) : text(dialect), nulls(dialect.nulls) {}
  FieldText text;
  NullSpellings nulls;
};

/// kUnsupported names types that CSV fields cannot hold. `times` (may be null, is copied) tells how
/// timestamps are spelled; without it they are ISO text, with a zone exactly when the type has one.
Result<std::unique_ptr<ColumnBuilder>> MakeColumnBuilder(const TypePtr& type,
                                                         const FieldRules& rules,
                                                         arrow::MemoryPool* pool,
                                                         const TimeForm* times = nullptr);
std::unique_ptr<ColumnBuilder> MakeTextBuilder(const FieldRules& rules, arrow::MemoryPool* pool);

/// What a value takes in a batch: bits of a fixed-width type, or 32 and the text.
int64_t BitsPerValue(const arrow::DataType& type);
bool HoldsText(const arrow::DataType& type);

}  // namespace headrace::csv
