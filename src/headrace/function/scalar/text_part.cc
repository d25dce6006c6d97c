// Parts of text by code points: substring, left, right, pads, trims, split_part.
#include <limits>
#include <set>

#include "arrow/type.h"
#include "headrace/function/code_points.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/text_column.h"

namespace headrace {
namespace {

using enum ArgPattern;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

int64_t AddClamped(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? kMost : std::numeric_limits<int64_t>::min();
}

/// `count` code points from place `start`, counted from 1, or from the end when below zero; with a
/// count below zero those before it.
std::string_view Substring(std::string_view text, int64_t start, int64_t count) {
  const bool is_ascii = IsAscii(text);
  const int64_t length = is_ascii ? static_cast<int64_t>(text.size()) : CountPoints(text);
  int64_t begin = start > 0 ? start - 1 : start < 0 ? AddClamped(length, start) : -1;
  int64_t end = AddClamped(begin, count);
  if (count < 0) std::swap(begin, end);
  begin = std::clamp<int64_t>(begin, 0, length);
  end = std::clamp<int64_t>(end, begin, length);
  if (!is_ascii) return PointRange(text, begin, end);
  return text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

Result<ArrayPtr> SubstringKernel(KernelContext& ctx, std::span<const Argument> args,
                                 const Rows& rows) {
  const BytesView text(args[0]);
  const View<int64_t> start(args[1]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const int64_t count = args.size() > 2 ? View<int64_t>(args[2])[row] : kMost;
    return out.Append(Substring(text[row], start[row], count));
  });
}

/// The first code points, or with a count below zero all but the last.
std::string_view Left(std::string_view text, int64_t count) {
  if (count < 0) count = std::max<int64_t>(AddClamped(CountPoints(text), count), 0);
  return text.substr(0, ByteOfPoint(text, count));
}

std::string_view Right(std::string_view text, int64_t count) {
  const int64_t length = CountPoints(text);
  const int64_t skipped =
      count < 0 ? (count == -kMost - 1 ? kMost : -count) : std::max<int64_t>(length - count, 0);
  return text.substr(ByteOfPoint(text, skipped));
}

template <std::string_view (*kPart)(std::string_view, int64_t)>
Result<ArrayPtr> PartKernel(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const View<int64_t> count(args[1]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    return out.Append(kPart(text[row], count[row]));
  });
}

/// The longest text that a pad or repetition may make.
constexpr int64_t kMadeBytesMax = int64_t{1} << 30;

Status AppendPadding(std::string_view padding, int64_t points, TextColumn& out) {
  const int64_t per_round = CountPoints(padding);
  const int64_t rounds = points / per_round;
  if (rounds * static_cast<int64_t>(padding.size()) > kMadeBytesMax) {
    return Error(ErrorKind::kInvalidArgument, "a pad makes text of at most {} bytes",
                 kMadeBytesMax);
  }
  for (int64_t i = 0; i < rounds; ++i) ARROW_RETURN_NOT_OK(out.Append(padding));
  return out.Append(padding.substr(0, ByteOfPoint(padding, points % per_round)));
}

template <bool kIsLeft>
Result<ArrayPtr> Pad(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const View<int64_t> length(args[1]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const std::string_view padding = args.size() > 2 ? BytesView(args[2])[row] : " ";
    const int64_t missing = length[row] - std::min(CountPoints(text[row]), length[row]);
    if (missing <= 0) return out.Append(Left(text[row], std::max<int64_t>(length[row], 0)));
    if (padding.empty()) {
      return Error(ErrorKind::kInvalidArgument, "{}pad expected text to pad with, got ''",
                   kIsLeft ? 'l' : 'r');
    }
    if (kIsLeft) ARROW_RETURN_NOT_OK(AppendPadding(padding, missing, out));
    ARROW_RETURN_NOT_OK(out.Append(text[row]));
    return kIsLeft ? Status::OK() : AppendPadding(padding, missing, out);
  });
}

/// Whether a code point is one of `chars`; blanks without any.
struct TrimSet {
  std::string_view chars;
  bool Has(std::string_view point) const {
    for (std::string_view rest = chars; !rest.empty();) {
      if (TakePoint(&rest) == point) return true;
    }
    return false;
  }
};

std::string_view TrimLeft(std::string_view text, TrimSet set) {
  while (!text.empty()) {
    std::string_view rest = text;
    if (!set.Has(TakePoint(&rest))) break;
    text = rest;
  }
  return text;
}

std::string_view TrimRight(std::string_view text, TrimSet set) {
  while (!text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && IsContinuation(text[begin])) --begin;
    if (!set.Has(text.substr(begin))) break;
    text = text.substr(0, begin);
  }
  return text;
}

