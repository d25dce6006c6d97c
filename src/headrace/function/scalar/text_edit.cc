// Changes of text: reverse, replace, translate, initcap; split and join; edit distance.
#include <cstring>
#include <unordered_map>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_nested.h"
#include "arrow/type.h"
#include "headrace/function/code_points.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/text_case.h"
#include "headrace/function/text_column.h"

namespace headrace {
namespace {

using enum ArgPattern;

Result<ArrayPtr> Reverse(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    std::string_view rest = text[row];
    const auto size = static_cast<int64_t>(rest.size());
    ARROW_RETURN_NOT_OK(out.Reserve(size));
    uint8_t* end = out.Extend(size) + size;
    while (!rest.empty()) {
      const std::string_view point = TakePoint(&rest);
      end -= point.size();
      std::memcpy(end, point.data(), point.size());
    }
    return Status::OK();
  });
}

Result<ArrayPtr> Replace(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const BytesView from(args[1]);
  const BytesView to(args[2]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    std::string_view rest = text[row];
    const std::string_view part = from[row];
    while (!part.empty()) {
      const void* found = memmem(rest.data(), rest.size(), part.data(), part.size());
      if (found == nullptr) break;
      const auto place = static_cast<size_t>(static_cast<const char*>(found) - rest.data());
      ARROW_RETURN_NOT_OK(out.Append(rest.substr(0, place)));
      ARROW_RETURN_NOT_OK(out.Append(to[row]));
      rest.remove_prefix(place + part.size());
    }
    return out.Append(rest);
  });
}

/// Code points and what they become; empty text takes them out.
std::unordered_map<std::string_view, std::string_view> TranslationOf(std::string_view from,
                                                                     std::string_view to) {
  std::unordered_map<std::string_view, std::string_view> map;
  while (!from.empty()) {
    const std::string_view point = TakePoint(&from);
    map.emplace(point, to.empty() ? std::string_view() : TakePoint(&to));
  }
  return map;
}

Result<ArrayPtr> Translate(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const BytesView from(args[1]);
  const BytesView to(args[2]);
  const bool is_constant = args[1].is_constant && args[2].is_constant;
  std::unordered_map<std::string_view, std::string_view> map;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    if (!is_constant || map.empty()) map = TranslationOf(from[row], to[row]);
    for (std::string_view rest = text[row]; !rest.empty();) {
      const std::string_view point = TakePoint(&rest);
      const auto found = map.find(point);
      ARROW_RETURN_NOT_OK(out.Append(found == map.end() ? point : found->second));
    }
    return Status::OK();
  });
}

Result<ArrayPtr> InitCap(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  return BuildText(ctx, rows,
                   [&](int64_t row, TextColumn& out) { return out.Append(TitleText(text[row])); });
}

Result<ArrayPtr> Split(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const BytesView separator(args[1]);
  auto values = std::make_shared<arrow::StringBuilder>(ctx.pool);
  arrow::ListBuilder lists(ctx.pool, values, ctx.result_type);
  for (int64_t row = 0; row < rows.length; ++row) {
    ARROW_RETURN_NOT_OK(lists.Append());
    std::string_view rest = text[row];
    const std::string_view part = separator[row];
    if (part.empty()) {
      if (rest.empty()) ARROW_RETURN_NOT_OK(values->Append(rest));
      while (!rest.empty()) ARROW_RETURN_NOT_OK(values->Append(TakePoint(&rest)));
      continue;
    }
    for (;;) {
      const size_t found = rest.find(part);
      ARROW_RETURN_NOT_OK(values->Append(rest.substr(0, found)));
      if (found == std::string_view::npos) break;
      rest.remove_prefix(found + part.size());
    }
  }
  return lists.Finish();
}

/// Null where the separator is; other nulls are left out with their separator.
Result<ArrayPtr> ConcatWith(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  std::vector<BytesView> texts(args.begin(), args.end());
  std::vector<Validity> valid(args.begin(), args.end());
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    if (!valid[0][row]) return out.EndRowAsNull();
    bool is_first = true;
    for (size_t i = 1; i < args.size(); ++i) {
      if (!valid[i][row]) continue;
      if (!is_first) ARROW_RETURN_NOT_OK(out.Append(texts[0][row]));
      ARROW_RETURN_NOT_OK(out.Append(texts[i][row]));
      is_first = false;
    }
    return Status::OK();
  });
}

/// Insertions, removals and replacements of bytes, one row of the table at a time.
int64_t EditDistance(std::string_view a, std::string_view b, std::vector<int64_t>& row) {
  row.resize(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int64_t>(j);
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t diagonal = row[0];
    row[0] = static_cast<int64_t>(i) + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const int64_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

constexpr size_t kDistanceBytesMax = size_t{1} << 14;

Result<ArrayPtr> Levenshtein(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView a(args[0]);
  const BytesView b(args[1]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::vector<int64_t> table;
  std::fill_n(out.data(), rows.length, 0);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    if (std::max(a[row].size(), b[row].size()) > kDistanceBytesMax) {
      return Error(ErrorKind::kInvalidArgument,
                   "levenshtein takes texts of at most {} bytes, not {}", kDistanceBytesMax,
                   std::max(a[row].size(), b[row].size()));
    }
    out.data()[row] = EditDistance(a[row], b[row], table);
    return Status::OK();
  }));
  return out.Finish(ctx.result_type);
}

