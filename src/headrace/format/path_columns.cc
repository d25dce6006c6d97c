// Constant columns per file, and the source that adds them.
#include "headrace/format/path_columns.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/scalar.h"
#include "arrow/type.h"
#include "arrow/util/utf8.h"
#include "headrace/base/check.h"
#include "headrace/base/hex.h"
#include "headrace/format/csv/cell.h"
#include "headrace/format/file_source.h"
#include "headrace/format/mapped_reader.h"

namespace headrace {
namespace {

struct Folder {
  std::string key;
  std::optional<std::string> value;
};

std::string Decoded(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool coded = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                       HexDigit(text[i + 2]) >= 0;
    plain +=
        coded ? static_cast<char>(HexDigit(text[i + 1]) << 4 | HexDigit(text[i + 2])) : text[i];
    if (coded) i += 2;
  }
  return plain;
}

std::string Encoded(std::string_view text) {
  std::string coded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || std::string_view("/\\:*?\"<>|=%#[]").find(c) != text.npos) {
      coded += fmt::format("%{:02X}", byte);
    } else {
      coded += c;
    }
  }
  return coded;
}

std::vector<Folder> FoldersOf(std::string_view path) {
  std::vector<Folder> folders;
  for (size_t slash; (slash = path.find('/')) != path.npos; path.remove_prefix(slash + 1)) {
    const std::string_view name = path.substr(0, slash);
    const size_t sign = name.find('=');
    if (sign == name.npos || sign == 0) continue;
    Folder folder{Decoded(name.substr(0, sign)), std::nullopt};
    if (name.substr(sign + 1) != kHiveNull) folder.value = Decoded(name.substr(sign + 1));
    folders.push_back(std::move(folder));
  }
  return folders;
}

bool SameKeys(const std::vector<Folder>& left, const std::vector<Folder>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const Folder& a, const Folder& b) { return a.key == b.key; });
}

std::string KeysOf(const std::vector<Folder>& folders) {
  std::string keys;
  for (const Folder& folder : folders) keys += (keys.empty() ? "" : ", ") + folder.key;
  return keys.empty() ? "none" : keys;
}

PathColumn ColumnOf(std::string name, const std::vector<std::optional<std::string>>& texts) {
  bool integers = true, dates = true;
  int64_t integer = 0;
  int32_t date = 0;
  for (const auto& text : texts) {
    integers = integers && (!text.has_value() || csv::ParseInteger(*text, &integer));
    dates = dates && (!text.has_value() || csv::ParseDate(*text, &date));
  }
  const bool none = std::none_of(texts.begin(), texts.end(), [](const auto& t) { return t; });
  PathColumn column{std::move(name), arrow::utf8(), {}};
  if (!none && integers) column.type = arrow::int64();
  if (!none && dates) column.type = arrow::date32();
  for (const auto& text : texts) {
    if (!text.has_value()) {
      column.values.push_back(arrow::MakeNullScalar(column.type));
    } else if (column.type->id() == arrow::Type::INT64) {
      (void)csv::ParseInteger(*text, &integer);
      column.values.push_back(std::make_shared<arrow::Int64Scalar>(integer));
    } else if (column.type->id() == arrow::Type::DATE32) {
      (void)csv::ParseDate(*text, &date);
      column.values.push_back(std::make_shared<arrow::Date32Scalar>(date));
    } else {
      column.values.push_back(std::make_shared<arrow::StringScalar>(*text));
    }
  }
  return column;
}

class PathColumnSource final : public Source {
 public:
  PathColumnSource(SourcePtr source, std::vector<PathColumn> columns)
      : source_(std::move(source)),
        files_(dynamic_cast<const FileSplits*>(source_.get())),
        columns_(std::move(columns)) {
    HEADRACE_CHECK(files_ != nullptr, "a source that does not tell the files of its splits");
    std::vector<std::shared_ptr<arrow::Field>> fields;
    for (int i = 0; i < source_->schema()->num_fields(); ++i) {
      const auto& field = source_->schema()->field(i);
      const auto hides = [&](const PathColumn& column) { return column.name == field->name(); };
      if (std::any_of(columns_.begin(), columns_.end(), hides)) continue;
      kept_.push_back(i);
      fields.push_back(field);
    }
    for (const PathColumn& column : columns_) {
      fields.push_back(arrow::field(column.name, column.type));
    }
    schema_ = arrow::schema(std::move(fields));
  }

  std::string name() const override { return source_->name(); }
  const SchemaPtr& schema() const override { return schema_; }
  std::optional<int64_t> row_count() const override { return source_->row_count(); }
  Result<std::string> Snapshot() override { return source_->Snapshot(); }

