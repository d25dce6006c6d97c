// Looking for text in text: contains, strpos, LIKE, ILIKE and GLOB.
#include <cstring>
#include <optional>

#include "arrow/array/array_binary.h"
#include "headrace/function/code_points.h"
#include "headrace/function/define.h"
#include "headrace/function/find_part.h"
#include "headrace/function/glob_pattern.h"
#include "headrace/function/like_pattern.h"
#include "headrace/function/loop.h"
#include "headrace/function/text_case.h"

namespace headrace {
namespace {

using enum ArgPattern;

/// Whether a call looks for one text in the texts of many rows.
bool LooksForOne(std::span<const Argument> args, const Rows& rows) {
  return rows.length > 0 && !args[0].is_constant && args[1].is_constant &&
         args[1].array->IsValid(0);
}

Result<ArrayPtr> Contains(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  if (LooksForOne(args, rows) && !BytesView(args[1])[0].empty()) {
    return HoldsPart(ctx, args[0], BytesView(args[1])[0], rows);
  }
  return RunTest(ctx, BytesView(args[0]), BytesView(args[1]), rows,
                 [](std::string_view text, std::string_view part) {
                   return part.empty() ||
                          memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
                 });
}

Result<ArrayPtr> Position(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const BytesView part(args[1]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    const size_t found = text[row].find(part[row]);
    const bool is_there = found != std::string_view::npos;
    out.data()[row] = is_there ? CountPoints(text[row].substr(0, found)) + 1 : 0;
  }
  return out.Finish(ctx.result_type);
}

/// The place of `part` in code points from 1 at or after the place `start`; 0 when there is none.
int64_t PlaceFrom(std::string_view text, std::string_view part, int64_t start) {
  if (start < 1) return 0;
  const size_t begin = ByteOfPoint(text, start - 1);
  if (begin == text.size() && CountPoints(text) < start - 1) return 0;
  const size_t found = text.find(part, begin);
  return found == std::string_view::npos ? 0 : CountPoints(text.substr(0, found)) + 1;
}

Result<ArrayPtr> Locate(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  if (args.size() == 2) {
    const Argument turned[] = {args[1], args[0]};
    return Position(ctx, turned, rows);
  }
  const BytesView part(args[0]);
  const BytesView text(args[1]);
  const View<int64_t> start(args[2]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    out.data()[row] = PlaceFrom(text[row], part[row], start[row]);
  }
  return out.Finish(ctx.result_type);
}

/// The pattern of each row, parsed again only where it differs from the one before.
class PatternOfRow {
 public:
  PatternOfRow(std::span<const Argument> args, bool folds) : patterns_(args[1]), folds_(folds) {
    if (args.size() > 2) escapes_.emplace(args[2]);
  }

  Status MoveTo(int64_t row) {
    const std::string_view pattern = patterns_[row];
    const std::string_view escape = escapes_.has_value() ? (*escapes_)[row] : "";
    if (is_parsed_ && pattern == source_ && escape == escape_) return Status::OK();
    source_ = pattern;
    escape_ = escape;
    const std::string folded = folds_ ? LowerText(pattern) : std::string(pattern);
    const std::string folded_escape = folds_ ? LowerText(escape) : std::string(escape);
    ARROW_ASSIGN_OR_RAISE(pattern_, LikePattern::Parse(folded, folded_escape));
    is_parsed_ = true;
    return Status::OK();
  }
  const LikePattern& pattern() const { return pattern_; }

 private:
  BytesView patterns_;
  std::optional<BytesView> escapes_;
  bool folds_;
  bool is_parsed_ = false;
  std::string_view source_;
  std::string_view escape_;
  LikePattern pattern_;
};

template <bool kFolds>
Result<ArrayPtr> Like(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  PatternOfRow pattern(args, kFolds);
  if (!kFolds && args.size() == 2 && LooksForOne(args, rows) && CountActive(rows) > 0) {
    ARROW_RETURN_NOT_OK(pattern.MoveTo(0));
    const std::string_view part = pattern.pattern().OnlyPart();
    if (!part.empty()) return HoldsPart(ctx, args[0], part, rows);
  }
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(rows.length, ctx.pool));
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    ARROW_RETURN_NOT_OK(pattern.MoveTo(row));
    const bool matches = kFolds ? pattern.pattern().Matches(LowerText(text[row]))
                                : pattern.pattern().Matches(text[row]);
    if (matches) arrow::bit_util::SetBit(bits->mutable_data(), row);
    return Status::OK();
  }));
  return WrapValues(ctx.result_type, rows.length, std::move(bits));
}

Result<ArrayPtr> Glob(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const BytesView pattern(args[1]);
  return RunTest(ctx, text, pattern, rows, MatchesGlob);
}

