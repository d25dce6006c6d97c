// The lexer: query text → tokens, one at a time.
#pragma once

#include <string>
#include <string_view>

#include "headrace/base/ascii_case.h"
#include "headrace/base/error.h"

namespace headrace::sql {

/// From the begin of `first` to the end of `last`.
inline TextSpan Around(TextSpan first, TextSpan last) { return {first.begin, last.end}; }

struct Token {
  enum class Kind : uint8_t {
    kWord,        // a keyword or a plain name
    kQuotedName,  // "a name"
    kString,      // 'text'
    kBlob,        // x'00ff'
    kNumber,      // 12, 1.50, 1e3
    kDuration,    // 5s, 100ms
    kParameter,   // $1, $name
    kSymbol,      // an operator or a mark
    kEnd,
    kError,  // what follows is no token; Lexer::status says why
  };

  Kind kind = Kind::kEnd;
  TextSpan span;
  std::string_view text;  // as written, quotes included

  /// A word in any case. REQUIRES: `word` is upper case.
  bool IsWord(std::string_view word) const;
  bool IsSymbol(std::string_view symbol) const { return kind == Kind::kSymbol && text == symbol; }
};

/// Never fails on any bytes: what cannot be read is one kError token, and the end after it.
/// The text must outlive the lexer and its tokens.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Token Next();
  /// Goes on at byte `place` of the text.
  void SkipTo(int64_t place) {
    next_ = place;
    status_ = Status::OK();
  }
  /// Why the last token was kError, with its span.
  const Status& status() const { return status_; }

 private:
  bool SkipBlanks();
  bool SkipBlockComment();
  Token Quoted(Token::Kind kind, int64_t begin, char quote);
  Token Escaped(int64_t begin);
  Token Number(int64_t begin);
  bool IsUnitOfTime(int64_t begin) const;
  Token Make(Token::Kind kind, int64_t begin, int64_t end);
  Token Fail(int64_t begin, std::string message);
  char At(int64_t offset) const;
  void SkipWord();

  std::string_view text_;
  int64_t next_ = 0;
  Status status_;
};

/// The text inside quotes: doubled quotes made single, escapes of E'…' read. REQUIRES: a quoted
/// token.
std::string UnquotedText(const Token& token);

}  // namespace headrace::sql
