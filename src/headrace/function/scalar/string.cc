// Functions of text. Case mapping is Unicode's, through Arrow; lengths count code points.
#include <limits>

#include "arrow/array/array_binary.h"
#include "arrow/buffer_builder.h"
#include "arrow/compute/exec.h"
#include "arrow/datum.h"
#include "headrace/function/code_points.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/scalar/list_column.h"

namespace headrace {
namespace {

Result<ArrayPtr> CallArrow(const char* function, const Argument& arg, KernelContext& ctx) {
  arrow::compute::ExecContext exec(ctx.pool, nullptr);
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum result,
                        arrow::compute::CallFunction(function, {arg.array}, &exec));
  return result.make_array();
}

Result<ArrayPtr> Upper(KernelContext& ctx, std::span<const Argument> args, const Rows&) {
  return CallArrow("utf8_upper", args[0], ctx);
}

Result<ArrayPtr> Lower(KernelContext& ctx, std::span<const Argument> args, const Rows&) {
  return CallArrow("utf8_lower", args[0], ctx);
}

Result<ArrayPtr> Length(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  if (!args[0].is_constant) {
    const auto& texts = static_cast<const arrow::StringArray&>(*args[0].array);
    const int32_t* offsets = texts.raw_value_offsets();
    const auto* bytes = reinterpret_cast<const char*>(texts.raw_data());
    const auto size = static_cast<size_t>(offsets[rows.length] - offsets[0]);
    if (size == 0 || IsAscii({bytes + offsets[0], size})) {
      for (int64_t row = 0; row < rows.length; ++row) {
        out.data()[row] = offsets[row + 1] - offsets[row];
      }
      return out.Finish(ctx.result_type);
    }
  }
  for (int64_t row = 0; row < rows.length; ++row) out.data()[row] = CountPoints(text[row]);
  return out.Finish(ctx.result_type);
}

Result<ArrayPtr> ListLength(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) out.data()[row] = list.Length(row);
  return out.Finish(ctx.result_type);
}

Result<ArrayPtr> StartsWith(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunTest(
      ctx, BytesView(args[0]), BytesView(args[1]), rows,
      [](std::string_view text, std::string_view prefix) { return text.starts_with(prefix); });
}

Result<ArrayPtr> EndsWith(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return RunTest(
      ctx, BytesView(args[0]), BytesView(args[1]), rows,
      [](std::string_view text, std::string_view suffix) { return text.ends_with(suffix); });
}

/// The texts of each row behind each other; nulls count as empty.
Result<ArrayPtr> Concat(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  std::vector<BytesView> texts;
  std::vector<Validity> valid;
  for (const Argument& arg : args) {
    texts.emplace_back(arg);
    valid.emplace_back(arg);
  }
  ARROW_ASSIGN_OR_RAISE(auto offsets, Output<int32_t>::Make(rows.length + 1, ctx.pool));
  arrow::BufferBuilder bytes(ctx.pool);
  for (int64_t row = 0; row < rows.length; ++row) {
    offsets.data()[row] = static_cast<int32_t>(bytes.length());
    for (size_t i = 0; i < texts.size(); ++i) {
      if (!valid[i][row]) continue;
      const std::string_view text = texts[i][row];
      if (text.empty()) continue;
      ARROW_RETURN_NOT_OK(bytes.Append(text.data(), static_cast<int64_t>(text.size())));
    }
    if (bytes.length() > std::numeric_limits<int32_t>::max()) {
      return Error(ErrorKind::kMemoryLimit,
                   "concatenated text of one batch is longer than 2 GiB at row {}", row);
    }
  }
  offsets.data()[rows.length] = static_cast<int32_t>(bytes.length());
  ARROW_ASSIGN_OR_RAISE(auto data, bytes.Finish());
  return std::make_shared<arrow::StringArray>(rows.length, offsets.FinishBuffer(), std::move(data));
}

constexpr ArgPattern kOneString[] = {ArgPattern::kString};
constexpr ArgPattern kOneText[] = {ArgPattern::kText};
constexpr ArgPattern kTwoTexts[] = {ArgPattern::kText, ArgPattern::kText};
constexpr ArgPattern kTwoLists[] = {ArgPattern::kList, ArgPattern::kList};
constexpr ArgPattern kOneList[] = {ArgPattern::kList};
constexpr ArgPattern kTwoStrings[] = {ArgPattern::kString, ArgPattern::kString};

