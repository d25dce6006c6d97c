// The parser's tokens, names and messages.
#include "headrace/sql/parser.h"

#include <algorithm>
#include <array>

#include "arrow/util/utf8.h"
#include "headrace/base/limits.h"
#include "headrace/table/options.h"

namespace headrace::sql {
namespace {

constexpr std::array<std::string_view, 45> kReservedWords = {
    "ALL",     "AND",      "AS",     "ASC",   "BETWEEN",   "BY",     "CASE",  "CAST",  "CROSS",
    "DESC",    "DISTINCT", "ELSE",   "END",   "EXCEPT",    "EXISTS", "FALSE", "FROM",  "FULL",
    "GROUP",   "HAVING",   "IN",     "INNER", "INTERSECT", "IS",     "JOIN",  "LEFT",  "LIKE",
    "LIMIT",   "NATURAL",  "NOT",    "NULL",  "OFFSET",    "ON",     "OR",    "ORDER", "OUTER",
    "QUALIFY", "RIGHT",    "SELECT", "THEN",  "TRUE",      "UNION",  "USING", "WHEN",  "WHERE"};

/// Words that go on after a table or an item, so they are no alias without AS.
constexpr std::array<std::string_view, 15> kNoAlias = {
    "ASOF",    "POSITIONAL", "SEMI",   "ANTI",  "WINDOW",  "WITH", "TABLESAMPLE",    "FETCH",
    "EXCLUDE", "REPLACE",    "RENAME", "PIVOT", "UNPIVOT", "FOR",  "MATCH_RECOGNIZE"};

template <typename Words>
bool Contains(const Words& words, std::string_view word) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view candidate) {
    return EqualsIgnoringCase(candidate, word);
  });
}

std::string Shown(const Token& token) {
  constexpr size_t kShownMax = 40;
  if (token.kind == Token::Kind::kEnd) return "the end of the query";
  if (token.text.size() <= kShownMax) return std::string(token.text);
  size_t cut = kShownMax;
  while (cut > 0 && (static_cast<unsigned char>(token.text[cut]) & 0xC0) == 0x80) --cut;
  return std::string(token.text.substr(0, cut)) + "...";
}

}  // namespace

bool IsReserved(std::string_view word) { return Contains(kReservedWords, word); }

Status CheckText(std::string_view text) {
  if (static_cast<int64_t>(text.size()) > kQueryTextBytesMax) {
    return Error(ErrorKind::kSyntax, "expected a query of at most {} bytes, got {}",
                 kQueryTextBytesMax, text.size());
  }
  arrow::util::InitializeUTF8();
  if (!arrow::util::ValidateUTF8(text)) {
    return Error(ErrorKind::kSyntax, "expected a query in UTF-8, got other bytes");
  }
  return Status::OK();
}

Parser::Parser(std::string_view text, const Parameters* parameters)
    : text_(text), parameters_(parameters), lexer_(text) {
  current_ = lexer_.Next();
  following_ = lexer_.Next();
}

Token Parser::Take() {
  Token taken = current_;
  last_ = taken;
  current_ = following_;
  if (current_.kind != Token::Kind::kError) following_ = lexer_.Next();
  return taken;
}

bool Parser::AcceptWord(std::string_view word) {
  if (!Peek().IsWord(word)) return false;
  Take();
  return true;
}

bool Parser::AcceptSymbol(std::string_view symbol) {
  if (!Peek().IsSymbol(symbol)) return false;
  Take();
  return true;
}

Status Parser::ExpectWord(std::string_view word) {
  return AcceptWord(word) ? Status::OK() : Unexpected(word);
}

Status Parser::ExpectSymbol(std::string_view symbol) {
  return AcceptSymbol(symbol) ? Status::OK() : Unexpected(symbol);
}

Status Parser::ExpectEnd() {
  AcceptSymbol(";");
  if (Peek().kind == Token::Kind::kEnd) return Status::OK();
  const std::string instead = ClauseMeant();
  if (instead.empty()) return Unexpected("the end of the query");
  return WithSpan(Error(ErrorKind::kSyntax, "expected the end of the query, got {}; {}",
                        Shown(Peek()), instead),
                  Peek().span);
}

/// "did you mean FROM?" where this word, or the one before that was read as a name, is nearly one
/// that begins a clause; else "".
std::string Parser::ClauseMeant() const {
  const std::vector<std::string> clauses = {"FROM",  "WHERE",  "GROUP", "ORDER", "HAVING",
                                            "LIMIT", "OFFSET", "UNION", "JOIN",  "QUALIFY"};
  const auto meant = [&](const Token& token) {
    constexpr size_t kWordMin = 3;
    const bool is_word = token.kind == Token::Kind::kWord && token.text.size() >= kWordMin;
    return is_word ? NearestName(token.text, clauses) : "";
  };
  if (const std::string word = meant(Peek()); !word.empty()) {
    return fmt::format("did you mean {}?", word);
  }
  const std::string word = meant(last_);
  if (word.empty() || IsReserved(last_.text)) return "";
  return fmt::format("did you mean {} instead of {}?", word, last_.text);
}

Status Parser::Unexpected(std::string_view expected) const {
  if (Peek().kind == Token::Kind::kError) return lexer_.status();
  return WithSpan(Error(ErrorKind::kSyntax, "expected {}, got {}", expected, Shown(Peek())),
                  Peek().span);
}

bool Parser::PeekIsOneOf(std::initializer_list<std::string_view> words) const {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return Peek().IsWord(word); });
}

Status Parser::Unsupported(const Token& token, std::string_view what) const {
  return WithSpan(Error(ErrorKind::kUnsupported, "{}", what), token.span);
}

Result<std::string> Parser::ParseName(std::string_view expected) {
  if (Peek().kind == Token::Kind::kQuotedName) return UnquotedText(Take());
  if (Peek().kind != Token::Kind::kWord || IsReserved(Peek().text)) return Unexpected(expected);
  return std::string(Take().text);
}

Result<std::string> Parser::ParseString(std::string_view expected) {
  if (Peek().kind != Token::Kind::kString) return Unexpected(expected);
  return UnquotedText(Take());
}

Result<std::string> Parser::ParseAlias() {
  if (AcceptWord("AS")) {
    if (Peek().kind != Token::Kind::kWord || !IsReserved(Peek().text)) return ParseName("a name");
    return WithSpan(Error(ErrorKind::kSyntax,
                          "expected a name, got {0}; in double quotes any word is a name: \"{0}\"",
                          Peek().text),
                    Peek().span);
  }
  const bool is_name = Peek().kind == Token::Kind::kQuotedName ||
                       (Peek().kind == Token::Kind::kWord && !IsReserved(Peek().text) &&
                        !Contains(kNoAlias, Peek().text) && !StartsStreamClause());
  return is_name ? ParseName("a name") : std::string();
}

Status Parser::CheckNesting() const {
  if (depth_ <= kNestingDepthMax) return Status::OK();
  return WithSpan(
      Error(ErrorKind::kSyntax, "the query nests deeper than {} levels", kNestingDepthMax),
      Peek().span);
}

}  // namespace headrace::sql