  Result<std::vector<Split>> Splits(const ScanRequest& request) override {
    ARROW_ASSIGN_OR_RAISE(std::vector<Split> splits, source_->Splits(Inner(request)));
    std::erase_if(splits,
                  [&](const Split& split) { return !MayHold(files_->FileOf(split), request); });
    return splits;
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override {
    ARROW_ASSIGN_OR_RAISE(auto reader, source_->Open(split, Inner(request), context));
    std::vector<ArrayPtr> constants;  // per column of the request; null for those of the source
    for (const int column : request.projection) {
      ArrayPtr constant;
      if (const PathColumn* path_column = Find(column); path_column != nullptr) {
        ARROW_ASSIGN_OR_RAISE(
            constant, arrow::MakeArrayFromScalar(*path_column->values[files_->FileOf(split)],
                                                 request.batch_rows, context.pool));
      }
      constants.push_back(std::move(constant));
    }
    return std::make_unique<MappedReader>(
        std::move(reader), [constants = std::move(constants)](Batch batch) -> Result<Batch> {
          std::vector<ArrayPtr> columns;
          auto read = batch.columns().begin();
          for (const ArrayPtr& constant : constants) {
            columns.push_back(constant == nullptr ? *read++ : constant->Slice(0, batch.num_rows()));
          }
          return batch.WithColumns(std::move(columns));
        });
  }

 private:
  /// Null for a column of the source.
  const PathColumn* Find(int column) const {
    const size_t at = static_cast<size_t>(column);
    return at < kept_.size() ? nullptr : &columns_[at - kept_.size()];
  }

  ScanRequest Inner(const ScanRequest& request) const {
    ScanRequest inner = request;
    inner.projection.clear();
    inner.bounds.clear();
    for (const int column : request.projection) {
      if (Find(column) == nullptr) inner.projection.push_back(kept_[static_cast<size_t>(column)]);
    }
    for (ColumnBound bound : request.bounds) {
      if (Find(bound.column) != nullptr) continue;
      bound.column = kept_[static_cast<size_t>(bound.column)];
      inner.bounds.push_back(std::move(bound));
    }
    return inner;
  }

  bool MayHold(size_t file, const ScanRequest& request) const {
    return std::all_of(request.bounds.begin(), request.bounds.end(), [&](const ColumnBound& bound) {
      const PathColumn* const column = Find(bound.column);
      if (column == nullptr) return true;
      const ScalarPtr& value = column->values[file];
      const ScalarPtr known = value->is_valid ? value : nullptr;
      return MayMatch(bound, {known, known, value->is_valid ? 0 : 1, 1});
    });
  }

  const SourcePtr source_;
  const FileSplits* const files_;  // of source_
  const std::vector<PathColumn> columns_;
  std::vector<int> kept_;  // columns of source_ that are not hidden
  SchemaPtr schema_;
};

}  // namespace

Result<std::vector<PathColumn>> HiveColumns(const std::vector<std::string>& paths, bool required) {
  const std::vector<Folder> first = FoldersOf(paths.front());
  std::vector<std::vector<std::optional<std::string>>> values(first.size());
  bool usable = !first.empty();
  for (const std::string& path : paths) {
    std::vector<Folder> folders = FoldersOf(path);
    if (required && (folders.empty() || !SameKeys(first, folders))) {
      return Error(ErrorKind::kInvalidArgument,
                   "{}: expected folders key=value with the keys of {} ({}), got {}", path,
                   paths.front(), KeysOf(first), KeysOf(folders));
    }
    usable = usable && SameKeys(first, folders);
    if (!usable) return std::vector<PathColumn>();
    for (size_t i = 0; i < folders.size(); ++i) {
      usable = usable && (!folders[i].value || arrow::util::ValidateUTF8(*folders[i].value));
      values[i].push_back(std::move(folders[i].value));
    }
  }
  std::vector<PathColumn> columns;
  for (size_t i = 0; i < first.size() && usable; ++i) {
    // A key that comes twice in a path means the innermost.
    const auto same = [&](const PathColumn& column) { return column.name == first[i].key; };
    std::erase_if(columns, same);
    columns.push_back(ColumnOf(first[i].key, values[i]));
  }
  return columns;
}

std::string HiveFolder(std::string_view key, const std::string* value) {
  return Encoded(key) + "=" + (value == nullptr ? std::string(kHiveNull) : Encoded(*value));
}

PathColumn FilenameColumn(std::string name, const std::vector<std::string>& paths) {
  PathColumn column{std::move(name), arrow::utf8(), {}};
  for (const std::string& path : paths) {
    column.values.push_back(std::make_shared<arrow::StringScalar>(path));
  }
  return column;
}

SourcePtr WithPathColumns(SourcePtr source, std::vector<PathColumn> columns) {
  return std::make_shared<PathColumnSource>(std::move(source), std::move(columns));
}

}  // namespace headrace
