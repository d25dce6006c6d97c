// The sliding window, and how it is cut into records.
#include "headrace/format/json_lines/record_stream.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/io/interfaces.h"
#include "headrace/format/compressed_stream.h"
#include "headrace/format/csv/dialect.h"

namespace headrace::json_lines {
namespace {

constexpr size_t kNone = std::string_view::npos;
/// What is read at a time behind the end of a part: its last record is seldom long.
constexpr int64_t kRecordTailBytes = int64_t{64} << 10;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

/// Bytes of the JSON value at the front of `text`, by brackets and quotes alone; kNone when it may
/// go on behind `text`. Scalars end before a comma, a bracket or a blank.
size_t ElementBytes(std::string_view text) {
  int64_t depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':
        for (++i; i < text.size() && text[i] != '"'; ++i) {
          if (text[i] == '\\') ++i;
        }
        if (i >= text.size()) return kNone;
        if (depth == 0) return i + 1;
        break;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (depth == 0) return i;
        if (--depth == 0) return i + 1;
        break;
      case ',':
      case ' ':
      case '\n':
      case '\t':
      case '\r':
        if (depth == 0) return i;
        break;
      default:
        break;
    }
  }
  return kNone;
}

/// Line ends in the first `end` bytes of a file.
Result<int64_t> CountLines(Vfs& vfs, const FileInfo& file, int64_t end, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const auto input, OpenBound(vfs, file, pool));
  int64_t lines = 0;
  for (int64_t at = 0; at < end; at += kReadBytes) {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, input->ReadAt(at, std::min(kReadBytes, end - at)));
    lines += std::count(bytes->data(), bytes->data() + bytes->size(), '\n');
  }
  return lines;
}

}  // namespace

RecordStream::RecordStream(Vfs& vfs, const FileInfo& file, int64_t end, arrow::MemoryPool* pool)
    : vfs_(vfs), file_(file), end_(end), pool_(pool) {}

RecordStream::~RecordStream() = default;

const char* RecordStream::data() const { return reinterpret_cast<const char*>(buffer_->data()); }

Result<std::unique_ptr<RecordStream>> RecordStream::Open(Vfs& vfs, const FileInfo& file,
                                                         Layout layout, int64_t begin, int64_t end,
                                                         arrow::MemoryPool* pool) {
  const bool packed = IsCompressedPath(file.path);
  std::unique_ptr<RecordStream> records(
      new RecordStream(vfs, file, packed ? INT64_MAX : end, pool));
  if (packed) {
    ARROW_ASSIGN_OR_RAISE(records->stream_, OpenUnpacked(vfs, file, pool));
  } else {
    ARROW_ASSIGN_OR_RAISE(auto input, OpenBound(vfs, file, pool));
    // One byte before the part tells whether a record begins with it.
    if (begin > 0) ARROW_RETURN_NOT_OK(input->Seek(begin - 1));
    records->stream_ = std::move(input);
  }
  ARROW_RETURN_NOT_OK(records->Start(layout, begin));
  return records;
}

Result<std::unique_ptr<RecordStream>> RecordStream::Follow(
    const StreamFile& file, const RowPlace& from, std::shared_ptr<arrow::io::InputStream> text,
    arrow::MemoryPool* pool) {
  std::unique_ptr<RecordStream> records(
      new RecordStream(*file.vfs, file.info, std::numeric_limits<int64_t>::max(), pool));
  records->stream_ = std::move(text);
  records->base_ = records->line_begin_ = from.offset;
  records->lines_ = from.row;
  records->grows_ = true;
  ARROW_RETURN_NOT_OK(records->Refill());
  return records;
}

