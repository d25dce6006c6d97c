// Candidates for a word, by where it stands.
#include "completion.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <set>
#include <system_error>

#include "arrow/type.h"
#include "headrace/function/registry.h"
#include "headrace/sql/lexer.h"

namespace headrace::app {
namespace {

constexpr size_t kFilesMax = 1000;

constexpr std::array<std::string_view, 74> kKeywords = {
    "ALL",      "AND",    "ANTI",      "AS",        "ASC",       "ASOF",      "BETWEEN", "BY",
    "CASE",     "CAST",   "COPY",      "CREATE",    "CROSS",     "CURRENT",   "DESC",    "DESCRIBE",
    "DISTINCT", "DROP",   "ELSE",      "END",       "ANALYZE",   "EXCEPT",    "EXISTS",  "EXPLAIN",
    "FALSE",    "FIRST",  "FOLLOWING", "FROM",      "FULL",      "GROUP",     "HAVING",  "IN",
    "INNER",    "INSERT", "INTERSECT", "INTERVAL",  "INTO",      "IS",        "JOIN",    "LAST",
    "LEFT",     "LIKE",   "LIMIT",     "NOT",       "NULL",      "NULLS",     "OFFSET",  "ON",
    "OR",       "ORDER",  "OUTER",     "OVER",      "PARTITION", "PRECEDING", "QUALIFY", "RANGE",
    "REPLACE",  "RIGHT",  "ROWS",      "SELECT",    "SEMI",      "SHOW",      "TABLE",   "THEN",
    "TO",       "TRUE",   "TRY_CAST",  "UNBOUNDED", "UNION",     "USING",     "VALUES",  "VIEW",
    "WHEN",     "WHERE"};

bool IsWordByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool StartsWith(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && EqualsIgnoringCase(text.substr(0, start.size()), start);
}

/// Where the text of an open '…' starts; npos when no quote is open at the end.
size_t OpenQuote(std::string_view text) {
  size_t open = std::string_view::npos;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\'') continue;
    open = open == std::string_view::npos ? at + 1 : std::string_view::npos;
  }
  return open;
}

std::vector<std::string> FilesLike(const std::string& typed) {
  namespace fs = std::filesystem;
  const size_t slash = typed.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : typed.substr(0, slash + 1);
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end;
       !error && it != end && found.size() < kFilesMax; it.increment(error)) {
    std::string path = folder + it->path().filename().string();
    if (path.compare(0, typed.size(), typed) != 0) continue;
    if (typed.size() == folder.size() && path[folder.size()] == '.') continue;
    std::error_code ignored;
    path += it->is_directory(ignored) ? "/" : "'";
    found.push_back(std::move(path));
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Keywords come in the case that was typed.
std::string InCaseOf(std::string_view typed, std::string_view keyword) {
  const bool lower = !typed.empty() && std::islower(static_cast<unsigned char>(typed.back())) != 0;
  std::string word(keyword);
  if (lower) {
    for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return word;
}

}  // namespace

std::vector<std::string> Completion::Candidates(std::string_view before, size_t* begin) {
  const std::string statement = earlier_lines_ + std::string(before);
  if (OpenQuote(statement) != std::string_view::npos) {
    const size_t open = before.rfind('\'');
    *begin = open == std::string_view::npos ? 0 : open + 1;
    return FilesLike(std::string(before.substr(*begin)));
  }
  *begin = before.size();
  while (*begin > 0 && IsWordByte(before[*begin - 1])) --*begin;
  const bool is_dot = earlier_lines_.empty() && *begin == 1 && before[0] == '.';
  if (is_dot) *begin = 0;
  const std::string_view typed = before.substr(*begin);
  std::set<std::string> found;
  if (!is_dot && !typed.empty()) {
    for (const std::string_view keyword : kKeywords) {
      if (StartsWith(keyword, typed)) found.insert(InCaseOf(typed, keyword));
    }
  }
  for (const std::string& word : is_dot ? dot_commands_ : Words(statement)) {
    if (StartsWith(word, typed)) found.insert(word);
  }
  return {found.begin(), found.end()};
}

std::vector<std::string> Completion::Words(std::string_view statement) {
  std::vector<std::string> words = session_.TableNames();
  AddColumns(statement, &words);
  for (const std::string& name : AllNames(Dialect::kSql)) {
    if (IsWordByte(name.front())) words.push_back(name);
  }
  return words;
}

void Completion::AddColumns(std::string_view statement, std::vector<std::string>* words) {
  sql::Lexer lexer(statement);
  for (sql::Token token = lexer.Next(); token.kind != sql::Token::Kind::kEnd;
       token = lexer.Next()) {
    if (token.kind == sql::Token::Kind::kString) {
      const auto& columns = ColumnsOfFile(sql::UnquotedText(token));
      words->insert(words->end(), columns.begin(), columns.end());
    } else if (token.kind == sql::Token::Kind::kWord) {
      const auto table = session_.FindTable(std::string(token.text));
      if (!table.ok()) continue;
      for (const auto& field : (*table)->schema()->fields()) words->push_back(field->name());
    }
  }
}

const std::vector<std::string>& Completion::ColumnsOfFile(const std::string& path) {
  const auto [found, is_new] = columns_of_file_.try_emplace(path);
  if (!is_new) return found->second;
  const auto source = session_.OpenFile(path, {});
  if (source.ok()) found->second = (*source)->schema()->field_names();
  return found->second;
}

}  // namespace headrace::app
