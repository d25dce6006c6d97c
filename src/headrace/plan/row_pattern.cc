// A parser by recursive descent over the characters of the pattern, and its compiler.
#include "headrace/plan/row_pattern.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>

#include "headrace/base/ascii_case.h"
#include "headrace/base/limits.h"

namespace headrace {
namespace {

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

RowPattern PatternOf(RowPattern::Kind kind, std::vector<RowPattern> parts = {}) {
  RowPattern pattern;
  pattern.kind = kind;
  pattern.parts = std::move(parts);
  return pattern;
}

size_t SizeOf(const RowPattern& pattern) {
  size_t size = 1;
  for (const RowPattern& part : pattern.parts) size += SizeOf(part);
  return size;
}

/// Every order of `parts`, in the order of their places.
RowPattern PermutationsOf(const std::vector<RowPattern>& parts) {
  std::vector<size_t> order(parts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::vector<RowPattern> choices;
  do {
    std::vector<RowPattern> sequence;
    for (const size_t place : order) sequence.push_back(parts[place]);
    choices.push_back(PatternOf(RowPattern::Kind::kSequence, std::move(sequence)));
  } while (std::next_permutation(order.begin(), order.end()));
  return PatternOf(RowPattern::Kind::kChoice, std::move(choices));
}

class PatternParser {
 public:
  PatternParser(std::string_view text, int64_t begin) : text_(text), begin_(begin) {}

  Result<ParsedPattern> Parse() {
    ARROW_ASSIGN_OR_RAISE(parsed_.pattern, ParseChoice());
    if (place_ < text_.size()) return Unexpected("a variable, (, |, or the end of the pattern");
    return std::move(parsed_);
  }

 private:
  using Kind = RowPattern::Kind;

  char At(size_t offset) const {
    return place_ + offset < text_.size() ? text_[place_ + offset] : '\0';
  }

  void SkipBlanks() {
    while (true) {
      while (place_ < text_.size() && text_[place_] <= ' ' && text_[place_] >= 0) ++place_;
      if (At(0) != '/' || At(1) != '*') return;
      const size_t end = text_.find("*/", place_ + 2);
      place_ = end == std::string_view::npos ? text_.size() : end + 2;
    }
  }

  bool Accept(std::string_view symbol) {
    SkipBlanks();
    if (!text_.substr(place_).starts_with(symbol)) return false;
    place_ += symbol.size();
    SkipBlanks();
    return true;
  }

  TextSpan SpanFrom(size_t from) const {
    return {begin_ + static_cast<int64_t>(from), begin_ + static_cast<int64_t>(place_)};
  }

  Status Unexpected(std::string_view expected) {
    const size_t from = place_;
    if (place_ < text_.size()) ++place_;
    const std::string_view got = text_.substr(from, 1);
    return WithSpan(Error(ErrorKind::kSyntax, "expected {} in a pattern, got {}", expected,
                          got.empty() ? "its end" : got),
                    SpanFrom(from));
  }

  Status TooLarge(size_t from, std::string_view what) const {
    return WithSpan(Error(ErrorKind::kUnsupported, "{}", what), SpanFrom(from));
  }

  Result<RowPattern> ParseChoice() {
    if (++depth_ > kNestingDepthMax) return TooLarge(place_, "the pattern nests too deeply");
    std::vector<RowPattern> choices;
    do {
      ARROW_ASSIGN_OR_RAISE(choices.emplace_back(), ParseSequence());
    } while (Accept("|"));
    --depth_;
    return choices.size() == 1 ? std::move(choices.front())
                               : PatternOf(Kind::kChoice, std::move(choices));
  }

  Result<RowPattern> ParseSequence() {
    std::vector<RowPattern> parts;
    SkipBlanks();
    while (StartsPart()) {
      ARROW_ASSIGN_OR_RAISE(RowPattern part, ParsePart());
      ARROW_ASSIGN_OR_RAISE(part, WithQuantifier(std::move(part)));
      parts.push_back(std::move(part));
      SkipBlanks();
    }
    return parts.size() == 1 ? std::move(parts.front())
                             : PatternOf(Kind::kSequence, std::move(parts));
  }

  bool StartsPart() const {
    const char c = At(0);
    return c == '(' || c == '^' || c == '$' || c == '"' || (c == '{' && At(1) == '-') ||
           IsWordByte(c);
  }

  Result<RowPattern> ParsePart() {
    if (Accept("^")) return PatternOf(Kind::kStart);
    if (At(0) == '$') {
      ++place_;
      return PatternOf(Kind::kEnd);
    }
    if (Accept("{-")) {
      ARROW_ASSIGN_OR_RAISE(RowPattern inside, ParseChoice());
      if (!Accept("-}")) return Unexpected("-}");
      return PatternOf(Kind::kExclude, {std::move(inside)});
    }
    if (Accept("(")) {
      ARROW_ASSIGN_OR_RAISE(RowPattern inside, ParseChoice());
      if (!Accept(")")) return Unexpected(")");
      return inside;
    }
    return ParseNamed();
  }

  Result<RowPattern> ParseNamed() {
    const size_t from = place_;
    std::string name;
    if (At(0) == '"') {
      const size_t end = text_.find('"', place_ + 1);
      if (end == std::string_view::npos) return Unexpected("a closing \"");
      name = text_.substr(place_ + 1, end - place_ - 1);
      place_ = end + 1;
    } else {
      while (IsWordByte(At(0)) && At(0) != '$') ++place_;
      name = text_.substr(from, place_ - from);
      SkipBlanks();
      if (EqualsIgnoringCase(name, "PERMUTE") && Accept("(")) return ParsePermutation(from);
    }
    int variable = parsed_.Find(name);
    if (variable < 0) {
      variable = static_cast<int>(parsed_.variables.size());
      parsed_.variables.push_back(std::move(name));
    }
    if (parsed_.variables.size() > kMatchVariablesMax) {
      return TooLarge(from, fmt::format("a pattern has at most {} variables", kMatchVariablesMax));
    }
    RowPattern row = PatternOf(Kind::kRow);
    row.variable = static_cast<size_t>(variable);
    return row;
  }

  Result<RowPattern> ParsePermutation(size_t from) {
    std::vector<RowPattern> parts;
    do {
      ARROW_ASSIGN_OR_RAISE(parts.emplace_back(), ParseChoice());
    } while (Accept(","));
    if (!Accept(")")) return Unexpected(", or )");
    if (parts.size() > kPermutedMax) {
      return TooLarge(from, fmt::format("PERMUTE takes at most {} parts", kPermutedMax));
    }
    size_t size = 0;
    for (const RowPattern& part : parts) size += SizeOf(part);
    for (size_t i = 2; i <= parts.size(); ++i) size *= i;
    if (size > kMatchStepsMax) {
      return TooLarge(from, fmt::format("the orders of PERMUTE have more than {} parts together",
                                        kMatchStepsMax));
    }
    return PermutationsOf(parts);
  }

  Result<RowPattern> WithQuantifier(RowPattern part) {
    SkipBlanks();
    RowPattern repeat = PatternOf(Kind::kRepeat);
    if (Accept("*")) {
      repeat.min = 0;
    } else if (Accept("+")) {
      repeat.min = 1;
    } else if (Accept("?")) {
      repeat.max = 1;
    } else if (At(0) == '{' && At(1) != '-') {
      ARROW_RETURN_NOT_OK(ParseBounds(&repeat));
    } else {
      return part;
    }
    repeat.is_reluctant = Accept("?");
    repeat.parts.push_back(std::move(part));
    SkipBlanks();
    if (At(0) == '*' || At(0) == '+' || At(0) == '?') return Unexpected("one quantifier");
    return repeat;
  }

  /// {n}, {n,}, {n,m}, {,m}
  Status ParseBounds(RowPattern* repeat) {
    const size_t from = place_;
    Accept("{");
    const bool has_min = At(0) != ',';
    if (has_min) ARROW_RETURN_NOT_OK(ParseCount(&repeat->min));
    repeat->max = repeat->min;
    if (Accept(",")) {
      repeat->max = RowPattern::kNoMax;
      if (At(0) != '}' || !has_min) ARROW_RETURN_NOT_OK(ParseCount(&repeat->max));
    }
    if (!Accept("}")) return Unexpected("}");
    if (repeat->max == RowPattern::kNoMax || repeat->max >= std::max<int64_t>(repeat->min, 1)) {
      return Status::OK();
    }
    return WithSpan(
        Error(ErrorKind::kSyntax, "a quantifier {{n,m}} has 0 <= n <= m and m >= 1, got {}",
              text_.substr(from, place_ - from)),
        SpanFrom(from));
  }

  Status ParseCount(int64_t* count) {
    SkipBlanks();
    const char* const first = text_.data() + place_;
    const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), *count);
    if (end == first || error != std::errc()) return Unexpected("a number of rows");
    place_ += static_cast<size_t>(end - first);
    SkipBlanks();
    return Status::OK();
  }

