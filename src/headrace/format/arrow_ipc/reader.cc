// The Arrow IPC source: the file format with a split per group of record batches, the stream format
// with one split.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arrow/ipc/message.h"
#include "arrow/ipc/options.h"
#include "arrow/ipc/reader.h"
#include "arrow/record_batch.h"
#include "arrow/type.h"
#include "headrace/format/arrow_ipc/blocks.h"
#include "headrace/format/arrow_ipc/compressed_lengths.h"
#include "headrace/format/batch_slicer.h"
#include "headrace/format/bound_file.h"
#include "headrace/format/file_source.h"
#include "headrace/format/format.h"
#include "headrace/format/whole_file_rows.h"

namespace headrace {
namespace arrow_ipc {
namespace {

constexpr std::string_view kFileMagic = "ARROW1";
constexpr std::string_view kFeatherV1Magic = "FEA1";

/// A stream begins with bytes above 127, or with a length below 16 MiB.
bool IsText(std::string_view start) {
  return !start.empty() &&
         std::all_of(start.begin(), start.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}
/// A split of a file has about this many bytes: it opens the file and its dictionaries anew.
constexpr int64_t kSplitBytes = int64_t{32} << 20;

arrow::ipc::IpcReadOptions OptionsFor(const std::vector<int>& columns, arrow::MemoryPool* pool) {
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  options.included_fields = columns;
  options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
  return options;
}

/// `status` of the decoder of `file`.
Status IpcError(const Status& status, const BoundFile& file, const std::string& path) {
  if (!status.ok() && !file.failure().ok()) return file.failure();
  return DecodeError(status, path, "arrow ipc");
}

/// Record batches one by one, null at the end.
class BatchStream {
 public:
  virtual ~BatchStream() = default;
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Next() = 0;
};

class FileStream final : public BatchStream {
 public:
  FileStream(std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader,
             std::shared_ptr<BoundFile> file, std::vector<Block> blocks, const Split& part)
      : reader_(std::move(reader)),
        file_(std::move(file)),
        blocks_(std::move(blocks)),
        next_(part.begin),
        end_(part.end) {}

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (next_ == end_) return nullptr;
    ARROW_RETURN_NOT_OK(CheckBody(*file_, blocks_[static_cast<size_t>(next_)]));
    return reader_->ReadRecordBatch(static_cast<int>(next_++));
  }

 private:
  const std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
  const std::shared_ptr<BoundFile> file_;
  const std::vector<Block> blocks_;
  int64_t next_;
  const int64_t end_;
};

/// The messages of a stream, each checked before its buffers are decompressed.
class CheckedMessages final : public arrow::ipc::MessageReader {
 public:
  explicit CheckedMessages(const std::shared_ptr<BoundFile>& file)
      : messages_(Open(std::shared_ptr<arrow::io::InputStream>(file))) {}

  Result<std::unique_ptr<arrow::ipc::Message>> ReadNextMessage() override {
    ARROW_ASSIGN_OR_RAISE(auto message, messages_->ReadNextMessage());
    if (message != nullptr) ARROW_RETURN_NOT_OK(CheckCompressedLengths(*message));
    return message;
  }

 private:
  const std::unique_ptr<arrow::ipc::MessageReader> messages_;
};

class SequentialStream final : public BatchStream {
 public:
  explicit SequentialStream(std::shared_ptr<arrow::RecordBatchReader> reader)
      : reader_(std::move(reader)) {}
  Result<std::shared_ptr<arrow::RecordBatch>> Next() override { return reader_->Next(); }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> reader_;
};

/// A batch without columns may claim any number of rows; ValidateFull does not look at it.
Status Validate(const arrow::RecordBatch& batch) {
  if (batch.num_rows() < 0) return Status::Invalid("a batch of ", batch.num_rows(), " rows");
  return batch.ValidateFull();
}

class IpcReader final : public SplitReader {
 public:
  IpcReader(std::string path, std::vector<int> columns, const ScanRequest& request,
            std::shared_ptr<const BoundFile> file, std::unique_ptr<BatchStream> stream)
      : path_(std::move(path)),
        file_(std::move(file)),
        columns_(std::move(columns)),
        projection_(request.projection),
        stream_(std::move(stream)),
        slicer_(request) {}

  Result<ReadResult> Next() override {
    while (slicer_.empty()) {
      if (slicer_.finished()) return ReadResult(EndOfSplit{});
      Result<std::shared_ptr<arrow::RecordBatch>> read = stream_->Next();
      if (!read.ok()) return IpcError(read.status(), *file_, path_);
      if (*read == nullptr) return ReadResult(EndOfSplit{});
      ARROW_RETURN_NOT_OK(IpcError(Validate(**read), *file_, path_));
      slicer_.Put(
          Batch(InProjectionOrder((*read)->columns(), columns_, projection_), (*read)->num_rows()));
    }
    return ReadResult(slicer_.Take());
  }
  int64_t bytes() const override { return slicer_.bytes(); }

 private:
  const std::string path_;
  const std::shared_ptr<const BoundFile> file_;
  const std::vector<int> columns_;  // that are decoded
  const std::vector<int> projection_;
  const std::unique_ptr<BatchStream> stream_;
  BatchSlicer slicer_;
};

class IpcFile final : public DataFile {
 public:
  static Result<std::unique_ptr<DataFile>> Open(Vfs& vfs, const FileInfo& info) {
    ARROW_ASSIGN_OR_RAISE(auto stream, OpenBound(vfs, info, arrow::default_memory_pool()));
    auto file = std::make_unique<IpcFile>(vfs, info);
    ARROW_RETURN_NOT_OK(IpcError(file->ReadHead(stream), *stream, info.path));
    return std::unique_ptr<DataFile>(std::move(file));
  }