constexpr Overload kGlobOverloads[] = {
    {.args = kArgs<kString, kString>, .result = BooleanType, .scalar = Glob},
};
constexpr Overload kContainsOverloads[] = {
    {.args = kArgs<kString, kString>, .result = BooleanType, .scalar = Contains},
};
constexpr Overload kPositionOverloads[] = {
    {.args = kArgs<kString, kString>, .result = Int64Type, .scalar = Position},
};
constexpr Overload kLocateOverloads[] = {
    {.args = kArgs<kString, kString>, .result = Int64Type, .scalar = Locate},
    {.args = kArgs<kString, kString, kInt64>, .result = Int64Type, .scalar = Locate},
};
template <bool kFolds>
constexpr Overload kLikeForm[] = {
    {.args = kArgs<kString, kString>, .result = BooleanType, .scalar = Like<kFolds>},
    {.args = kArgs<kString, kString, kString>, .result = BooleanType, .scalar = Like<kFolds>},
};

constexpr Example kContainsExamples[] = {{"contains('headrace', 'dra')", "true"},
                                         {"contains('headrace', 'x')", "false"},
                                         {"contains(NULL, 'x')", "NULL"}};
constexpr Example kPositionExamples[] = {
    {"strpos('aéb', 'b')", "3"}, {"strpos('abc', 'x')", "0"}, {"strpos(NULL, 'x')", "NULL"}};
constexpr Example kLocateExamples[] = {{"locate('b', 'aéb')", "3"},
                                       {"locate('a', 'banana', 3)", "4"},
                                       {"locate('x', 'abc')", "0"},
                                       {"locate('a', NULL)", "NULL"}};
constexpr Example kLikeExamples[] = {{"like('headrace', 'h%r_ce')", "true"},
                                     {"like('headrace', 'race')", "false"},
                                     {"like('50%', '50$%', '$')", "true"},
                                     {"like(NULL, '%')", "NULL"}};
constexpr Example kGlobExamples[] = {{"glob('headrace', 'h*r?ce')", "true"},
                                     {"glob('best', '[!a-z]est')", "false"},
                                     {"glob('a*', 'a[*]')", "true"},
                                     {"glob(NULL, '*')", "NULL"}};
constexpr Example kIlikeExamples[] = {{"ilike('HeadRace', 'h%RACE')", "true"},
                                      {"ilike('É', 'é')", "true"},
                                      {"ilike(NULL, '%')", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kContains) = {
    .id = "contains",
    .names = {.sql = "contains", .ltseq = "str_contains"},
    .overloads = kContainsOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, part",
    .doc = "Whether a text has another in it; every text has the empty one.",
    .examples = kContainsExamples,
};

HEADRACE_DEFINE_FUNCTION(kPosition) = {
    .id = "position",
    .names = {.sql = "strpos|instr|position", .ltseq = "str_find"},
    .overloads = kPositionOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, part",
    .doc =
        "The place of the first occurrence in code points from 1, or 0 when there is none. In SQL "
        "position takes the part first: position(part, x), position(part IN x).",
    .examples = kPositionExamples,
};

HEADRACE_DEFINE_FUNCTION(kLocate) = {
    .id = "locate",
    .names = {.sql = "locate"},
    .overloads = kLocateOverloads,
    .arguments = "part, x, start",
    .doc =
        "As strpos with the part first, in SQL also position(part, x): the place of the first "
        "occurrence, of three arguments of the first at or after the place `start`; 0 when there "
        "is none.",
    .examples = kLocateExamples,
};

HEADRACE_DEFINE_FUNCTION(kLike) = {
    .id = "like",
    .names = {.sql = "like|~~|like_escape"},
    .overloads = kLikeForm<false>,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern, escape",
    .doc =
        "Whether the whole text fits the pattern: % stands for any code points, _ for one. Behind "
        "the escape they stand for themselves; without an argument there is no escape.",
    .examples = kLikeExamples,
};

HEADRACE_DEFINE_FUNCTION(kIlike) = {
    .id = "ilike",
    .names = {.sql = "ilike|~~*|ilike_escape"},
    .overloads = kLikeForm<true>,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern, escape",
    .doc = "Whether the text fits the pattern as in like, both in lower case.",
    .examples = kIlikeExamples,
};

HEADRACE_DEFINE_FUNCTION(kGlob) = {
    .id = "glob",
    .names = {.sql = "glob"},
    .overloads = kGlobOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern",
    .doc =
        "Whether the whole text fits the pattern: * stands for any code points, ? for one, [abc] "
        "and [a-z] for one of those, [!abc] for another one. A backslash takes what follows as it "
        "is.",
    .examples = kGlobExamples,
};

}  // namespace headrace