template <bool kLeft, bool kRight>
Result<ArrayPtr> Trim(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const TrimSet set{args.size() > 1 ? BytesView(args[1])[row] : " "};
    std::string_view part = text[row];
    if (kLeft) part = TrimLeft(part, set);
    if (kRight) part = TrimRight(part, set);
    return out.Append(part);
  });
}

/// Part `number` of the text between separators, from 1, or from the end when below zero.
std::string_view SplitPart(std::string_view text, std::string_view separator, int64_t number) {
  if (separator.empty()) return number == 1 || number == -1 ? text : std::string_view();
  if (number == 0) return {};
  if (number < 0) {
    size_t end = text.size();
    for (;; ++number) {
      const size_t found = end < separator.size() ? std::string_view::npos
                                                  : text.rfind(separator, end - separator.size());
      const bool is_first = found == std::string_view::npos;
      const size_t begin = is_first ? 0 : found + separator.size();
      if (number == -1) return text.substr(begin, end - begin);
      if (is_first) return {};
      end = found;
    }
  }
  for (;; --number) {
    const size_t found = text.find(separator);
    if (number == 1) return text.substr(0, found);
    if (found == std::string_view::npos) return {};
    text.remove_prefix(found + separator.size());
  }
}

Result<ArrayPtr> SplitPartKernel(KernelContext& ctx, std::span<const Argument> args,
                                 const Rows& rows) {
  const BytesView text(args[0]);
  const BytesView separator(args[1]);
  const View<int64_t> number(args[2]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    return out.Append(SplitPart(text[row], separator[row], number[row]));
  });
}

Result<ArrayPtr> Repeat(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const View<int64_t> count(args[1]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const int64_t times = text[row].empty() ? 0 : std::max<int64_t>(count[row], 0);
    if (times > kMadeBytesMax / std::max<int64_t>(static_cast<int64_t>(text[row].size()), 1)) {
      return Error(ErrorKind::kInvalidArgument,
                   "repeat makes text of at most {} bytes, not {} x {}", kMadeBytesMax,
                   text[row].size(), times);
    }
    for (int64_t i = 0; i < times; ++i) ARROW_RETURN_NOT_OK(out.Append(text[row]));
    return Status::OK();
  });
}

constexpr Overload kSubstringOverloads[] = {
    {.args = kArgs<kString, kInt64>, .result = StringType, .scalar = SubstringKernel},
    {.args = kArgs<kString, kInt64, kInt64>, .result = StringType, .scalar = SubstringKernel},
};
template <std::string_view (*kPart)(std::string_view, int64_t)>
constexpr Overload kPartForm[] = {
    {.args = kArgs<kString, kInt64>, .result = StringType, .scalar = PartKernel<kPart>},
};
template <ScalarKernel kKernel>
constexpr Overload kPadForm[] = {
    {.args = kArgs<kString, kInt64>, .result = StringType, .scalar = kKernel},
    {.args = kArgs<kString, kInt64, kString>, .result = StringType, .scalar = kKernel},
};
template <ScalarKernel kKernel>
constexpr Overload kTrimForm[] = {
    {.args = kArgs<kString>, .result = StringType, .scalar = kKernel},
    {.args = kArgs<kString, kString>, .result = StringType, .scalar = kKernel},
};
constexpr Overload kSplitPartOverloads[] = {
    {.args = kArgs<kString, kString, kInt64>, .result = StringType, .scalar = SplitPartKernel},
};
constexpr Overload kRepeatOverloads[] = {
    {.args = kArgs<kString, kInt64>, .result = StringType, .scalar = Repeat},
};

constexpr Example kSubstringExamples[] = {{"substring('headrace', 5)", "race"},
                                          {"substring('aéb', 2, 1)", "é"},
                                          {"substring('headrace', -4, 2)", "ra"},
                                          {"substring(NULL, 1)", "NULL"}};
constexpr Example kLeftExamples[] = {
    {"left('aéb', 2)", "aé"}, {"left('abc', -1)", "ab"}, {"left(NULL, 2)", "NULL"}};
constexpr Example kRightExamples[] = {
    {"right('aéb', 2)", "éb"}, {"right('abc', -1)", "bc"}, {"right(NULL, 2)", "NULL"}};
constexpr Example kLpadExamples[] = {
    {"lpad('7', 3, '0')", "007"}, {"lpad('abcd', 2, ' ')", "ab"}, {"lpad(NULL, 3, '0')", "NULL"}};
constexpr Example kRpadExamples[] = {{"rpad('7', 3, '.')", "7.."}, {"rpad(NULL, 3, '0')", "NULL"}};
constexpr Example kTrimExamples[] = {
    {"trim('  a b ')", "a b"}, {"trim('xxaxx', 'x')", "a"}, {"trim(NULL)", "NULL"}};