  const std::string_view text_;
  const int64_t begin_;
  size_t place_ = 0;
  int depth_ = 0;
  ParsedPattern parsed_;
};

bool MayBeEmpty(const RowPattern& pattern) {
  const auto may = [](const RowPattern& part) { return MayBeEmpty(part); };
  switch (pattern.kind) {
    case RowPattern::Kind::kRow:
      return false;
    case RowPattern::Kind::kChoice:
      return std::any_of(pattern.parts.begin(), pattern.parts.end(), may);
    case RowPattern::Kind::kRepeat:
      return pattern.min == 0 || MayBeEmpty(pattern.parts[0]);
    default:
      return std::all_of(pattern.parts.begin(), pattern.parts.end(), may);
  }
}

class PatternCompiler {
 public:
  Result<std::vector<MatchStep>> Compile(const RowPattern& pattern) {
    ARROW_RETURN_NOT_OK(Add(pattern, false));
    Emit(MatchStep::Kind::kMatch);
    return std::move(steps_);
  }

 private:
  using Step = MatchStep::Kind;

  int32_t Here() const { return static_cast<int32_t>(steps_.size()); }

  size_t Emit(Step kind, int32_t target = 0) {
    MatchStep step;
    step.kind = kind;
    step.target = target;
    steps_.push_back(step);
    return steps_.size() - 1;
  }

