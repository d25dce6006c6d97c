// The life of a job's file sink, and its options.
#include "headrace/connect/file/epoch_file_sink.h"

#include <exception>
#include <new>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/io/memory.h"
#include "arrow/record_batch.h"
#include "headrace/base/check.h"
#include "headrace/connect/file/change_lines.h"
#include "headrace/connect/file/epoch_parts.h"
#include "headrace/connect/file/path_options.h"
#include "headrace/connect/file/published_file.h"

namespace headrace {
namespace {

constexpr const char* kSinkOwner = "file sink";

constexpr Alias kSinkAliases[] = {
    {"append", "append_if_exists"}, {"csv_delimiter", "delimiter"}, {"csv_has_header", "header"},
    {"has_headers", "header"},      {"has_header", "header"},
};

constexpr const char* kOwnOptions[] = {"path",
                                       "format",
                                       "append_if_exists",
                                       "max_file_size_bytes",
                                       "max_records_per_file",
                                       "rotation_interval_ms"};

/// What stands once at the start of a file.
Result<std::string> HeaderOf(const MakeEncoder& make, const SchemaPtr& schema) {
  if (!make) return "";
  ARROW_ASSIGN_OR_RAISE(auto stream, arrow::io::BufferOutputStream::Create());
  ARROW_ASSIGN_OR_RAISE(auto encoder, make(schema, stream, arrow::default_memory_pool()));
  ARROW_RETURN_NOT_OK(encoder->Finish());
  ARROW_ASSIGN_OR_RAISE(const auto bytes, stream->Finish());
  return bytes->ToString();
}

class EpochFileSink final : public Sink {
 public:
  EpochFileSink(Vfs& vfs, Clock& clock, std::string name, EpochFileOptions options,
                MakeEncoder make_encoder, bool takes_changes)
      : vfs_(vfs),
        name_(std::move(name)),
        path_(options.path),
        make_encoder_(std::move(make_encoder)),
        make_header_(options.make_header),
        takes_changes_(takes_changes),
        parts_(vfs, path_),
        published_(vfs, clock, std::move(options)) {}

  std::string name() const override { return name_; }
  bool Accepts(ChangeMode mode) const override {
    return mode == ChangeMode::kAppend || takes_changes_;
  }

  Status Open(const SchemaPtr& schema, arrow::MemoryPool* pool) override {
    HEADRACE_CHECK(schema_ == nullptr, "a sink is opened once");
    schema_ = schema;
    pool_ = pool;
    const Result<FileInfo> folder = vfs_.Stat(ParentPath(path_));
    if (!folder.ok() && KindOf(folder.status()) != ErrorKind::kNotFound) return folder.status();
    if (!folder.ok() || !folder->is_directory) {
      return Error(ErrorKind::kNotFound, "cannot write {}: its folder must exist", path_);
    }
    // Columns that cannot be written are told before anything is.
    ARROW_ASSIGN_OR_RAISE(auto nowhere, arrow::io::BufferOutputStream::Create());
    return Caught([&]() -> Status {
      ARROW_RETURN_NOT_OK(make_encoder_(schema, nowhere, pool));
      ARROW_ASSIGN_OR_RAISE(std::string header, HeaderOf(make_header_, schema));
      published_.set_header(std::move(header));
      return Status::OK();
    });
  }

  Status Write(const arrow::RecordBatch& batch) override {
    ARROW_RETURN_NOT_OK(StartFresh());
    if (batch.num_rows() == 0) return Status::OK();
    return Caught([&] { return parts_.Write(batch, make_encoder_, pool_); });
  }

  Status Prepare(int64_t epoch) override {
    ARROW_RETURN_NOT_OK(StartFresh());
    return Caught([&] { return parts_.Prepare(epoch); });
  }

  Status Sync(int64_t) override {
    return Caught([&] { return parts_.Sync(); });
  }

  Status Commit(int64_t epoch) override {
    if (!is_started_) {
      is_started_ = true;
      ARROW_RETURN_NOT_OK(parts_.DropBehind(epoch));
      ARROW_RETURN_NOT_OK(published_.Recover());
    }
    ARROW_RETURN_NOT_OK(parts_.Sync());
    ARROW_ASSIGN_OR_RAISE(const std::vector<EpochPart> parts, parts_.UpTo(epoch));
    ARROW_RETURN_NOT_OK(published_.Publish(parts, epoch));
    return parts_.Remove(parts);
  }

  Status Abort() override { return parts_.Abort(); }

 private:
  Status StartFresh() {
    if (is_started_) return Status::OK();
    is_started_ = true;
    ARROW_RETURN_NOT_OK(parts_.DropBehind(-1));
    return published_.Forget();
  }

