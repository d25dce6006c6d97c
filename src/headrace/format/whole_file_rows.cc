// A bounded source, split after split, from a row of a split on.
#include "headrace/format/whole_file_rows.h"

#include <algorithm>
#include <utility>

#include <fmt/ranges.h>

#include "arrow/array.h"
#include "arrow/array/util.h"
#include "arrow/compute/cast.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/types/encoding.h"
#include "headrace/types/json_text.h"

namespace headrace {
namespace {

class WholeFileRows final : public RowStream {
 public:
  WholeFileRows(SourcePtr source, std::string path, SchemaPtr schema, const RowPlace& from,
                const RowRequest& request)
      : source_(std::move(source)),
        path_(std::move(path)),
        schema_(std::move(schema)),
        place_(from),
        request_(request) {}

  Status Prepare() {
    for (const int declared : request_.projection) {
      const arrow::Field& field = *schema_->field(declared);
      const int found = source_->schema()->GetFieldIndex(field.name());
      if (found < 0 && !field.nullable()) {
        return Error(ErrorKind::kBadData, "{}: expected a column \"{}\", which is NOT NULL, got {}",
                     path_, field.name(), fmt::join(source_->schema()->field_names(), ", "));
      }
      in_scan_.push_back(found < 0 ? -1 : static_cast<int>(scan_.projection.size()));
      if (found >= 0) scan_.projection.push_back(found);
    }
    scan_.batch_rows = request_.batch_rows;
    scan_.batch_bytes = request_.batch_bytes;
    ARROW_ASSIGN_OR_RAISE(splits_, source_->Splits(scan_));
    std::erase_if(splits_, [&](const Split& split) { return split.index < place_.offset; });
    std::reverse(splits_.begin(), splits_.end());
    return Status::OK();
  }

  Result<std::optional<Batch>> Next() override {
    while (true) {
      if (reader_ == nullptr) {
        if (splits_.empty()) return std::nullopt;
        ARROW_RETURN_NOT_OK(OpenSplit());
      }
      ARROW_ASSIGN_OR_RAISE(ReadResult read, reader_->Next());
      HEADRACE_CHECK(!std::holds_alternative<Pending>(read), "a whole file has all its rows");
      if (std::holds_alternative<EndOfSplit>(read)) {
        reader_.reset();
        splits_.pop_back();
        continue;
      }
      Batch batch = std::get<Batch>(std::move(read));
      const int64_t passed = std::min(to_pass_, batch.num_rows());
      to_pass_ -= passed;
      if (passed == batch.num_rows()) continue;
      if (passed > 0) batch = batch.Slice(passed, batch.num_rows() - passed);
      return Declared(batch);
    }
  }

  RowPlace place() const override { return place_; }

 private:
  Status OpenSplit() {
    const Split& split = splits_.back();
    to_pass_ = split.index == place_.offset ? place_.row : 0;
    place_ = {split.index, to_pass_};
    ReadContext context;
    context.pool = request_.pool;
    ARROW_ASSIGN_OR_RAISE(reader_, source_->Open(split, scan_, context));
    return Status::OK();
  }

  Result<std::optional<Batch>> Declared(const Batch& batch) {
    const RowPlace begin = place_;
    place_.row += batch.num_rows();
    std::vector<ArrayPtr> columns;
    std::vector<bool> is_bad;
    for (size_t i = 0; i < in_scan_.size(); ++i) {
      const arrow::Field& field = *schema_->field(request_.projection[i]);
      ArrayPtr column;
      if (in_scan_[i] < 0) {
        ARROW_ASSIGN_OR_RAISE(
            column, arrow::MakeArrayOfNull(field.type(), batch.num_rows(), request_.pool));
      } else {
        ARROW_ASSIGN_OR_RAISE(column, Cast(batch.column(in_scan_[i]), field));
      }
      if (!field.nullable() && column->null_count() > 0) {
        is_bad.resize(static_cast<size_t>(batch.num_rows()));
        ARROW_RETURN_NOT_OK(TellNulls(batch, begin, *column, field.name(), &is_bad));
      }
      columns.push_back(std::move(column));
    }
    Batch declared(std::move(columns), batch.num_rows());
    if (is_bad.empty()) return declared;
    auto kept = std::make_shared<std::vector<uint32_t>>();
    for (size_t row = 0; row < is_bad.size(); ++row) {
      if (!is_bad[row]) kept->push_back(static_cast<uint32_t>(row));
    }
    return declared.WithSelection(std::move(kept)).Compact(request_.pool);
  }

