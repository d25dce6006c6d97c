// TABLESAMPLE and USING SAMPLE.
#include <charconv>

#include "headrace/sql/parser.h"

namespace headrace::sql {

/// After TABLESAMPLE or USING: SAMPLE amount [(method [, seed])] | method (amount), then
/// [REPEATABLE (seed)].
Result<SampleClause> Parser::ParseSample() {
  SampleClause sample;
  const int64_t begin = Take().span.begin;
  if (Peek().kind == Token::Kind::kNumber) {
    ARROW_RETURN_NOT_OK(ParseSampleAmount(&sample));
    if (AcceptSymbol("(")) {
      ARROW_RETURN_NOT_OK(ParseSampleMethod(&sample));
      if (AcceptSymbol(",")) {
        ARROW_ASSIGN_OR_RAISE(sample.seed, ParseSeed());
      }
      ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
    }
  } else {
    if (!Peek().IsSymbol("(")) ARROW_RETURN_NOT_OK(ParseSampleMethod(&sample));
    ARROW_RETURN_NOT_OK(ExpectSymbol("("));
    ARROW_RETURN_NOT_OK(ParseSampleAmount(&sample));
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  }
  if (AcceptWord("REPEATABLE")) {
    ARROW_RETURN_NOT_OK(ExpectSymbol("("));
    ARROW_ASSIGN_OR_RAISE(sample.seed, ParseSeed());
    ARROW_RETURN_NOT_OK(ExpectSymbol(")"));
  }
  sample.span = SpanFrom(begin);
  return sample;
}

/// n % | n PERCENT | n [ROWS]
Status Parser::ParseSampleAmount(SampleClause* sample) {
  const Token number = Peek();
  const std::string_view text = number.text;
  const auto [stop, failure] =
      std::from_chars(text.data(), text.data() + text.size(), sample->amount);
  const bool whole = stop == text.data() + text.size();
  if (number.kind != Token::Kind::kNumber || failure != std::errc() || !whole) {
    return Unexpected("a number of rows or 10 PERCENT");
  }
  Take();
  sample->is_percent = AcceptSymbol("%") || AcceptWord("PERCENT");
  if (!sample->is_percent) AcceptWord("ROWS");
  const bool is_count = sample->amount >= 0 && sample->amount < 9e18 &&
                        sample->amount == static_cast<double>(static_cast<int64_t>(sample->amount));
  const bool is_share = sample->amount >= 0 && sample->amount <= 100;
  if (sample->is_percent ? is_share : is_count) return Status::OK();
  return WithSpan(Error(ErrorKind::kInvalidArgument, "a sample takes {}, got {}",
                        sample->is_percent ? "0 to 100 percent" : "a whole number of rows", text),
                  number.span);
}

/// The words are accepted; every row is drawn on its own in any case.
Status Parser::ParseSampleMethod(SampleClause* sample) {
  if (PeekIsOneOf({"BERNOULLI", "SYSTEM"})) {
    Take();
    sample->is_percent = true;
    return Status::OK();
  }
  return AcceptWord("RESERVOIR") ? Status::OK() : Unexpected("BERNOULLI, SYSTEM or RESERVOIR");
}

Result<uint64_t> Parser::ParseSeed() {
  ARROW_ASSIGN_OR_RAISE(const int64_t seed, ParseRowCount("a seed"));
  return static_cast<uint64_t>(seed);
}

}  // namespace headrace::sql