Status RecordStream::Start(Layout layout, int64_t begin) {
  begin_ = begin;
  base_ = line_begin_ = begin > 0 ? begin - 1 : 0;
  ARROW_RETURN_NOT_OK(Refill());
  if (begin > 0) {
    std::string_view broken;
    return TakeLine(&broken).status();
  }
  const std::string_view start(data(), size_);
  if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF")) {
    return ErrorHere("expected UTF-8 text, got a UTF-16 byte order mark");
  }
  if (start.starts_with("\xEF\xBB\xBF")) position_ = 3;
  if (layout == Layout::kLines) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const char first, PeekSolid());
  is_array_ = layout == Layout::kArray || first == '[';
  return Status::OK();
}

Status RecordStream::Refill() {
  if (size_ - position_ > static_cast<size_t>(kRecordBytesMax)) {
    return ErrorHere(
        fmt::format("expected a record of at most {} bytes, got a longer one: ", kRecordBytesMax));
  }
  ARROW_RETURN_NOT_OK(MakeRoom());
  return DecodeError(ReadOn(), file_.path, "compressed");
}

Status RecordStream::MakeRoom() {
  const size_t kept = size_ - position_;
  const size_t wanted = std::max(static_cast<size_t>(kReadBytes), std::bit_ceil(2 * kept));
  if (wanted == capacity_) {
    std::memmove(buffer_->mutable_data(), data() + position_, kept);
  } else {
    ARROW_ASSIGN_OR_RAISE(
        std::shared_ptr<arrow::ResizableBuffer> buffer,
        arrow::AllocateResizableBuffer(static_cast<int64_t>(wanted) + kPadding, pool_));
    if (kept > 0) std::memcpy(buffer->mutable_data(), data() + position_, kept);
    buffer_ = std::move(buffer);
    capacity_ = wanted;
  }
  base_ += static_cast<int64_t>(position_);
  size_ = kept;
  position_ = 0;
  return Status::OK();
}

Status RecordStream::ReadOn() {
  // Not past the end of the part, but for what its last record needs.
  const int64_t part = end_ - base_ - static_cast<int64_t>(size_);
  const int64_t room = static_cast<int64_t>(capacity_ - size_);
  int64_t wanted = std::min(room, part > 0 ? part : kRecordTailBytes);
  while (wanted > 0 && !at_end_) {
    ARROW_ASSIGN_OR_RAISE(const int64_t got,
                          stream_->Read(wanted, buffer_->mutable_data() + size_));
    at_end_ = got == 0;
    size_ += static_cast<size_t>(got);
    wanted -= got;
  }
  std::memset(buffer_->mutable_data() + size_, 0, static_cast<size_t>(kPadding));
  return Status::OK();
}

Result<bool> RecordStream::Next(std::string_view* record) {
  return is_array_ ? NextElement(record) : NextLine(record);
}

Result<bool> RecordStream::NextLine(std::string_view* record) {
  do {
    if (base_ + static_cast<int64_t>(position_) >= end_) return false;
    ARROW_ASSIGN_OR_RAISE(const bool more, TakeLine(record));
    if (!more) return false;
  } while (record->empty());
  return true;
}

Result<bool> RecordStream::TakeLine(std::string_view* record) {
  size_t searched = 0;
  const void* found = nullptr;
  while (true) {
    const size_t size = size_ - position_;
    if (size > searched) {
      found = std::memchr(data() + position_ + searched, '\n', size - searched);
    }
    if (found != nullptr || at_end_) break;
    searched = size;
    ARROW_RETURN_NOT_OK(Refill());
  }
  if (found == nullptr && grows_) return false;
  const char* const end = found == nullptr ? data() + size_ : static_cast<const char*>(found);
  const size_t bytes = static_cast<size_t>(end - data()) - position_;
  const bool has_mark = base_ + static_cast<int64_t>(position_) == 0 && bytes >= 3 &&
                        std::memcmp(data() + position_, "\xEF\xBB\xBF", 3) == 0;
  const size_t mark = has_mark ? 3 : 0;
  HandOut(position_ + mark, bytes - mark, record);
  position_ += bytes;
  if (found == nullptr) return bytes > 0;
  ++position_;
  ++lines_;
  line_begin_ = base_ + static_cast<int64_t>(position_);
  return true;
}

