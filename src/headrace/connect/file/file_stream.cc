// The file connector's source and its options.
#include "headrace/connect/file/file_stream.h"

#include <utility>

#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/connect/file/file_stream_reader.h"
#include "headrace/connect/file/path_options.h"

namespace headrace {
namespace {

constexpr const char* kStreamOwner = "file stream";

constexpr Alias kStreamAliases[] = {
    {"follow", "watch"},
    {"watching", "watch"},
    {"poll.interval", "poll_interval"},
    {"polling_interval", "poll_interval"},
    {"has_headers", "header"},
    {"has_header", "header"},
    {"skip_lines", "skip_rows"},
    {"max.records", "max_records"},
    {"on.error", "on_error"},
    {"max.errors", "max_errors"},
};

Result<BadRowPolicy> ReadOnError(OptionReader& reader) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, reader.Text("on_error", "fail"));
  const std::string word = LowerCase(text);
  if (word == "fail") return BadRowPolicy::kFail;
  if (word == "skip") return BadRowPolicy::kSkip;
  if (word == "dlq" || word == "dead_letter") return BadRowPolicy::kDeadLetter;
  return Error(ErrorKind::kInvalidArgument,
               "file stream: option on_error expects fail, skip or dlq, got '{}'", text);
}

Result<int64_t> ReadMillis(OptionReader& reader, const char* name, int64_t micros,
                           int64_t least = 1) {
  constexpr int64_t kDayMillis = 86'400'000;
  ARROW_ASSIGN_OR_RAISE(const int64_t millis,
                        reader.Integer(name, micros / 1000, least, kDayMillis));
  return millis * 1000;
}

Result<FileStreamOptions> ReadFileStreamOptions(OptionReader& reader, const std::string& folder) {
  FileStreamOptions read;
  ARROW_ASSIGN_OR_RAISE(read.pattern, ReadPath(reader, folder, kStreamOwner));
  ARROW_ASSIGN_OR_RAISE(read.watch, reader.Flag("watch", false));
  ARROW_ASSIGN_OR_RAISE(read.poll_micros, ReadMillis(reader, "poll_interval", read.poll_micros));
  ARROW_ASSIGN_OR_RAISE(read.discovery_micros,
                        ReadMillis(reader, "discovery_interval", read.discovery_micros));
  ARROW_ASSIGN_OR_RAISE(read.linger_micros, ReadMillis(reader, "linger", read.linger_micros, 0));
  ARROW_ASSIGN_OR_RAISE(read.max_records, reader.Integer("max_records", -1, 0, INT64_MAX));
  ARROW_ASSIGN_OR_RAISE(read.max_errors, reader.Integer("max_errors", -1, 0, INT64_MAX));
  ARROW_ASSIGN_OR_RAISE(read.on_bad_row, ReadOnError(reader));
  return read;
}

}  // namespace

FileStream::FileStream(Vfs& vfs, Clock& clock, SchemaPtr schema,
                       std::shared_ptr<const RowFormat> format, FileStreamOptions options)
    : vfs_(vfs),
      clock_(clock),
      schema_(std::move(schema)),
      format_(std::move(format)),
      options_(std::move(options)) {}

std::string FileStream::name() const { return "file stream " + options_.pattern; }

Result<std::vector<Split>> FileStream::Splits(const ScanRequest&) {
  return std::vector<Split>{{.name = name()}};
}

Result<std::unique_ptr<SplitReader>> FileStream::Open(const Split&, const ScanRequest& request,
                                                      const ReadContext& context) {
  auto reader = std::make_unique<FileStreamReader>(
      name(), clock_, FileSet(vfs_, options_, format_, counts_), options_, request, context);
  ARROW_RETURN_NOT_OK(reader->Begin());
  return std::unique_ptr<SplitReader>(std::move(reader));
}

ReadExtent FileStream::extent() const {
  return {.bytes_total = counts_->bytes, .bytes_read = counts_->bytes_read};
}

Result<std::string> FileStream::Snapshot() {
  return fmt::format("{} {}", name(), schema_->ToString());
}

Result<SourcePtr> OpenFileStream(const ConnectContext& context, const OptionMap& given) {
  if (context.schema == nullptr || context.schema->num_fields() == 0) {
    return Error(ErrorKind::kInvalidArgument,
                 "file stream: expected declared columns, as in CREATE STREAM s (a BIGINT, …)");
  }
  ARROW_ASSIGN_OR_RAISE(OptionMap options, WithOneSpelling(given, kStreamAliases, kStreamOwner));
  OptionReader reader(kStreamOwner, options);
  ARROW_ASSIGN_OR_RAISE(FileStreamOptions read, ReadFileStreamOptions(reader, context.base_folder));
  ARROW_ASSIGN_OR_RAISE(const FileFormat* format, ReadFormat(reader, read.pattern, &options));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<const RowFormat> rows,
                        format->stream(context.schema, options, reader));
  ARROW_RETURN_NOT_OK(reader.Finish());
  return std::make_shared<FileStream>(context.vfs, context.clock, context.schema, std::move(rows),
                                      std::move(read));
}

}  // namespace headrace