  /// Where the split at `place` goes on without what comes behind it.
  void LeaveTo(size_t place, bool is_reluctant, int32_t exit) {
    MatchStep& split = steps_[place];
    split.target = static_cast<int32_t>(place) + 1;
    split.other = exit;
    if (is_reluctant) std::swap(split.target, split.other);
  }

  static Status TooLong() {
    return Error(ErrorKind::kUnsupported,
                 "the pattern is longer than {} steps, its quantifiers {{n,m}} written out",
                 kMatchStepsMax);
  }

  Status Add(const RowPattern& pattern, bool is_excluded) {
    if (steps_.size() > kMatchStepsMax || ++parts_ > 4 * kMatchStepsMax) return TooLong();
    switch (pattern.kind) {
      case RowPattern::Kind::kRow:
        steps_[Emit(Step::kRow, static_cast<int32_t>(pattern.variable))].is_excluded = is_excluded;
        return Status::OK();
      case RowPattern::Kind::kStart:
        Emit(Step::kStart);
        return Status::OK();
      case RowPattern::Kind::kEnd:
        Emit(Step::kEnd);
        return Status::OK();
      case RowPattern::Kind::kChoice:
        return AddChoice(pattern, is_excluded);
      case RowPattern::Kind::kRepeat:
        return AddRepeat(pattern, is_excluded);
      case RowPattern::Kind::kSequence:
      case RowPattern::Kind::kExclude:
        break;
    }
    is_excluded = is_excluded || pattern.kind == RowPattern::Kind::kExclude;
    for (const RowPattern& part : pattern.parts) ARROW_RETURN_NOT_OK(Add(part, is_excluded));
    return Status::OK();
  }