void RecordStream::HandOut(size_t begin, size_t bytes, std::string_view* record) {
  *record = Trim({data() + begin, bytes});
  record_ = data() + begin;
  record_lines_ = lines_;
  record_line_begin_ = line_begin_;
}

Result<char> RecordStream::PeekSolid() {
  while (true) {
    size_t at = position_;
    while (at < size_ && IsBlank(data()[at])) ++at;
    Consume(at - position_);
    if (position_ < size_) return data()[position_];
    if (at_end_) return '\0';
    ARROW_RETURN_NOT_OK(Refill());
  }
}

void RecordStream::Consume(size_t bytes) {
  const char* const begin = data() + position_;
  const std::string_view passed(begin, bytes);
  position_ += bytes;
  const size_t last = passed.rfind('\n');
  if (last == kNone) return;
  lines_ += std::count(passed.begin(), passed.end(), '\n');
  line_begin_ = base_ + static_cast<int64_t>(position_ - bytes + last + 1);
}

Result<bool> RecordStream::NextElement(std::string_view* record) {
  ARROW_ASSIGN_OR_RAISE(const bool more, PassSeparator());
  if (!more) return false;
  ARROW_RETURN_NOT_OK(PeekSolid().status());
  size_t bytes = 0;
  while ((bytes = ElementBytes({data() + position_, size_ - position_})) == kNone) {
    if (at_end_) return ErrorHere("expected the array to be closed by \"]\", got ");
    ARROW_RETURN_NOT_OK(Refill());
  }
  if (bytes == 0) return ErrorHere("expected an object, got ");
  HandOut(position_, bytes, record);
  Consume(bytes);
  return true;
}

Result<bool> RecordStream::PassSeparator() {
  ARROW_ASSIGN_OR_RAISE(const char next, PeekSolid());
  switch (place_) {
    case Place::kBegin:
      if (next != '[') return ErrorHere("expected an array, got ");
      place_ = Place::kFirst;
      Consume(1);
      return PassSeparator();
    case Place::kFirst:
    case Place::kInside:
      if (next == ']') {
        Consume(1);
        place_ = Place::kBehind;
        return PassSeparator();
      }
      if (std::exchange(place_, Place::kInside) == Place::kFirst) return true;
      if (next != ',') return ErrorHere("expected \",\" or \"]\" after an element, got ");
      Consume(1);
      return true;
    case Place::kBehind:
      if (position_ == size_) return false;
      return ErrorHere("expected the end of the file after the array, got ");
  }
  return false;
}

Status RecordStream::ErrorHere(std::string_view message) {
  record_ = data() + position_;
  record_lines_ = lines_;
  record_line_begin_ = line_begin_;
  const bool open = message.ends_with(' ');
  const std::string_view rest(data() + position_, std::min<size_t>(size_ - position_, 200));
  return ErrorAt(record_, std::string(message) + (!open          ? ""
                                                  : rest.empty() ? "the end of the file"
                                                                 : csv::ShowBytes(rest)));
}

int64_t RecordStream::bytes() const { return buffer_ == nullptr ? 0 : buffer_->capacity(); }

Status RecordStream::ErrorAt(const char* place, std::string_view message) {
  const std::string_view before(record_, static_cast<size_t>(place - record_));
  int64_t line = record_lines_ + std::count(before.begin(), before.end(), '\n');
  const size_t last = before.rfind('\n');
  const int64_t column = last == kNone ? base_ + (place - data()) - record_line_begin_
                                       : static_cast<int64_t>(before.size() - last - 1);
  if (begin_ > 0) {
    ARROW_ASSIGN_OR_RAISE(const int64_t lines_before, CountLines(vfs_, file_, begin_ - 1, pool_));
    line += lines_before;
  }
  return Error(ErrorKind::kBadData, "{}:{}:{}: {}", file_.path, line + 1, column + 1, message);
}

}  // namespace headrace::json_lines