  Result<ArrayPtr> Cast(const ArrayPtr& column, const arrow::Field& field) const {
    if (SameLogicalType(*column->type(), *field.type())) return column;
    arrow::compute::ExecContext context(request_.pool);
    const auto cast = arrow::compute::Cast(
        *column, field.type(), arrow::compute::CastOptions::Safe(field.type()), &context);
    if (cast.ok()) return cast;
    return Error(ErrorKind::kTypeMismatch, "{}: column \"{}\": expected {}, got {} ({})", path_,
                 field.name(), field.type()->ToString(), column->type()->ToString(),
                 cast.status().message());
  }

  Status TellNulls(const Batch& batch, const RowPlace& begin, const arrow::Array& column,
                   const std::string& name, std::vector<bool>* is_bad) {
    ARROW_ASSIGN_OR_RAISE(const Batch plain, DecodeBatch(batch, request_.pool));
    for (int64_t row = 0; row < column.length(); ++row) {
      if (column.IsValid(row) || (*is_bad)[static_cast<size_t>(row)]) continue;
      (*is_bad)[static_cast<size_t>(row)] = true;
      std::string payload = "{";
      for (size_t i = 0; i < plain.columns().size(); ++i) {
        if (i > 0) payload += ',';
        AppendJsonString(source_->schema()->field(scan_.projection[i])->name(), &payload);
        payload += ':';
        AppendJson(*plain.columns()[i], row, &payload);
      }
      payload += '}';
      const RowPlace place{begin.offset, begin.row + row};
      ARROW_RETURN_NOT_OK(request_.on_bad_row(
          {place,
           Error(ErrorKind::kBadData,
                 "{}: row {} of part {} ({}): expected a value (the column is NOT NULL), got null",
                 path_, place.row + 1, place.offset + 1, name),
           payload}));
    }
    return Status::OK();
  }

  const SourcePtr source_;
  const std::string path_;
  const SchemaPtr schema_;
  RowPlace place_;
  const RowRequest request_;
  ScanRequest scan_;
  std::vector<int> in_scan_;   // per wanted column: its place in the projection, or −1
  std::vector<Split> splits_;  // that are left, the next one last
  std::unique_ptr<SplitReader> reader_;
  int64_t to_pass_ = 0;  // rows of the split that were read before
};

class WholeFileFormat final : public RowFormat {
 public:
  WholeFileFormat(OpenSource open, SchemaPtr schema) : open_(open), schema_(std::move(schema)) {}

  bool is_text() const override { return false; }
  Result<std::unique_ptr<RowStream>> Open(const StreamFile& file, const RowPlace& from,
                                          const RowRequest& request) const override {
    ARROW_ASSIGN_OR_RAISE(SourcePtr source, open_(*file.vfs, {file.info.path}, {}));
    auto rows =
        std::make_unique<WholeFileRows>(std::move(source), file.info.path, schema_, from, request);
    ARROW_RETURN_NOT_OK(rows->Prepare());
    return std::unique_ptr<RowStream>(std::move(rows));
  }

 private:
  const OpenSource open_;
  const SchemaPtr schema_;
};

}  // namespace

std::unique_ptr<RowFormat> MakeWholeFileFormat(OpenSource open, SchemaPtr schema) {
  return std::make_unique<WholeFileFormat>(open, std::move(schema));
}

}  // namespace headrace