  IpcFile(Vfs& vfs, const FileInfo& info) : vfs_(vfs), info_(info) {}

  const SchemaPtr& schema() const override { return schema_; }
  int64_t num_parts() const override { return num_parts_; }

  Result<std::vector<Split>> Parts(const ScanRequest&) const override {
    std::vector<Split> parts;
    for (int64_t i = 0; i < num_parts_; ++i) {
      const int64_t begin = num_batches_ * i / num_parts_;
      const int64_t end = num_batches_ * (i + 1) / num_parts_;
      parts.push_back({i, begin, end, fmt::format("{} batches {}-{}", info_.path, begin, end)});
    }
    return parts;
  }

  Result<std::unique_ptr<SplitReader>> Open(const Split& part, const ScanRequest& request,
                                            const ReadContext& context) const override {
    std::vector<int> columns = DistinctColumns(request.projection);
    // No field at all would mean every field; one is enough to count rows.
    if (columns.empty() && schema_->num_fields() > 0) columns.push_back(0);
    const bool all = static_cast<int>(columns.size()) == schema_->num_fields();
    ARROW_ASSIGN_OR_RAISE(auto file, OpenBound(vfs_, info_, context.pool));
    Result<std::unique_ptr<BatchStream>> stream =
        OpenStream(file, part, OptionsFor(all ? std::vector<int>() : columns, context.pool));
    if (!stream.ok()) return IpcError(stream.status(), *file, info_.path);
    return std::make_unique<IpcReader>(info_.path, std::move(columns), request, std::move(file),
                                       std::move(*stream));
  }

 private:
  Status ReadHead(const std::shared_ptr<BoundFile>& file) {
    char start[8] = {};
    ARROW_ASSIGN_OR_RAISE(const int64_t got, file->ReadAt(0, sizeof start, start));
    const std::string_view magic(start, static_cast<size_t>(got));
    if (magic.starts_with(kFeatherV1Magic)) {
      return Error(ErrorKind::kUnsupported, "{}: Feather version 1 cannot be read", info_.path);
    }
    is_stream_ = !magic.starts_with(kFileMagic);
    if (is_stream_ && IsText(magic)) {
      return Error(ErrorKind::kBadData,
                   "{}: expected an Arrow IPC file or stream, got text that begins with \"{}\"; a "
                   "format is given by the option format=csv (or jsonl)",
                   info_.path, magic);
    }
    const auto options = OptionsFor({}, arrow::default_memory_pool());
    if (is_stream_) {
      ARROW_ASSIGN_OR_RAISE(auto reader,
                            arrow::ipc::RecordBatchStreamReader::Open(
                                std::shared_ptr<arrow::io::InputStream>(file), options));
      schema_ = reader->schema();
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto reader,
                          arrow::ipc::RecordBatchFileReader::Open(
                              std::shared_ptr<arrow::io::RandomAccessFile>(file), options));
    schema_ = reader->schema();
    num_batches_ = reader->num_record_batches();
    num_parts_ = std::min(num_batches_, info_.size / kSplitBytes + 1);
    return Status::OK();
  }

  Result<std::unique_ptr<BatchStream>> OpenStream(const std::shared_ptr<BoundFile>& file,
                                                  const Split& part,
                                                  const arrow::ipc::IpcReadOptions& options) const {
    if (is_stream_) {
      ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(
                                             std::make_unique<CheckedMessages>(file), options));
      return std::make_unique<SequentialStream>(std::move(reader));
    }
    ARROW_ASSIGN_OR_RAISE(auto reader,
                          arrow::ipc::RecordBatchFileReader::Open(
                              std::shared_ptr<arrow::io::RandomAccessFile>(file), options));
    ARROW_ASSIGN_OR_RAISE(std::vector<Block> blocks, ReadBlocks(*file));
    if (static_cast<int64_t>(blocks.size()) != num_batches_) {
      return Status::Invalid("expected ", num_batches_, " record batches, got ", blocks.size());
    }
    return std::make_unique<FileStream>(std::move(reader), file, std::move(blocks), part);
  }

  Vfs& vfs_;
  const FileInfo info_;
  SchemaPtr schema_;
  bool is_stream_ = false;
  int64_t num_batches_ = 0;  // of the file format
  int64_t num_parts_ = 1;
};

}  // namespace
}  // namespace arrow_ipc

Result<SourcePtr> OpenArrowIpc(Vfs& vfs, std::vector<std::string> paths, const OptionMap& options) {
  ARROW_RETURN_NOT_OK(OptionReader("arrow_ipc reader", options).Finish());
  ARROW_ASSIGN_OR_RAISE(std::vector<FileInfo> infos, StatFiles(vfs, paths));
  std::vector<BoundDataFile> files;
  for (FileInfo& info : infos) {
    ARROW_ASSIGN_OR_RAISE(auto file, arrow_ipc::IpcFile::Open(vfs, info));
    files.push_back({std::move(info), std::move(file)});
  }
  return MakeFileSource(vfs, "arrow_ipc", std::move(files));
}

Result<std::unique_ptr<RowFormat>> StreamArrowIpc(const SchemaPtr& schema, const OptionMap&,
                                                  OptionReader&) {
  return MakeWholeFileFormat(OpenArrowIpc, schema);
}

}  // namespace headrace