  template <typename Call>
  Status Caught(Call call) const {
    try {
      const Status status = call();
      // A detail is the mark of our own errors: they have their place.
      return status.detail() != nullptr ? status : WithContext(status, path_ + ": ");
    } catch (const std::bad_alloc&) {
      return Status::OutOfMemory(path_, ": no memory");
    } catch (const InvariantError&) {
      throw;
    } catch (const std::exception& error) {
      return Error(ErrorKind::kIo, "{}: {}", path_, error.what());
    }
  }

  Vfs& vfs_;
  const std::string name_;
  const std::string path_;
  const MakeEncoder make_encoder_;
  const MakeEncoder make_header_;
  const bool takes_changes_;
  EpochParts parts_;
  PublishedFile published_;
  SchemaPtr schema_;
  arrow::MemoryPool* pool_ = nullptr;
  bool is_started_ = false;
};

}  // namespace

std::unique_ptr<Sink> MakeEpochFileSink(Vfs& vfs, Clock& clock, std::string name,
                                        EpochFileOptions options, MakeEncoder make_encoder,
                                        bool takes_changes) {
  return std::make_unique<EpochFileSink>(vfs, clock, std::move(name), std::move(options),
                                         std::move(make_encoder), takes_changes);
}

namespace {

/// Takes the sink's own options out of `options`.
Result<EpochFileOptions> TakeOptions(OptionReader& reader, OptionMap* options) {
  EpochFileOptions read;
  ARROW_ASSIGN_OR_RAISE(read.append_if_exists, reader.Flag("append_if_exists", false));
  ARROW_ASSIGN_OR_RAISE(read.rotation.bytes_max,
                        reader.Integer("max_file_size_bytes", -1, 1, INT64_MAX));
  ARROW_ASSIGN_OR_RAISE(read.rotation.rows_max,
                        reader.Integer("max_records_per_file", -1, 1, INT64_MAX));
  ARROW_ASSIGN_OR_RAISE(const int64_t millis,
                        reader.Integer("rotation_interval_ms", -1, 1, INT64_MAX / 1000));
  if (millis >= 0) read.rotation.interval_micros = millis * 1000;
  for (const char* name : kOwnOptions) options->erase(name);
  return read;
}

/// A writer does not know the options of the sink, but somebody may have meant one.
Status SuggestOwn(const Status& status, const OptionMap& options) {
  if (status.ok()) return status;
  const std::vector<std::string> own(std::begin(kOwnOptions), std::end(kOwnOptions));
  for (const auto& [name, value] : options) {
    const std::string nearest = NearestName(name, own);
    const bool is_told = status.message().find("unknown option " + name) != std::string::npos;
    if (nearest.empty() || !is_told) continue;
    return Error(ErrorKind::kInvalidArgument, "{}: unknown option {}; did you mean {}?", kSinkOwner,
                 name, nearest);
  }
  return status;
}

}  // namespace

Result<std::unique_ptr<Sink>> CreateEpochFileSink(const ConnectContext& context,
                                                  const OptionMap& given) {
  ARROW_ASSIGN_OR_RAISE(const OptionMap options, WithOneSpelling(given, kSinkAliases, kSinkOwner));
  OptionReader reader(kSinkOwner, options);
  ARROW_ASSIGN_OR_RAISE(std::string path, ReadPath(reader, context.base_folder, kSinkOwner));
  OptionMap rest = options;
  ARROW_ASSIGN_OR_RAISE(const FileFormat* format, ReadFormat(reader, path, &rest));
  ARROW_ASSIGN_OR_RAISE(EpochFileOptions read, TakeOptions(reader, &rest));
  ARROW_ASSIGN_OR_RAISE(const WriteTarget target, context.vfs.TargetOf(path));
  if (target.is_stream) {
    return Error(ErrorKind::kInvalidArgument,
                 "{}: expected a file, got a stream (connector stdout writes to a terminal): {}",
                 kSinkOwner, path);
  }
  read.path = target.path;
  read.is_text = format->is_text;
  const FileRotation& rotation = read.rotation;
  if (!read.is_text &&
      (rotation.bytes_max >= 0 || rotation.rows_max >= 0 || rotation.interval_micros >= 0)) {
    return Error(ErrorKind::kInvalidArgument,
                 "{}: rotation is for text formats; every epoch is a file of its own in {}",
                 kSinkOwner, format->name);
  }
  const bool is_csv = std::string_view(format->name) == "csv";
  const bool is_json = std::string_view(format->name) == "json_lines";
  auto whole = format->encode(path, rest);
  if (!whole.ok()) return SuggestOwn(whole.status(), rest);
  MakeEncoder make = *whole;
  if (is_csv) {
    read.make_header = *whole;
    rest["header"] = "false";
    ARROW_ASSIGN_OR_RAISE(make, format->encode(path, rest));
  }
  const bool takes_changes = is_json && !context.key.empty();
  if (takes_changes) make = ChangeLines(path, context.key);
  std::string name = fmt::format("{} {}", kSinkOwner, path);
  return MakeEpochFileSink(context.vfs, context.clock, std::move(name), std::move(read),
                           std::move(make), takes_changes);
}

}  // namespace headrace