constexpr Example kLtrimExamples[] = {
    {"ltrim('  a')", "a"}, {"ltrim('xyab', 'yx')", "ab"}, {"ltrim(NULL)", "NULL"}};
constexpr Example kRtrimExamples[] = {
    {"rtrim('a  ')", "a"}, {"rtrim('abxy', 'yx')", "ab"}, {"rtrim(NULL)", "NULL"}};
constexpr Example kSplitPartExamples[] = {{"split_part('a-b-c', '-', 2)", "b"},
                                          {"split_part('a-b-c', '-', -1)", "c"},
                                          {"split_part(NULL, '-', 2)", "NULL"}};
constexpr Example kRepeatExamples[] = {{"repeat('ab', 3)", "ababab"}, {"repeat(NULL, 3)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kSubstring) = {
    .id = "substring",
    .names = {.sql = "substring|substr", .ltseq = "str_slice"},
    .overloads = kSubstringOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, start, count",
    .doc =
        "The `count` code points (all without a count) from place `start`: 1 is the first, -1 the "
        "last. With a count below zero those before the place.",
    .examples = kSubstringExamples,
};

HEADRACE_DEFINE_FUNCTION(kLeft) = {
    .id = "left",
    .names = {.sql = "left"},
    .overloads = kPartForm<Left>,
    .flags = function_flag::kElementwise,
    .arguments = "x, count",
    .doc = "The first `count` code points, or all but the last when it is below zero.",
    .examples = kLeftExamples,
};

HEADRACE_DEFINE_FUNCTION(kRight) = {
    .id = "right",
    .names = {.sql = "right"},
    .overloads = kPartForm<Right>,
    .flags = function_flag::kElementwise,
    .arguments = "x, count",
    .doc = "The last `count` code points, or all but the first when it is below zero.",
    .examples = kRightExamples,
};

HEADRACE_DEFINE_FUNCTION(kLpad) = {
    .id = "lpad",
    .names = {.sql = "lpad", .ltseq = "str_pad_left"},
    .overloads = kPadForm<Pad<true>>,
    .flags = function_flag::kElementwise,
    .arguments = "x, length, padding",
    .doc =
        "The text with padding (blanks) before it, so that it has `length` code points; longer "
        "text is cut at its end.",
    .examples = kLpadExamples,
};

HEADRACE_DEFINE_FUNCTION(kRpad) = {
    .id = "rpad",
    .names = {.sql = "rpad", .ltseq = "str_pad_right"},
    .overloads = kPadForm<Pad<false>>,
    .flags = function_flag::kElementwise,
    .arguments = "x, length, padding",
    .doc =
        "The text with padding (blanks) behind it, so that it has `length` code points; longer "
        "text is cut at its end.",
    .examples = kRpadExamples,
};

HEADRACE_DEFINE_FUNCTION(kTrim) = {
    .id = "trim",
    .names = {.sql = "trim", .ltseq = "str_strip"},
    .overloads = kTrimForm<Trim<true, true>>,
    .flags = function_flag::kElementwise,
    .arguments = "x, chars",
    .doc = "The text without the blanks, or the code points of `chars`, at both ends.",
    .examples = kTrimExamples,
};

HEADRACE_DEFINE_FUNCTION(kLtrim) = {
    .id = "ltrim",
    .names = {.sql = "ltrim", .ltseq = "str_lstrip"},
    .overloads = kTrimForm<Trim<true, false>>,
    .flags = function_flag::kElementwise,
    .arguments = "x, chars",
    .doc = "The text without the blanks, or the code points of `chars`, at its begin.",
    .examples = kLtrimExamples,
};

HEADRACE_DEFINE_FUNCTION(kRtrim) = {
    .id = "rtrim",
    .names = {.sql = "rtrim", .ltseq = "str_rstrip"},
    .overloads = kTrimForm<Trim<false, true>>,
    .flags = function_flag::kElementwise,
    .arguments = "x, chars",
    .doc = "The text without the blanks, or the code points of `chars`, at its end.",
    .examples = kRtrimExamples,
};

HEADRACE_DEFINE_FUNCTION(kSplitPart) = {
    .id = "split_part",
    .names = {.sql = "split_part"},
    .overloads = kSplitPartOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, separator, number",
    .doc =
        "Part `number` of the text between separators, from 1, or from the end below zero; empty "
        "when there is none.",
    .examples = kSplitPartExamples,
};

HEADRACE_DEFINE_FUNCTION(kRepeat) = {
    .id = "repeat",
    .names = {.sql = "repeat"},
    .overloads = kRepeatOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, count",
    .doc = "The text `count` times behind itself; empty for a count below one.",
    .examples = kRepeatExamples,
};

}  // namespace headrace
