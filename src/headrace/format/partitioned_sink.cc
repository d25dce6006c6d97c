// Rows of each batch are gathered per partition and written to the file that is open for it.
#include "headrace/format/partitioned_sink.h"

#include <algorithm>
#include <list>
#include <map>
#include <unordered_map>
#include <utility>

#include "arrow/array/array_primitive.h"
#include "arrow/buffer.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/base/check.h"
#include "headrace/format/path_columns.h"
#include "headrace/io/atomic_file.h"
#include "headrace/table/options.h"
#include "headrace/types/batch.h"
#include "headrace/types/encoding.h"
#include "headrace/types/format_value.h"

namespace headrace {
namespace {

/// Files that are open at a time: each holds what its format buffers.
constexpr size_t kOpenFilesMax = 64;

class PartitionedSink final : public Sink {
 public:
  PartitionedSink(Vfs& vfs, std::string directory, std::vector<std::string> columns,
                  std::string extension, CreateSink create)
      : vfs_(vfs),
        directory_(std::move(directory)),
        columns_(std::move(columns)),
        extension_(std::move(extension)),
        create_(std::move(create)) {}
  ~PartitionedSink() override { (void)PartitionedSink::Abort(); }

  std::string name() const override { return "partitions in " + directory_; }

  Status Open(const SchemaPtr& schema, arrow::MemoryPool* pool) override {
    HEADRACE_CHECK(temporary_.empty(), "a sink is opened once");
    pool_ = pool;
    ARROW_RETURN_NOT_OK(FindColumns(*schema));
    ARROW_RETURN_NOT_OK(CheckTarget());
    temporary_ = TemporaryPath(vfs_, directory_);
    return vfs_.MakeDirectories(temporary_);
  }

  Status Write(const arrow::RecordBatch& batch) override {
    if (prepared_) {
      return Error(ErrorKind::kUnsupported, "{}: a folder takes the batches of one epoch",
                   directory_);
    }
    Batch rows = Batch::FromRecordBatch(batch);
    ARROW_ASSIGN_OR_RAISE(const auto partitions, RowsByPartition(rows));
    for (const auto& [folder, indices] : partitions) {
      ARROW_RETURN_NOT_OK(WritePartition(folder, indices, rows));
    }
    return Status::OK();
  }

  Status Prepare(int64_t) override {
    while (!open_.empty()) ARROW_RETURN_NOT_OK(CloseOldest());
    prepared_ = true;
    return Status::OK();
  }

  Status Commit(int64_t epoch) override {
    if (done_) return Status::OK();
    ARROW_RETURN_NOT_OK(Prepare(epoch));
    ARROW_RETURN_NOT_OK(vfs_.Rename(temporary_, directory_));
    done_ = true;
    return vfs_.SyncDirectory(ParentPath(directory_));
  }

  Status Abort() override {
    open_.clear();
    if (done_ || temporary_.empty()) return Status::OK();
    done_ = true;
    return vfs_.RemoveTree(temporary_);
  }

 private:
  struct OpenFile {
    std::string folder;
    std::unique_ptr<Sink> sink;
  };

  Status FindColumns(const arrow::Schema& schema) {
    for (const std::string& name : columns_) {
      const int column = schema.GetFieldIndex(name);
      if (column < 0) {
        std::vector<std::string> names = schema.field_names();
        const std::string nearest = NearestName(name, names);
        return Error(ErrorKind::kUnknownName, "partition_by: there is no column \"{}\"{}", name,
                     nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest));
      }
      if (schema.field(column)->type()->num_fields() > 0) {
        return Error(ErrorKind::kUnsupported,
                     "partition_by: expected a column of a flat type, got \"{}\" of type {}", name,
                     schema.field(column)->type()->ToString());
      }
      keys_.push_back(column);
    }
    std::vector<std::shared_ptr<arrow::Field>> fields;
    for (int i = 0; i < schema.num_fields(); ++i) {
      if (std::find(keys_.begin(), keys_.end(), i) != keys_.end()) continue;
      rest_.push_back(i);
      fields.push_back(schema.field(i));
    }
    if (rest_.empty()) {
      return Error(ErrorKind::kInvalidArgument,
                   "partition_by: expected a column that is not a partition column, got none");
    }
    file_schema_ = arrow::schema(std::move(fields));
    return Status::OK();
  }

