// Reading of files in turns. Whatever it cannot read now it looks at again when the clock says so.
#include "headrace/connect/file/file_stream_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "arrow/memory_pool.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

/// The first pause after rows; each further one is twice as long, up to that of the options.
constexpr int64_t kPauseMicrosMin = 1'000;

}  // namespace

FileStreamReader::FileStreamReader(std::string name, Clock& clock, FileSet files,
                                   const FileStreamOptions& options, const ScanRequest& request,
                                   const ReadContext& context)
    : name_(std::move(name)),
      clock_(clock),
      files_(std::move(files)),
      options_(options),
      context_(context),
      rows_max_(std::numeric_limits<int64_t>::max()),
      pause_micros_(std::min(kPauseMicrosMin, options.poll_micros)) {
  if (options.max_records >= 0) rows_max_ = options.max_records;
  if (request.limit.has_value())
    rows_max_ = std::min(rows_max_, std::max<int64_t>(0, *request.limit));
  request_.projection = request.projection;
  request_.batch_rows = request.batch_rows;
  request_.batch_bytes = request.batch_bytes;
  request_.pool = context.pool == nullptr ? arrow::default_memory_pool() : context.pool;
  request_.on_bad_row = [this](const BadRow& bad) { return TakeBadRow(bad); };
}

Status FileStreamReader::Begin() {
  if (options_.on_bad_row == BadRowPolicy::kDeadLetter && context_.dead_letters == nullptr) {
    return Error(ErrorKind::kInvalidArgument,
                 "{}: on_error = 'dlq' needs a job that keeps dead letters; queries take 'fail' or "
                 "'skip'",
                 name_);
  }
  if (context_.position.empty()) return files_.Discover();
  ARROW_ASSIGN_OR_RAISE(FilePosition position, ReadPosition(context_.position));
  rows_ = position.rows;
  errors_ = position.errors;
  files_.files() = std::move(position.files);
  return Status::OK();
}

Result<std::string> FileStreamReader::Position() const {
  FilePosition position{rows_, errors_, {}};
  for (const auto& file : files_.files()) {
    auto saved = std::make_unique<TrackedFile>();
    saved->path = file->path;
    saved->inode = file->inode;
    saved->place = file->place;
    saved->head = file->head;
    saved->finished = file->finished;
    position.files.push_back(std::move(saved));
  }
  return WritePosition(position);
}

Status FileStreamReader::DiscoverWhenDue(int64_t now) {
  if (!options_.watch || (now < next_discovery_ && !files_.wants_discovery())) return Status::OK();
  files_.ForgetDeparted();
  ARROW_RETURN_NOT_OK(files_.Discover());
  current_ = 0;  // a file comes before the one that has taken its name
  next_discovery_ = now + options_.discovery_micros;
  return Status::OK();
}

Result<ReadResult> FileStreamReader::Next() {
  if (rows_ >= rows_max_) return ReadResult(EndOfSplit{});
  if (context_.dead_letters != nullptr && !context_.dead_letters->HasRoom(context_.waker)) {
    return ReadResult(Pending{});
  }
  const int64_t now = clock_.MonotonicMicros();
  ARROW_RETURN_NOT_OK(DiscoverWhenDue(now));
  const auto& files = files_.files();
  for (size_t tried = 0; tried < files.size();) {
    current_ %= files.size();
    TrackedFile& file = *files[current_];
    ARROW_ASSIGN_OR_RAISE(std::optional<Batch> batch, ReadFrom(file, now));
    files_.CountBytes(file);
    if (batch.has_value()) {
      // Others may have more too; but what is left of a file comes before what took its name.
      if (!file.fresh && file.detached_micros < 0) ++current_;
      return Give(*std::move(batch));
    }
    ++current_;
    ++tried;
    if (!options_.watch || !files_.wants_discovery()) continue;
    ARROW_RETURN_NOT_OK(DiscoverWhenDue(now));
    tried = 0;
  }
  if (!options_.watch) return ReadResult(EndOfSplit{});
  return Wait(now);
}