template <ScalarKernel kKernel>
constexpr Overload kOneText[] = {
    {.args = kArgs<kString>, .result = StringType, .scalar = kKernel},
};
template <ScalarKernel kKernel>
constexpr Overload kThreeTexts[] = {
    {.args = kArgs<kString, kString, kString>, .result = StringType, .scalar = kKernel},
};
constexpr Overload kSplitOverloads[] = {
    {.args = kArgs<kString, kString>, .result = ListOfStringType, .scalar = Split},
};
constexpr Overload kConcatWithOverloads[] = {
    {.args = kArgs<kText, kText>, .result = StringType, .scalar = ConcatWith, .variadic = true},
};
constexpr Overload kLevenshteinOverloads[] = {
    {.args = kArgs<kString, kString>, .result = Int64Type, .scalar = Levenshtein},
};

constexpr Example kReverseExamples[] = {{"reverse('aéb')", "béa"}, {"reverse(NULL)", "NULL"}};
constexpr Example kReplaceExamples[] = {{"replace('banana', 'an', 'u')", "buua"},
                                        {"replace('abc', '', 'x')", "abc"},
                                        {"replace(NULL, 'a', 'b')", "NULL"}};
constexpr Example kTranslateExamples[] = {{"translate('abcabc', 'ab', 'x')", "xcxc"},
                                          {"translate(NULL, 'a', 'b')", "NULL"}};
constexpr Example kInitCapExamples[] = {{"initcap('head RACE élan')", "Head Race Élan"},
                                        {"initcap(NULL)", "NULL"}};
constexpr Example kSplitExamples[] = {{"string_split('a-b--c', '-')", "['a', 'b', '', 'c']"},
                                      {"string_split(NULL, '-')", "NULL"}};
constexpr Example kConcatWithExamples[] = {{"concat_ws('-', 'a', NULL, 'b')", "a-b"},
                                           {"concat_ws(NULL, 'a', 'b')", "NULL"}};
constexpr Example kLevenshteinExamples[] = {{"levenshtein('kitten', 'sitting')", "3"},
                                            {"levenshtein(NULL, 'a')", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kReverse) = {
    .id = "reverse",
    .names = {.sql = "reverse"},
    .overloads = kOneText<Reverse>,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The code points of a text from the last to the first.",
    .examples = kReverseExamples,
};

HEADRACE_DEFINE_FUNCTION(kReplace) = {
    .id = "replace",
    .names = {.sql = "replace", .ltseq = "str_replace"},
    .overloads = kThreeTexts<Replace>,
    .flags = function_flag::kElementwise,
    .arguments = "x, part, replacement",
    .doc = "The text with every occurrence of `part` replaced; an empty part occurs nowhere.",
    .examples = kReplaceExamples,
};

HEADRACE_DEFINE_FUNCTION(kTranslate) = {
    .id = "translate",
    .names = {.sql = "translate"},
    .overloads = kThreeTexts<Translate>,
    .flags = function_flag::kElementwise,
    .arguments = "x, letters, replacements",
    .doc =
        "The text with each code point of `letters` replaced by the one at its place in "
        "`replacements`, or taken out when those are fewer.",
    .examples = kTranslateExamples,
};

HEADRACE_DEFINE_FUNCTION(kInitCap) = {
    .id = "initcap",
    .names = {.sql = "initcap"},
    .overloads = kOneText<InitCap>,
    .flags = function_flag::kElementwise,
    .arguments = "x",
    .doc = "The text with every word's first letter in upper case and the others in lower case.",
    .examples = kInitCapExamples,
};

HEADRACE_DEFINE_FUNCTION(kStringSplit) = {
    .id = "string_split",
    .names = {.sql = "string_split|str_split|split|string_to_array", .ltseq = "str_split"},
    .overloads = kSplitOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, separator",
    .doc =
        "A list of the parts between separators; of the code points when the separator is empty.",
    .examples = kSplitExamples,
};

HEADRACE_DEFINE_FUNCTION(kConcatWith) = {
    .id = "concat_ws",
    .names = {.sql = "concat_ws|join"},
    .overloads = kConcatWithOverloads,
    .nulls = NullRule::kKernel,
    .arguments = "separator, x, ...",
    .doc = "The texts with the separator between them, nulls left out; null when the separator is.",
    .examples = kConcatWithExamples,
};

HEADRACE_DEFINE_FUNCTION(kLevenshtein) = {
    .id = "levenshtein",
    .names = {.sql = "levenshtein|editdist3"},
    .overloads = kLevenshteinOverloads,
    .arguments = "x, y",
    .doc = "The least number of bytes to insert, remove or replace that makes one text the other.",
    .examples = kLevenshteinExamples,
};

}  // namespace headrace