  Status CheckTarget() {
    const Result<FileInfo> info = vfs_.Stat(directory_);
    if (!info.ok()) {
      return KindOf(info.status()) == ErrorKind::kNotFound ? Status::OK() : info.status();
    }
    if (!info->is_directory) {
      return Error(ErrorKind::kInvalidArgument, "{}: expected a folder, got a file", directory_);
    }
    ARROW_ASSIGN_OR_RAISE(const auto entries, vfs_.List(directory_));
    if (entries.empty()) return Status::OK();
    return Error(ErrorKind::kInvalidArgument,
                 "{}: expected an empty folder or none, got one with {}", directory_,
                 entries.front().path);
  }

  /// Indices of the rows of each partition, by its folder.
  Result<std::map<std::string, std::vector<int32_t>>> RowsByPartition(const Batch& batch) {
    std::map<std::string, std::vector<int32_t>> partitions;
    std::string key, last_key;
    std::vector<int32_t>* last = nullptr;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      key.clear();
      for (const int column : keys_) {
        const arrow::Array& array = *batch.column(column);
        key += array.IsNull(row) ? '0' : '1';
        if (!array.IsNull(row)) AppendValue(array, row, &key);
        key += '\0';
      }
      if (last == nullptr || key != last_key) {
        last = &partitions[FolderOf(key, batch, row)];
        last_key = key;
      }
      last->push_back(static_cast<int32_t>(row));
    }
    return partitions;
  }

  const std::string& FolderOf(const std::string& key, const Batch& batch, int64_t row) {
    const auto [at, added] = folders_.try_emplace(key);
    if (!added) return at->second;
    for (size_t i = 0; i < keys_.size(); ++i) {
      const arrow::Array& array = *batch.column(keys_[i]);
      const std::string value = FormatValue(array, row);
      at->second +=
          (i == 0 ? "" : "/") + HiveFolder(columns_[i], array.IsNull(row) ? nullptr : &value);
    }
    return at->second;
  }

  Status WritePartition(const std::string& folder, const std::vector<int32_t>& indices,
                        const Batch& rows) {
    std::vector<ArrayPtr> columns;
    for (const int column : rest_) columns.push_back(rows.column(column));
    const arrow::Int32Array positions(static_cast<int64_t>(indices.size()),
                                      arrow::Buffer::Wrap(indices));
    const Batch all(std::move(columns), rows.num_rows());
    ARROW_ASSIGN_OR_RAISE(const Batch some, all.Take(positions, pool_));
    ARROW_ASSIGN_OR_RAISE(const auto batch, RestoreSchema(some, file_schema_, pool_));
    ARROW_ASSIGN_OR_RAISE(Sink* const sink, SinkOf(folder));
    return sink->Write(*batch);
  }

  /// The sink that is open for a folder, or a new one.
  Result<Sink*> SinkOf(const std::string& folder) {
    const auto found = std::find_if(open_.begin(), open_.end(),
                                    [&](const OpenFile& file) { return file.folder == folder; });
    if (found != open_.end()) {
      open_.splice(open_.begin(), open_, found);
      return open_.front().sink.get();
    }
    if (open_.size() == kOpenFilesMax) ARROW_RETURN_NOT_OK(CloseOldest());
    const std::string path = JoinPath(temporary_, folder);
    ARROW_RETURN_NOT_OK(vfs_.MakeDirectories(path));
    ARROW_ASSIGN_OR_RAISE(
        auto sink, create_(JoinPath(path, fmt::format("data_{}{}", files_[folder]++, extension_))));
    ARROW_RETURN_NOT_OK(sink->Open(file_schema_, pool_));
    open_.push_front({folder, std::move(sink)});
    return open_.front().sink.get();
  }

  Status CloseOldest() {
    Sink& sink = *open_.back().sink;
    ARROW_RETURN_NOT_OK(sink.Prepare(0));
    ARROW_RETURN_NOT_OK(sink.Commit(0));
    open_.pop_back();
    return Status::OK();
  }

  Vfs& vfs_;
  const std::string directory_;
  const std::vector<std::string> columns_;
  const std::string extension_;
  const CreateSink create_;
  arrow::MemoryPool* pool_ = nullptr;
  std::vector<int> keys_;  // columns of the schema
  std::vector<int> rest_;
  SchemaPtr file_schema_;
  std::string temporary_;
  std::list<OpenFile> open_;                              // the one written last first
  std::unordered_map<std::string, std::string> folders_;  // by key
  std::unordered_map<std::string, int64_t> files_;        // made so far, by folder
  bool prepared_ = false;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<Sink> MakePartitionedSink(Vfs& vfs, std::string directory,
                                          std::vector<std::string> columns, std::string extension,
                                          CreateSink create) {
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  return std::make_unique<PartitionedSink>(vfs, std::move(directory), std::move(columns),
                                           std::move(extension), std::move(create));
}

}  // namespace headrace
