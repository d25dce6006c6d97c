// RecordStream: the records of a JSON file one by one, out of a window that slides along it. In a
// file of lines every line is a record: JSON escapes line ends inside of strings. In a file that is
// one array its elements are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "arrow/type_fwd.h"
#include "headrace/format/json_lines/options.h"
#include "headrace/format/row_stream.h"
#include "headrace/io/vfs.h"

namespace headrace::json_lines {

/// Bytes asked for at a time.
inline constexpr int64_t kReadBytes = int64_t{1} << 20;

/// One thread.
class RecordStream {
 public:
  /// Bytes behind a record that may be read (not understood): what simdjson wants.
  static constexpr int64_t kPadding = 64;

  /// The records that begin in bytes [begin, end) of the file; only kLines has more than one part.
  /// A compressed file (".gz", ".zst") has one part, whatever `end` is. kAuto: an array when the
  /// first byte but blanks is '['.
  static Result<std::unique_ptr<RecordStream>> Open(Vfs& vfs, const FileInfo& file, Layout layout,
                                                    int64_t begin, int64_t end,
                                                    arrow::MemoryPool* pool);
  /// The lines of a text that may grow, on from `from`, where `text` begins.
  static Result<std::unique_ptr<RecordStream>> Follow(const StreamFile& file, const RowPlace& from,
                                                      std::shared_ptr<arrow::io::InputStream> text,
                                                      arrow::MemoryPool* pool);
  ~RecordStream();

  /// The next record that is not blank, valid until the next call; false at the end. `record` has
  /// no blanks at its ends.
  Result<bool> Next(std::string_view* record);

  /// Of a text that may grow: reads on where the end was, and a line without a line end is none.
  void ReadAgain() { at_end_ = false; }
  /// It does not grow any more.
  void EndOfFile() { grows_ = false; }
  /// Where the next line starts.
  RowPlace place() const { return {base_ + static_cast<int64_t>(position_), lines_}; }
  /// Where the last record did.
  RowPlace record_place() const { return {record_line_begin_, record_lines_}; }

  /// "file:line:column: message" for a place in the last record. Counts the lines before a part
  /// that does not begin the file.
  Status ErrorAt(const char* place, std::string_view message);
  const std::string& path() const { return file_.path; }
  /// Bytes of memory.
  int64_t bytes() const;
  bool is_array() const { return is_array_; }

 private:
  /// Where an array was read to.
  enum class Place { kBegin, kFirst, kInside, kBehind };

  RecordStream(Vfs& vfs, const FileInfo& file, int64_t end, arrow::MemoryPool* pool);
  Status Start(Layout layout, int64_t begin);
  /// Drops what was handed out and reads on: more bytes follow, or at_end_.
  Status Refill();
  Status MakeRoom();
  Status ReadOn();
  Result<bool> NextLine(std::string_view* record);
  /// As NextLine, but blank ones too.
  Result<bool> TakeLine(std::string_view* record);
  Result<bool> NextElement(std::string_view* record);
  /// Passes the bracket or comma before an element; false behind the array.
  Result<bool> PassSeparator();
  /// The next byte that is no blank, not passed; 0 at the end of the file.
  Result<char> PeekSolid();
  /// Passes bytes of the window and counts their lines.
  void Consume(size_t bytes);
  void HandOut(size_t begin, size_t bytes, std::string_view* record);
  Status ErrorHere(std::string_view message);
  const char* data() const;

  Vfs& vfs_;
  const FileInfo file_;
  const int64_t end_;
  arrow::MemoryPool* const pool_;
  std::shared_ptr<arrow::io::InputStream> stream_;
  std::shared_ptr<arrow::ResizableBuffer> buffer_;
  size_t capacity_ = 0;
  size_t position_ = 0;       // in the window: first byte that is not passed
  size_t size_ = 0;           // bytes in the window
  int64_t begin_ = 0;         // of the part, in the file
  int64_t base_ = 0;          // of the window, in the (unpacked) file
  int64_t lines_ = 0;         // line ends of this part before position_
  int64_t line_begin_ = 0;    // in the (unpacked) file: the line that position_ is in
  int64_t record_lines_ = 0;  // the same for the record handed out last
  int64_t record_line_begin_ = 0;
  const char* record_ = nullptr;
  bool is_array_ = false;
  Place place_ = Place::kBegin;
  bool at_end_ = false;
  bool grows_ = false;
};

}  // namespace headrace::json_lines
