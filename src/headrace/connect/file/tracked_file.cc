// Heads and positions. A position is lines of numbers; the path ends a line.
#include "headrace/connect/file/tracked_file.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "arrow/buffer.h"
#include "headrace/base/hash.h"

namespace headrace {
namespace {

constexpr std::string_view kPositionMagic = "files1";

/// Line ends and percent signs of a path as %XX.
std::string EscapePath(std::string_view path) {
  std::string text;
  for (const char c : path) {
    if (c == '\n' || c == '%') {
      text += c == '%' ? "%25" : "%0A";
    } else {
      text += c;
    }
  }
  return text;
}

std::string UnescapePath(std::string_view text) {
  std::string path;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("%25") || text.substr(i).starts_with("%0A")) {
      path += text[i + 1] == '2' ? '%' : '\n';
      i += 2;
    } else {
      path += text[i];
    }
  }
  return path;
}

/// The front of `*text` up to `end`, which is taken away with it.
std::string_view Take(std::string_view* text, char end) {
  const size_t at = std::min(text->find(end), text->size());
  const std::string_view part = text->substr(0, at);
  text->remove_prefix(std::min(at + 1, text->size()));
  return part;
}

template <typename Number>
bool TakeNumber(std::string_view* line, Number* out) {
  const std::string_view word = Take(line, ' ');
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), *out);
  return error == std::errc() && stop == word.data() + word.size();
}

bool ReadFile(std::string_view line, TrackedFile* file) {
  int finished = 0;
  const bool fits = TakeNumber(&line, &file->inode) && TakeNumber(&line, &file->place.offset) &&
                    TakeNumber(&line, &file->place.row) && TakeNumber(&line, &file->head.bytes) &&
                    TakeNumber(&line, &file->head.hash) && TakeNumber(&line, &finished);
  file->finished = finished != 0;
  file->path = UnescapePath(line);
  return fits && !file->path.empty();
}

}  // namespace

Result<FileHead> HeadOf(arrow::io::RandomAccessFile& file, int64_t bytes) {
  char start[FileHead::kBytesMax];
  ARROW_ASSIGN_OR_RAISE(const int64_t got,
                        file.ReadAt(0, std::min(bytes, FileHead::kBytesMax), start));
  if (got == 0) return FileHead{};
  return FileHead{got, HashBytes({start, static_cast<size_t>(got)})};
}

std::string WritePosition(const FilePosition& position) {
  std::string text = fmt::format("{} {} {}\n", kPositionMagic, position.rows, position.errors);
  for (const auto& file : position.files) {
    text += fmt::format("{} {} {} {} {} {} {}\n", file->inode, file->place.offset, file->place.row,
                        file->head.bytes, file->head.hash, file->finished ? 1 : 0,
                        EscapePath(file->path));
  }
  return text;
}

Result<FilePosition> ReadPosition(std::string_view text) {
  FilePosition position;
  std::string_view rest = text;
  std::string_view first = Take(&rest, '\n');
  const bool is_one = Take(&first, ' ') == kPositionMagic && TakeNumber(&first, &position.rows) &&
                      TakeNumber(&first, &position.errors);
  if (!is_one) {
    return Error(ErrorKind::kInvalidArgument, "expected the position of a file stream, got '{}'",
                 text.substr(0, 60));
  }
  while (!rest.empty()) {
    const std::string_view line = Take(&rest, '\n');
    auto file = std::make_unique<TrackedFile>();
    if (!ReadFile(line, file.get())) {
      return Error(ErrorKind::kInvalidArgument, "expected the position of a file, got '{}'", line);
    }
    position.files.push_back(std::move(file));
  }
  return position;
}

}  // namespace headrace
