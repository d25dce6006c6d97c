// Surveys slice by slice, and reading for them through one small buffer.
#include "headrace/format/csv/range_survey.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "arrow/buffer.h"

namespace headrace::csv {
namespace {

/// Bytes kept from one read to the next at most. They keep the reads and the looks at 64 bytes
/// aligned.
constexpr size_t kKeptBytes = 64;
constexpr size_t kNowhere = SIZE_MAX;

/// The position behind the first line end at or behind `at`; kNowhere when that cannot be told from
/// what is before `end`.
size_t LineStart(const char* data, size_t at, size_t end) {
  while (at < end && data[at] != '\n' && data[at] != '\r') ++at;
  if (at + 1 >= end) return at < end && data[at] == '\n' ? at + 1 : kNowhere;
  return at + (data[at] == '\r' && data[at + 1] == '\n' ? 2 : 1);
}

/// The bytes of a range that are in memory.
class Slices {
 public:
  Slices(arrow::io::InputStream& stream, int64_t offset, int64_t read_bytes)
      : stream_(stream), offset_(offset), read_bytes_(read_bytes) {}

  Status Allocate(arrow::MemoryPool* pool) {
    const auto bytes = static_cast<int64_t>(kKeptBytes + 1 + kTextPadding) + read_bytes_;
    ARROW_ASSIGN_OR_RAISE(buffer_, arrow::AllocateBuffer(bytes, pool));
    begin_ = end_ = kKeptBytes;
    return Status::OK();
  }

  const char* data() const { return reinterpret_cast<const char*>(buffer_->data()); }
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }
  /// Whether the stream ends at end().
  bool last() const { return last_; }
  /// Where byte `position` of the stream is in data().
  int64_t IndexOf(int64_t position) const {
    return position - position_ + static_cast<int64_t>(end_);
  }
  /// How far the stream was read.
  int64_t position() const { return position_; }

  /// Drops the bytes before `at`, at most kKeptBytes before the end, and reads on.
  /// REQUIRES: position() < position_max.
  Status Read(size_t at, int64_t position_max) {
    uint8_t* const data = buffer_->mutable_data();
    const size_t kept = end_ - at;
    std::memmove(data + kKeptBytes - kept, data + at, kept);
    const int64_t aligned = read_bytes_ - (offset_ + position_) % read_bytes_;
    const int64_t wanted = std::min(aligned, position_max - position_);
    ARROW_ASSIGN_OR_RAISE(const int64_t got, stream_.Read(wanted, data + kKeptBytes));
    last_ = got < wanted;
    position_ += got;
    begin_ = kKeptBytes - kept;
    end_ = kKeptBytes + static_cast<size_t>(got);
    data[end_] = '\n';
    return Status::OK();
  }

 private:
  arrow::io::InputStream& stream_;
  const int64_t offset_;
  const int64_t read_bytes_;
  std::unique_ptr<arrow::Buffer> buffer_;
  size_t begin_ = 0, end_ = 0;  // what of the buffer holds text
  int64_t position_ = 0;        // of the stream, at end_
  bool last_ = false;
};

/// Where a range ends whose bytes do at `nominal_end`; kNowhere when that is not in `text`.
size_t RangeEnd(const Slices& text, size_t begin, int64_t nominal_end) {
  const int64_t from = std::max(static_cast<int64_t>(begin), text.IndexOf(nominal_end - 1));
  size_t end = kNowhere;
  if (from < static_cast<int64_t>(text.end())) {
    end = LineStart(text.data(), static_cast<size_t>(from), text.end());
  }
  return end == kNowhere && text.last() ? text.end() : end;
}

}  // namespace

void RangeSurvey::Add(const char* data, size_t begin, size_t end) {
  const bool has_escape = dialect_.escape != dialect_.quote;
  const bool same = plain_ == quoted_;
  survey_.has_quote = false;
  SurveyText(dialect_, data, begin, end, num_columns_, &plain_, &survey_);
  if (same) {
    quoted_ = plain_;
  } else if (quoted_ != Phase::kQuoted || survey_.has_quote || has_escape) {
    Survey ignored;
    SurveyText(dialect_, data, begin, end, num_columns_, &quoted_, &ignored);
  }
}

RangeEffect RangeSurvey::effect() const {
  return {survey_.lines, plain_ == Phase::kQuoted, quoted_ == Phase::kQuoted};
}

std::optional<int64_t> RangeSurvey::num_rows() const {
  const bool counted =
      survey_.regular && plain_ == Phase::kRowStart && dialect_.comment == Dialect::kNone;
  return counted ? std::optional(survey_.rows) : std::nullopt;
}

Result<std::optional<CountedRange>> CountRange(arrow::io::InputStream& stream, int64_t offset,
                                               const Dialect& dialect, int num_columns,
                                               bool from_start, int64_t length, int64_t read_bytes,
                                               arrow::MemoryPool* pool) {
  const int64_t nominal_end = length + (from_start ? 0 : 1);
  const int64_t position_max = nominal_end + kRangeTailBytes;
  RangeSurvey survey(dialect, num_columns);
  Slices text(stream, offset, read_bytes);
  ARROW_RETURN_NOT_OK(text.Allocate(pool));
  ARROW_RETURN_NOT_OK(text.Read(text.end(), position_max));
  size_t begin = text.begin();
  if (!from_start) begin = LineStart(text.data(), begin, text.end());
  if (begin == kNowhere || static_cast<int64_t>(begin) >= text.IndexOf(nominal_end)) {
    return std::nullopt;
  }
  size_t end = RangeEnd(text, begin, nominal_end);
  while (end == kNowhere) {
    if (text.position() == position_max) return std::nullopt;
    const size_t cut = std::max(begin, text.end() - kKeptBytes);
    survey.Add(text.data(), begin, cut);
    ARROW_RETURN_NOT_OK(text.Read(cut, position_max));
    begin = text.begin();
    end = RangeEnd(text, begin, nominal_end);
  }
  survey.Add(text.data(), begin, end);
  if (!survey.num_rows().has_value()) return std::nullopt;
  return CountedRange{survey.effect(), *survey.num_rows()};
}

}  // namespace headrace::csv
