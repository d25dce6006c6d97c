// The lexer. Names may hold any byte above 127, so UTF-8 passes; the text's encoding is checked as
// a whole before.
#include "headrace/sql/lexer.h"

#include <algorithm>
#include <array>

#include "headrace/sql/escaped_text.h"

namespace headrace::sql {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool StartsName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool ContinuesName(char c) { return StartsName(c) || IsDigit(c) || c == '$'; }

/// Longest first.
constexpr std::array<std::string_view, 48> kSymbols = {
    "!~~*", "->>", "!~~", "~~*", "//", "||", "<=", ">=", "<>", "!=", "==", "::",
    ":=",   "=>",  "->",  "&&",  "@>", "<@", "^@", "**", "<<", ">>", "~~", "!~",
    "(",    ")",   ",",   ".",   ";",  "*",  "+",  "-",  "/",  "%",  "=",  "<",
    ">",    "[",   "]",   "{",   "}",  ":",  "?",  "^",  "&",  "|",  "~",  "@"};

}  // namespace

bool Token::IsWord(std::string_view word) const {
  return kind == Kind::kWord && EqualsIgnoringCase(text, word);
}

std::string UnquotedText(const Token& token) {
  if (token.kind == Token::Kind::kString && token.text.front() != '\'') {
    return *UnescapedText(token.text.substr(2, token.text.size() - 3));  // the lexer has read it
  }
  const size_t start = token.kind == Token::Kind::kBlob ? 2 : 1;
  const char quote = token.text[start - 1];
  const std::string_view inside = token.text.substr(start, token.text.size() - start - 1);
  std::string text;
  text.reserve(inside.size());
  for (size_t i = 0; i < inside.size(); ++i) {
    text += inside[i];
    if (inside[i] == quote) ++i;
  }
  return text;
}

char Lexer::At(int64_t offset) const {
  const auto place = static_cast<size_t>(next_ + offset);
  return place < text_.size() ? text_[place] : '\0';
}

Token Lexer::Make(Token::Kind kind, int64_t begin, int64_t end) {
  next_ = end;
  return {kind,
          {begin, end},
          text_.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin))};
}

Token Lexer::Fail(int64_t begin, std::string message) {
  const auto end = static_cast<int64_t>(text_.size());
  status_ = WithSpan(MakeError(ErrorKind::kSyntax, std::move(message)), {begin, end});
  return Make(Token::Kind::kError, begin, end);
}

bool Lexer::SkipBlockComment() {
  int depth = 1;
  for (next_ += 2; depth > 0; ++next_) {
    if (static_cast<size_t>(next_) >= text_.size()) return false;
    if (At(0) == '*' && At(1) == '/') {
      --depth;
      ++next_;
    } else if (At(0) == '/' && At(1) == '*') {
      ++depth;
      ++next_;
    }
  }
  return true;
}

/// False when a comment has no end.
bool Lexer::SkipBlanks() {
  while (static_cast<size_t>(next_) < text_.size()) {
    if (IsBlank(At(0))) {
      ++next_;
    } else if (At(0) == '-' && At(1) == '-') {
      const size_t line_end = text_.find('\n', static_cast<size_t>(next_));
      next_ = static_cast<int64_t>(std::min(line_end, text_.size()));
    } else if (At(0) == '/' && At(1) == '*') {
      const int64_t begin = next_;
      if (!SkipBlockComment()) {
        next_ = begin;
        return false;
      }
    } else {
      break;
    }
  }
  return true;
}

Token Lexer::Quoted(Token::Kind kind, int64_t begin, char quote) {
  auto place = static_cast<size_t>(next_ + 1);
  while (true) {
    place = text_.find(quote, place);
    if (place == std::string_view::npos) {
      return Fail(begin, fmt::format("expected a closing {0}: this {0} has none", quote));
    }
    if (place + 1 >= text_.size() || text_[place + 1] != quote) break;
    place += 2;
  }
  return Make(kind, begin, static_cast<int64_t>(place) + 1);
}