/// Nothing when there is no whole row now.
Result<std::optional<Batch>> FileStreamReader::ReadFrom(TrackedFile& file, int64_t now) {
  if (file.finished) return std::nullopt;
  bool at_end = !files_.Grows(file);
  if (!file.fresh) {
    ARROW_ASSIGN_OR_RAISE(const FileSet::News news, files_.LookAt(file, now));
    at_end = news == FileSet::News::kDeparted;
    if (news == FileSet::News::kLingers) {
      next_look_ = std::min(next_look_, file.caught_up_micros + options_.linger_micros);
    }
    if (news == FileSet::News::kNothing || news == FileSet::News::kLingers) return std::nullopt;
  }
  ARROW_ASSIGN_OR_RAISE(const bool is_open, files_.OpenRows(file, request_));
  if (!is_open) return std::nullopt;
  reading_ = &file;
  ARROW_ASSIGN_OR_RAISE(std::optional<Batch> batch, file.rows->Next());
  if (!batch.has_value() && at_end) {
    ARROW_ASSIGN_OR_RAISE(batch, ReadToEnd(file));
  } else if (!batch.has_value()) {
    file.place = file.rows->place();
    files_.CaughtUp(file, now);
    return std::nullopt;
  }
  if (!batch.has_value()) return std::nullopt;
  file.place = file.rows->place();
  if (file.detached_micros >= 0) file.detached_micros = now;
  // What is behind the batch is looked at again.
  if (!file.fresh) file.size = std::min(file.size, file.place.offset);
  ARROW_RETURN_NOT_OK(files_.NoteHead(file));
  return batch;
}

Result<std::optional<Batch>> FileStreamReader::ReadToEnd(TrackedFile& file) {
  file.rows->EndOfFile();
  ARROW_ASSIGN_OR_RAISE(std::optional<Batch> batch, file.rows->Next());
  file.place = file.rows->place();
  if (!batch.has_value()) FileSet::Finish(file);
  return batch;
}

ReadResult FileStreamReader::Give(Batch batch) {
  if (batch.num_rows() > rows_max_ - rows_) batch = batch.Slice(0, rows_max_ - rows_);
  rows_ += batch.num_rows();
  pause_micros_ = std::min(kPauseMicrosMin, options_.poll_micros);
  if (batch.num_rows() > 0) return batch;
  context_.waker.Wake();  // only bad rows
  return Pending{};
}

ReadResult FileStreamReader::Wait(int64_t now) {
  current_ = 0;
  const int64_t due = std::min({now + pause_micros_, next_look_, next_discovery_});
  next_look_ = std::numeric_limits<int64_t>::max();
  if (wake_micros_ > now && wake_micros_ <= due) return Pending{};
  wake_micros_ = std::max(due, now + 1);
  pause_micros_ = std::min(2 * pause_micros_, options_.poll_micros);
  clock_.CallAt(wake_micros_, [waker = context_.waker] { waker.Wake(); });
  return Pending{};
}

/// The record is known by its bytes and their place in the file, whatever name that has by now.
DeadLetter FileStreamReader::LetterOf(const BadRow& bad) const {
  DeadLetter letter;
  letter.source = name_;
  letter.position =
      fmt::format("{}:{} (byte {})", reading_->path, bad.place.row + 1, bad.place.offset);
  letter.error = bad.error.message();
  letter.payload = bad.payload;
  letter.record = CombineHash(HashBytes(name_), reading_->inode);
  letter.record = CombineHash(letter.record, static_cast<uint64_t>(bad.place.offset));
  letter.record = std::max<uint64_t>(1, CombineHash(letter.record, HashBytes(bad.payload)));
  return letter;
}

Status FileStreamReader::TakeBadRow(const BadRow& bad) {
  if (options_.on_bad_row == BadRowPolicy::kFail) return bad.error;
  ++errors_;
  if (context_.rejected_rows != nullptr) context_.rejected_rows->fetch_add(1);
  if (options_.max_errors >= 0 && errors_ > options_.max_errors) {
    return WithContext(bad.error, fmt::format("more than max_errors = {} rows cannot be decoded: ",
                                              options_.max_errors));
  }
  if (options_.on_bad_row == BadRowPolicy::kDeadLetter) {
    context_.dead_letters->Add(LetterOf(bad));
  }
  return Status::OK();
}

}  // namespace headrace
