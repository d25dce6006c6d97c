// Options of the CSV reader and writer that shape rows and fields.
#include "headrace/format/csv/dialect.h"

#include <set>

#include "arrow/util/utf8.h"

namespace headrace::csv {
namespace {

constexpr size_t kShownBytesMax = 40;

/// A character option that may be empty, which means none.
Result<int> OptionalCharacter(OptionReader& reader, const OptionMap& options, std::string_view name,
                              int fallback) {
  const auto given = options.find(name);
  if (given == options.end() || given->second.empty()) {
    ARROW_RETURN_NOT_OK(reader.Text(name, ""));
    return given == options.end() ? fallback : Dialect::kNone;
  }
  ARROW_ASSIGN_OR_RAISE(const char value, reader.Character(name, ' '));
  return static_cast<unsigned char>(value);
}

Result<OnError> ReadOnError(OptionReader& reader) {
  ARROW_ASSIGN_OR_RAISE(const std::string word, reader.Text("on_error", "fail"));
  if (word == "fail") return OnError::kFail;
  if (word == "null") return OnError::kNull;
  if (word == "skip_row") return OnError::kSkipRow;
  return Error(ErrorKind::kInvalidArgument,
               "csv reader: option on_error expects fail, null or skip_row, got '{}'", word);
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> words;
  for (size_t comma; (comma = text.find(',')) != std::string_view::npos;) {
    words.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  words.emplace_back(text);
  return words;
}

bool IsLineEndOrNul(int byte) { return byte == '\n' || byte == '\r' || byte == '\0'; }

Status CheckCharacters(const Dialect& dialect) {
  std::set<int> seen;
  for (const int special : {dialect.delimiter, dialect.quote, dialect.comment}) {
    if (special == Dialect::kNone) continue;
    if (IsLineEndOrNul(special) || !seen.insert(special).second) {
      return Error(ErrorKind::kInvalidArgument,
                   "csv: expected delimiter, quote and comment to be different characters and no "
                   "line ends, got {}",
                   ShowBytes(std::string(1, static_cast<char>(special))));
    }
  }
  if (IsLineEndOrNul(dialect.escape) || dialect.escape == dialect.delimiter) {
    return Error(ErrorKind::kInvalidArgument,
                 "csv: expected escape to be no line end and not the delimiter, got {}",
                 ShowBytes(std::string(1, static_cast<char>(dialect.escape))));
  }
  return Status::OK();
}

/// Nulls are written without quotes: their spellings must be read back as one field.
Status CheckNulls(const Dialect& dialect) {
  for (const std::string& null : dialect.nulls) {
    for (const char c : null) {
      const int byte = static_cast<unsigned char>(c);
      if (!IsLineEndOrNul(byte) && byte != dialect.delimiter && byte != dialect.quote) continue;
      return Error(ErrorKind::kInvalidArgument,
                   "csv: expected spellings of null without delimiters, quotes and line ends, got "
                   "{}",
                   ShowBytes(null));
    }
  }
  return Status::OK();
}

bool IsTabSeparated(std::string_view path) {
  return path.ends_with(".tsv") || path.ends_with(".tsv.gz") || path.ends_with(".tsv.zst");
}

Result<Dialect> ReadShared(OptionReader& reader, const OptionMap& options, std::string_view path) {
  Dialect dialect;
  ARROW_ASSIGN_OR_RAISE(const char delimiter,
                        reader.Character("delimiter", IsTabSeparated(path) ? '\t' : ','));
  dialect.delimiter = static_cast<unsigned char>(delimiter);
  ARROW_ASSIGN_OR_RAISE(dialect.quote, OptionalCharacter(reader, options, "quote", '"'));
  ARROW_ASSIGN_OR_RAISE(dialect.escape,
                        OptionalCharacter(reader, options, "escape", dialect.quote));
  ARROW_ASSIGN_OR_RAISE(dialect.header, reader.Flag("header", true));
  ARROW_ASSIGN_OR_RAISE(const std::string nulls, reader.Text("null", ""));
  dialect.nulls = SplitList(nulls);
  return dialect;
}

}  // namespace

Result<Dialect> ReadDialect(OptionReader& reader, const OptionMap& options, std::string_view path) {
  ARROW_ASSIGN_OR_RAISE(Dialect dialect, ReadStreamDialect(reader, options, path));
  ARROW_ASSIGN_OR_RAISE(dialect.on_error, ReadOnError(reader));
  return dialect;
}

Result<Dialect> ReadStreamDialect(OptionReader& reader, const OptionMap& options,
                                  std::string_view path) {
  ARROW_ASSIGN_OR_RAISE(Dialect dialect, ReadShared(reader, options, path));
  ARROW_ASSIGN_OR_RAISE(dialect.comment,
                        OptionalCharacter(reader, options, "comment", Dialect::kNone));
  ARROW_ASSIGN_OR_RAISE(dialect.skip_rows, reader.Integer("skip_rows", 0, 0, int64_t{1} << 40));
  ARROW_RETURN_NOT_OK(CheckCharacters(dialect));
  ARROW_RETURN_NOT_OK(CheckNulls(dialect));
  return dialect;
}

Result<Dialect> ReadOutputDialect(OptionReader& reader, const OptionMap& options,
                                  std::string_view path) {
  ARROW_ASSIGN_OR_RAISE(Dialect dialect, ReadShared(reader, options, path));
  ARROW_RETURN_NOT_OK(CheckCharacters(dialect));
  ARROW_RETURN_NOT_OK(CheckNulls(dialect));
  return dialect;
}

std::string ShowBytes(std::string_view bytes) {
  std::string text = "\"";
  const bool cut = bytes.size() > kShownBytesMax;
  if (cut) {
    size_t size = kShownBytesMax;
    while (size > 0 && (bytes[size] & 0xC0) == 0x80) --size;
    bytes = bytes.substr(0, size);
  }
  arrow::util::InitializeUTF8();
  const bool is_text = arrow::util::ValidateUTF8(bytes);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      text += "\\n";
    } else if (c == '\r') {
      text += "\\r";
    } else if (byte < 0x20 || byte == 0x7F || (byte > 0x7F && !is_text)) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + (cut ? "…\"" : "\"");
}

}  // namespace headrace::csv