  Status AddChoice(const RowPattern& pattern, bool is_excluded) {
    std::vector<size_t> jumps;
    for (size_t i = 0; i < pattern.parts.size(); ++i) {
      const bool is_last = i + 1 == pattern.parts.size();
      const size_t split = is_last ? 0 : Emit(Step::kSplit);
      ARROW_RETURN_NOT_OK(Add(pattern.parts[i], is_excluded));
      if (is_last) break;
      jumps.push_back(Emit(Step::kJump));
      LeaveTo(split, false, Here());
    }
    for (const size_t jump : jumps) steps_[jump].target = Here();
    return Status::OK();
  }

  Status AddRepeat(const RowPattern& pattern, bool is_excluded) {
    const RowPattern& part = pattern.parts[0];
    if (std::max(pattern.min, pattern.max) > static_cast<int64_t>(kMatchStepsMax)) return TooLong();
    for (int64_t i = 0; i < pattern.min; ++i) ARROW_RETURN_NOT_OK(Add(part, is_excluded));
    if (pattern.max == RowPattern::kNoMax) return AddLoop(pattern, is_excluded);
    std::vector<size_t> splits;
    for (int64_t i = pattern.min; i < pattern.max; ++i) {
      splits.push_back(Emit(Step::kSplit));
      ARROW_RETURN_NOT_OK(Add(part, is_excluded));
    }
    for (const size_t split : splits) LeaveTo(split, pattern.is_reluctant, Here());
    return Status::OK();
  }

  Status AddLoop(const RowPattern& pattern, bool is_excluded) {
    const RowPattern& part = pattern.parts[0];
    const size_t split = Emit(Step::kSplit);
    const bool may_be_empty = MayBeEmpty(part);
    const int32_t mark = may_be_empty ? marks_++ : 0;
    if (may_be_empty) Emit(Step::kMark, mark);
    ARROW_RETURN_NOT_OK(Add(part, is_excluded));
    if (may_be_empty) Emit(Step::kProgress, mark);
    Emit(Step::kJump, static_cast<int32_t>(split));
    LeaveTo(split, pattern.is_reluctant, Here());
    return Status::OK();
  }

  std::vector<MatchStep> steps_;
  size_t parts_ = 0;  // seen, those without a step too
  int32_t marks_ = 0;
};

}  // namespace

int ParsedPattern::Find(std::string_view name) const {
  for (size_t i = 0; i < variables.size(); ++i) {
    if (EqualsIgnoringCase(variables[i], name)) return static_cast<int>(i);
  }
  return -1;
}

Result<ParsedPattern> ParseRowPattern(std::string_view text, int64_t begin) {
  return PatternParser(text, begin).Parse();
}

Result<std::vector<MatchStep>> CompileRowPattern(const RowPattern& pattern) {
  return PatternCompiler().Compile(pattern);
}

uint64_t FirstVariablesOf(const std::vector<MatchStep>& steps) {
  uint64_t variables = 0;
  std::vector<bool> seen(steps.size(), false);
  std::vector<size_t> open = {0};
  while (!open.empty()) {
    const size_t place = open.back();
    open.pop_back();
    if (seen[place]) continue;
    seen[place] = true;
    const MatchStep& step = steps[place];
    switch (step.kind) {
      case MatchStep::Kind::kRow:
        variables |= uint64_t{1} << step.target;
        break;
      case MatchStep::Kind::kMatch:
        return std::numeric_limits<uint64_t>::max();
      case MatchStep::Kind::kSplit:
        open.push_back(static_cast<size_t>(step.other));
        [[fallthrough]];
      case MatchStep::Kind::kJump:
        open.push_back(static_cast<size_t>(step.target));
        break;
      default:
        open.push_back(place + 1);
    }
  }
  return variables;
}

}  // namespace headrace