constexpr Overload kUpperOverloads[] = {
    {.args = kOneString, .result = StringType, .scalar = Upper},
};
constexpr Overload kLowerOverloads[] = {
    {.args = kOneString, .result = StringType, .scalar = Lower},
};
constexpr Overload kLengthOverloads[] = {
    {.args = kOneString, .result = Int64Type, .scalar = Length},
    {.args = kOneList, .result = Int64Type, .scalar = ListLength},
};
constexpr Overload kStartsWithOverloads[] = {
    {.args = kTwoStrings, .result = BooleanType, .scalar = StartsWith},
};
constexpr Overload kEndsWithOverloads[] = {
    {.args = kTwoStrings, .result = BooleanType, .scalar = EndsWith},
};
constexpr Overload kConcatOverloads[] = {
    {.args = kOneText, .result = StringType, .scalar = Concat, .variadic = true},
};
constexpr Overload kConcatOperatorOverloads[] = {
    {.args = kTwoTexts, .result = StringType, .scalar = Concat},
    {.args = kTwoLists, .result = ConcatListsType, .scalar = ConcatLists},
};

constexpr Example kUpperExamples[] = {
    {"upper('aé')", "AÉ"},
    {"upper(NULL)", "NULL"},
};
constexpr Example kLowerExamples[] = {
    {"lower('AÉ')", "aé"},
    {"lower(NULL)", "NULL"},
};
constexpr Example kLengthExamples[] = {
    {"length('aé')", "2"},
    {"length('')", "0"},
    {"length(list_value(1, NULL))", "2"},
    {"length(NULL)", "NULL"},
};
constexpr Example kStartsWithExamples[] = {
    {"starts_with('headrace', 'head')", "true"},
    {"starts_with('headrace', 'race')", "false"},
    {"starts_with(NULL, 'race')", "NULL"},
};
constexpr Example kEndsWithExamples[] = {
    {"ends_with('headrace', 'race')", "true"},
    {"ends_with('headrace', 'head')", "false"},
    {"ends_with(NULL, 'race')", "NULL"},
};
constexpr Example kConcatExamples[] = {
    {"concat('head', 'race')", "headrace"},
    {"concat('head', NULL, 'race')", "headrace"},
    {"concat('v', 1, ' ', DATE '2013-01-31')", "v1 2013-01-31"},
};
constexpr Example kConcatOperatorExamples[] = {
    {"'head' || 'race'", "headrace"},
    {"'head' || NULL", "NULL"},
    {"'v' || 1.5", "v1.5"},
    {"[1, 2] || [3]", "[1, 2, 3]"},
};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kUpper) = {
    .id = "upper",
    .names = {.sql = "upper", .ltseq = "str_upper"},
    .overloads = kUpperOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The text in upper case, by the simple mappings of Unicode.",
    .examples = kUpperExamples,
};

HEADRACE_DEFINE_FUNCTION(kLower) = {
    .id = "lower",
    .names = {.sql = "lower", .ltseq = "str_lower"},
    .overloads = kLowerOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The text in lower case, by the simple mappings of Unicode.",
    .examples = kLowerExamples,
};

HEADRACE_DEFINE_FUNCTION(kLength) = {
    .id = "length",
    .names = {.sql = "length|len", .ltseq = "str_len"},
    .overloads = kLengthOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The number of code points of a text, of items of a list.",
    .examples = kLengthExamples,
};

HEADRACE_DEFINE_FUNCTION(kStartsWith) = {
    .id = "starts_with",
    .names = {.sql = "starts_with|prefix|^@", .ltseq = "str_starts_with"},
    .overloads = kStartsWithOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, prefix",
    .doc = "Whether a text begins with another; every text begins with the empty one.",
    .examples = kStartsWithExamples,
};

HEADRACE_DEFINE_FUNCTION(kEndsWith) = {
    .id = "ends_with",
    .names = {.sql = "ends_with|suffix", .ltseq = "str_ends_with"},
    .overloads = kEndsWithOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, suffix",
    .doc = "Whether a text ends with another; every text ends with the empty one.",
    .examples = kEndsWithExamples,
};

HEADRACE_DEFINE_FUNCTION(kConcat) = {
    .id = "concat",
    .names = {.sql = "concat"},
    .overloads = kConcatOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "x, ...",
    .doc =
        "The texts of all values behind each other, nulls left out; see || for the one that gives "
        "null.",
    .examples = kConcatExamples,
};

HEADRACE_DEFINE_FUNCTION(kConcatOperator) = {
    .id = "concat_operator",
    .names = {.sql = "||"},
    .overloads = kConcatOperatorOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, y",
    .doc = "Two texts, or lists, behind each other; null when one is. Other values become text.",
    .examples = kConcatOperatorExamples,
};

}  // namespace headrace