/// E'…': a backslash takes the character behind it along.
Token Lexer::Escaped(int64_t begin) {
  auto place = static_cast<size_t>(begin + 2);
  while (place < text_.size() && (text_[place] != '\'' || text_.substr(place, 2) == "''")) {
    place += text_[place] == '\\' || text_[place] == '\'' ? 2 : 1;
  }
  if (place >= text_.size()) return Fail(begin, "expected a closing ': this ' has none");
  const auto from = static_cast<size_t>(begin + 2);
  const Status status = UnescapedText(text_.substr(from, place - from)).status();
  if (!status.ok()) return Fail(begin, status.message());
  return Make(Token::Kind::kString, begin, static_cast<int64_t>(place) + 1);
}

void Lexer::SkipWord() {
  while (ContinuesName(At(0))) ++next_;
}

/// Whether the word from `begin` to here is ms, s, m …, as in 5m.
bool Lexer::IsUnitOfTime(int64_t begin) const {
  const auto word = text_.substr(static_cast<size_t>(begin), static_cast<size_t>(next_ - begin));
  constexpr std::array<std::string_view, 7> kUnits = {"us", "ms", "s", "m", "h", "d", "w"};
  return std::find(kUnits.begin(), kUnits.end(), word) != kUnits.end();
}

Token Lexer::Number(int64_t begin) {
  while (IsDigit(At(0)) || (At(0) == '_' && IsDigit(At(1)))) ++next_;
  if (At(0) == '.') {
    ++next_;
    while (IsDigit(At(0))) ++next_;
  }
  const int64_t sign = At(1) == '+' || At(1) == '-' ? 1 : 0;
  if ((At(0) == 'e' || At(0) == 'E') && IsDigit(At(1 + sign))) {
    next_ += 1 + sign;
    while (IsDigit(At(0))) ++next_;
  }
  const int64_t end = next_;
  SkipWord();
  if (next_ == end) return Make(Token::Kind::kNumber, begin, end);
  if (IsUnitOfTime(end)) return Make(Token::Kind::kDuration, begin, next_);
  const auto written = text_.substr(static_cast<size_t>(begin), static_cast<size_t>(next_ - begin));
  return Fail(begin, fmt::format("expected a number, got {}", written));
}

Token Lexer::Next() {
  if (!SkipBlanks()) return Fail(next_, "expected */, got the end of the query");
  const int64_t begin = next_;
  if (static_cast<size_t>(begin) >= text_.size()) return Make(Token::Kind::kEnd, begin, begin);
  const char c = At(0);
  if (c == '\'') return Quoted(Token::Kind::kString, begin, c);
  if (c == '"') return Quoted(Token::Kind::kQuotedName, begin, c);
  if ((c == 'x' || c == 'X') && At(1) == '\'') {
    ++next_;
    return Quoted(Token::Kind::kBlob, begin, '\'');
  }
  if ((c == 'e' || c == 'E') && At(1) == '\'') return Escaped(begin);
  if (IsDigit(c) || (c == '.' && IsDigit(At(1)))) return Number(begin);
  if (StartsName(c)) {
    SkipWord();
    return Make(Token::Kind::kWord, begin, next_);
  }
  for (const std::string_view symbol : kSymbols) {
    if (text_.substr(static_cast<size_t>(begin)).starts_with(symbol)) {
      return Make(Token::Kind::kSymbol, begin, begin + static_cast<int64_t>(symbol.size()));
    }
  }
  if (c == '$' && ContinuesName(At(1))) {
    SkipWord();
    return Make(Token::Kind::kParameter, begin, next_);
  }
  if (c == '$') return Make(Token::Kind::kSymbol, begin, begin + 1);  // of patterns
  if (c > ' ' && c < '\x7f') return Fail(begin, fmt::format("unexpected character: {}", c));
  return Fail(begin, fmt::format("unexpected byte: 0x{:02x}", static_cast<unsigned char>(c)));
}

}  // namespace headrace::sql
