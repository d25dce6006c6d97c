// Several data files behind one Source: numbering of splits, schema agreement, staleness.
#include "headrace/format/file_source.h"

#include <algorithm>
#include <utility>

#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/base/hash.h"
#include "headrace/format/bound_file.h"
#include "headrace/types/encoding.h"

namespace headrace {
namespace {

Status ColumnMismatch(const BoundDataFile& first, const BoundDataFile& other, int column) {
  const arrow::Field& expected = *first.file->schema()->field(column);
  const arrow::Field& got = *other.file->schema()->field(column);
  return Error(ErrorKind::kTypeMismatch,
               "{}: column {}: expected \"{}\" {} as in {}, got \"{}\" {}", other.info.path,
               column + 1, expected.name(), expected.type()->ToString(), first.info.path,
               got.name(), got.type()->ToString());
}

Status CheckSameSchema(const BoundDataFile& first, const BoundDataFile& other) {
  const arrow::Schema& want = *first.file->schema();
  const arrow::Schema& have = *other.file->schema();
  const int shared = std::min(want.num_fields(), have.num_fields());
  for (int i = 0; i < shared; ++i) {
    if (want.field(i)->name() != have.field(i)->name()) return ColumnMismatch(first, other, i);
  }
  if (want.num_fields() != have.num_fields()) {
    const arrow::Schema& longer = want.num_fields() > have.num_fields() ? want : have;
    return Error(ErrorKind::kTypeMismatch,
                 "{}: expected {} columns as in {}, got {} (column \"{}\" is in one of them only)",
                 other.info.path, want.num_fields(), first.info.path, have.num_fields(),
                 longer.field(shared)->name());
  }
  for (int i = 0; i < shared; ++i) {
    if (!SameLogicalType(*want.field(i)->type(), *have.field(i)->type())) {
      return ColumnMismatch(first, other, i);
    }
  }
  return Status::OK();
}

class FileSource final : public Source, public FileSplits, public ColumnFacts {
 public:
  FileSource(Vfs& vfs, std::string format, std::vector<BoundDataFile> files)
      : vfs_(vfs), format_(std::move(format)), files_(std::move(files)) {
    int64_t parts = 0;
    for (const BoundDataFile& file : files_) {
      first_part_.push_back(parts);
      parts += file.file->num_parts();
    }
  }

  std::string name() const override {
    std::string text = format_ + " " + files_.front().info.path;
    if (files_.size() > 1) text += fmt::format(" and {} more", files_.size() - 1);
    return text;
  }
  const SchemaPtr& schema() const override { return files_.front().file->schema(); }

  std::optional<int64_t> row_count() const override {
    int64_t rows = 0;
    for (const BoundDataFile& file : files_) {
      const std::optional<int64_t> count = file.file->row_count();
      if (!count.has_value()) return std::nullopt;
      rows += *count;
    }
    return rows;
  }

  std::optional<WholeColumn> WholeColumnOf(int column) const override {
    WholeColumn whole;
    for (const BoundDataFile& file : files_) {
      const std::optional<WholeColumn> part = file.file->WholeColumnOf(column);
      const bool is_same =
          file.file->schema()->field(column)->type()->Equals(*schema()->field(column)->type());
      if (!part.has_value() || !is_same) return std::nullopt;
      Merge(*part, &whole);
    }
    return whole;
  }

  Result<std::vector<Split>> Splits(const ScanRequest& request) override {
    std::vector<Split> splits;
    for (size_t i = 0; i < files_.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(std::vector<Split> parts, files_[i].file->Parts(request));
      for (Split& part : parts) {
        part.index += first_part_[i];
        splits.push_back(std::move(part));
      }
    }
    return splits;
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& split, const ScanRequest& request,
                                            const ReadContext& context) override {
    const size_t file = FileOf(split);
    Split part = split;
    part.index -= first_part_[file];
    return files_[file].file->Open(part, request, context);
  }

  size_t FileOf(const Split& split) const override {
    const auto next = std::upper_bound(first_part_.begin(), first_part_.end(), split.index);
    HEADRACE_CHECK(next != first_part_.begin(), "a split of another source");
    return static_cast<size_t>(next - first_part_.begin()) - 1;
  }

  Result<std::string> Snapshot() override {
    std::string text;
    for (const BoundDataFile& file : files_) {
      ARROW_ASSIGN_OR_RAISE(const FileInfo info, vfs_.Stat(file.info.path));
      text +=
          fmt::format("{}\n{} {} {}\n", file.info.path, info.size, info.modified_nanos, info.inode);
    }
    return fmt::format("{} files {:016x}", files_.size(), HashBytes(text));
  }

 private:
  Vfs& vfs_;
  const std::string format_;
  const std::vector<BoundDataFile> files_;
  std::vector<int64_t> first_part_;  // per file: index of its first split
};

}  // namespace

Result<SourcePtr> MakeFileSource(Vfs& vfs, std::string format, std::vector<BoundDataFile> files) {
  HEADRACE_CHECK(!files.empty(), "a source of no files");
  for (size_t i = 1; i < files.size(); ++i) {
    ARROW_RETURN_NOT_OK(CheckSameSchema(files.front(), files[i]));
  }
  return std::make_shared<FileSource>(vfs, std::move(format), std::move(files));
}

std::vector<int> DistinctColumns(const std::vector<int>& projection) {
  std::vector<int> columns = projection;
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

std::vector<ArrayPtr> InProjectionOrder(const std::vector<ArrayPtr>& columns,
                                        const std::vector<int>& present,
                                        const std::vector<int>& projection) {
  std::vector<ArrayPtr> ordered;
  ordered.reserve(projection.size());
  for (const int column : projection) {
    const auto at = std::lower_bound(present.begin(), present.end(), column);
    ordered.push_back(columns[static_cast<size_t>(at - present.begin())]);
  }
  return ordered;
}

}  // namespace headrace
