// Regular expressions by RE2: linear time, no back references in patterns.
#include <algorithm>
#include <memory>
#include <string>

#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_nested.h"
#include "arrow/type.h"
#include "headrace/function/code_points.h"
#include "headrace/function/define.h"
#include "headrace/function/find_part.h"
#include "headrace/function/loop.h"
#include "headrace/function/text_column.h"
#include "re2/re2.h"

namespace headrace {
namespace {

using enum ArgPattern;

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }
std::string_view Text(re2::StringPiece piece) { return {piece.data(), piece.size()}; }

/// A compiled pattern and what its options say.
struct Regex {
  std::string pattern;
  std::string options;
  std::unique_ptr<re2::RE2> program;
  bool is_global = false;
};

Status ReadOptions(std::string_view options, re2::RE2::Options* made, bool* is_global) {
  for (const char letter : options) {
    switch (letter) {
      case 'i':
        made->set_case_sensitive(false);
        break;
      case 'c':
        made->set_case_sensitive(true);
        break;
      case 's':
        made->set_dot_nl(true);
        break;
      case 'l':
        made->set_literal(true);
        break;
      case 'm':
      case 'n':
      case 'p':
        made->set_dot_nl(false);
        break;
      case 'g':
        *is_global = true;
        break;
      default:
        return Error(ErrorKind::kInvalidArgument,
                     "options of a regular expression are the letters c, i, l, m, s and g, not {}",
                     letter);
    }
  }
  return Status::OK();
}

Result<Regex> Compile(std::string_view pattern, std::string_view options) {
  Regex regex{std::string(pattern), std::string(options), nullptr};
  re2::RE2::Options made;
  made.set_log_errors(false);
  ARROW_RETURN_NOT_OK(ReadOptions(options, &made, &regex.is_global));
  regex.program = std::make_unique<re2::RE2>(Piece(pattern), made);
  if (regex.program->ok()) return regex;
  return Error(ErrorKind::kInvalidArgument, "no regular expression: {} in '{}'",
               regex.program->error(), pattern);
}

/// The pattern of each row. The last ones of this thread are kept from batch to batch.
class Regexes {
 public:
  Regexes(const Argument& patterns, const Argument* options) : patterns_(patterns) {
    if (options != nullptr) options_.emplace_back(*options);
  }

  Result<const Regex*> At(int64_t row) {
    const std::string_view pattern = patterns_[row];
    const std::string_view options = options_.empty() ? "" : options_[0][row];
    if (current_ != nullptr && current_->pattern == pattern && current_->options == options) {
      return current_;
    }
    for (const auto& regex : kept_) {
      if (regex != nullptr && regex->pattern == pattern && regex->options == options) {
        return current_ = regex.get();
      }
    }
    ARROW_ASSIGN_OR_RAISE(Regex regex, Compile(pattern, options));
    auto& slot = kept_[next_++ % kKeptMax];
    slot = std::make_unique<Regex>(std::move(regex));
    return current_ = slot.get();
  }

 private:
  static constexpr size_t kKeptMax = 8;
  static thread_local std::unique_ptr<Regex> kept_[kKeptMax];
  static thread_local size_t next_;

  BytesView patterns_;
  std::vector<BytesView> options_;
  const Regex* current_ = nullptr;
};

thread_local std::unique_ptr<Regex> Regexes::kept_[kKeptMax];
thread_local size_t Regexes::next_ = 0;

const Argument* At(std::span<const Argument> args, size_t place) {
  return place < args.size() ? &args[place] : nullptr;
}

/// Whether a pattern of all rows is plain text, which each text holds or does not.
bool IsPlainText(std::span<const Argument> args, const Rows& rows) {
  const bool is_one = rows.length > 0 && args.size() == 2 && !args[0].is_constant &&
                      args[1].is_constant && args[1].array->IsValid(0);
  if (!is_one) return false;
  const std::string_view pattern = BytesView(args[1])[0];
  return !pattern.empty() && std::all_of(pattern.begin(), pattern.end(), [](char letter) {
    constexpr std::string_view kSpecial = "\\.+*?()[]{}|^$";
    return static_cast<uint8_t>(letter) < 0x80 && kSpecial.find(letter) == std::string_view::npos;
  });
}

template <bool kWhole>
Result<ArrayPtr> Matches(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  if (!kWhole && IsPlainText(args, rows)) {
    return HoldsPart(ctx, args[0], BytesView(args[1])[0], rows);
  }
  const BytesView text(args[0]);
  Regexes regexes(args[1], At(args, 2));
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(rows.length, ctx.pool));
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    ARROW_ASSIGN_OR_RAISE(const Regex* regex, regexes.At(row));
    const bool matches = kWhole ? re2::RE2::FullMatch(Piece(text[row]), *regex->program)
                                : re2::RE2::PartialMatch(Piece(text[row]), *regex->program);
    if (matches) arrow::bit_util::SetBit(bits->mutable_data(), row);
    return Status::OK();
  }));
  return WrapValues(ctx.result_type, rows.length, std::move(bits));
}

constexpr int kGroupsMax = 64;

Result<int> GroupOf(const Regex& regex, int64_t group) {
  const int groups = std::min(regex.program->NumberOfCapturingGroups(), kGroupsMax - 1);
  if (group >= 0 && group <= groups) return static_cast<int>(group);
  return Error(ErrorKind::kInvalidArgument, "'{}' has the groups 0 to {}, not {}", regex.pattern,
               groups, group);
}

/// Group `group` of the first match from `from`; null when there is no match.
const re2::StringPiece* FindGroup(const Regex& regex, std::string_view text, size_t from, int group,
                                  re2::StringPiece (&found)[kGroupsMax]) {
  const bool matches =
      regex.program->Match(Piece(text), from, text.size(), re2::RE2::UNANCHORED, found, group + 1);
  return matches ? &found[group] : nullptr;
}

Result<ArrayPtr> Extract(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  Regexes regexes(args[1], At(args, 3));
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Regex* regex, regexes.At(row));
    const int64_t wanted = args.size() > 2 ? View<int64_t>(args[2])[row] : 0;
    ARROW_ASSIGN_OR_RAISE(const int group, GroupOf(*regex, wanted));
    re2::StringPiece found[kGroupsMax];
    const auto* piece = FindGroup(*regex, text[row], 0, group, found);
    return piece == nullptr ? Status::OK() : out.Append(Text(*piece));
  });
}

Result<ArrayPtr> Replace(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const BytesView replacement(args[2]);
  Regexes regexes(args[1], At(args, 3));
  std::string changed;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Regex* regex, regexes.At(row));
    std::string problem;
    if (!regex->program->CheckRewriteString(Piece(replacement[row]), &problem)) {
      return Error(ErrorKind::kInvalidArgument, "bad replacement: {} in '{}'", problem,
                   replacement[row]);
    }
    changed.assign(text[row]);
    if (regex->is_global) {
      re2::RE2::GlobalReplace(&changed, *regex->program, Piece(replacement[row]));
    } else {
      re2::RE2::Replace(&changed, *regex->program, Piece(replacement[row]));
    }
    return out.Append(changed);
  });
}

/// Lists of text: `write(row, values)` appends the items of an active row.
template <typename Write>
Result<ArrayPtr> BuildLists(KernelContext& ctx, const Rows& rows, Write&& write) {
  auto values = std::make_shared<arrow::StringBuilder>(ctx.pool);
  arrow::ListBuilder lists(ctx.pool, values, ctx.result_type);
  ARROW_RETURN_NOT_OK(ForEachActive(rows, [&](int64_t row) {
    while (lists.length() < row) ARROW_RETURN_NOT_OK(lists.Append());
    ARROW_RETURN_NOT_OK(lists.Append());
    return write(row, *values);
  }));
  while (lists.length() < rows.length) ARROW_RETURN_NOT_OK(lists.Append());
  return lists.Finish();
}

/// The end of a match from which to look on: behind the next code point when it is empty.
size_t Beyond(std::string_view text, std::string_view match) {
  const auto end = static_cast<size_t>(match.data() - text.data()) + match.size();
  if (!match.empty() || end >= text.size()) return end + (match.empty() ? 1 : 0);
  return end + BytesOfPoint(text[end]);
}

Result<ArrayPtr> ExtractAll(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  Regexes regexes(args[1], At(args, 3));
  return BuildLists(ctx, rows, [&](int64_t row, arrow::StringBuilder& values) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Regex* regex, regexes.At(row));
    const int64_t wanted = args.size() > 2 ? View<int64_t>(args[2])[row] : 0;
    ARROW_ASSIGN_OR_RAISE(const int group, GroupOf(*regex, wanted));
    re2::StringPiece found[kGroupsMax];
    for (size_t from = 0; from <= text[row].size();) {
      const auto* piece = FindGroup(*regex, text[row], from, group, found);
      if (piece == nullptr) break;
      ARROW_RETURN_NOT_OK(values.Append(Text(*piece)));
      from = Beyond(text[row], Text(found[0]));
    }
    return Status::OK();
  });
}

Result<ArrayPtr> Split(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  Regexes regexes(args[1], At(args, 2));
  return BuildLists(ctx, rows, [&](int64_t row, arrow::StringBuilder& values) -> Status {
    ARROW_ASSIGN_OR_RAISE(const Regex* regex, regexes.At(row));
    const std::string_view whole = text[row];
    size_t begin = 0;
    re2::StringPiece found[kGroupsMax];
    for (size_t from = 0; from < whole.size();) {
      if (FindGroup(*regex, whole, from, 0, found) == nullptr) break;
      const std::string_view match = Text(found[0]);
      const auto place = static_cast<size_t>(match.data() - whole.data());
      if (match.empty() && place >= whole.size()) break;
      from = Beyond(whole, match);
      if (match.empty() && place == begin) {  // between two code points: one of them is a part
        if (from >= whole.size()) break;
        ARROW_RETURN_NOT_OK(values.Append(whole.substr(begin, from - begin)));
        begin = from;
        continue;
      }
      ARROW_RETURN_NOT_OK(values.Append(whole.substr(begin, place - begin)));
      begin = place + match.size();
    }
    return values.Append(whole.substr(begin));
  });
}

template <ScalarKernel kKernel>
constexpr Overload kTestForm[] = {
    {.args = kArgs<kString, kString>, .result = BooleanType, .scalar = kKernel},
    {.args = kArgs<kString, kString, kString>, .result = BooleanType, .scalar = kKernel},
};
template <ScalarKernel kKernel, ResultRule kResult>
constexpr Overload kGroupForm[] = {
    {.args = kArgs<kString, kString>, .result = kResult, .scalar = kKernel},
    {.args = kArgs<kString, kString, kInt64>, .result = kResult, .scalar = kKernel},
    {.args = kArgs<kString, kString, kInt64, kString>, .result = kResult, .scalar = kKernel},
};
constexpr Overload kReplaceOverloads[] = {
    {.args = kArgs<kString, kString, kString>, .result = StringType, .scalar = Replace},
    {.args = kArgs<kString, kString, kString, kString>, .result = StringType, .scalar = Replace},
};
constexpr Overload kSplitOverloads[] = {
    {.args = kArgs<kString, kString>, .result = ListOfStringType, .scalar = Split},
    {.args = kArgs<kString, kString, kString>, .result = ListOfStringType, .scalar = Split},
};

constexpr Example kMatchesExamples[] = {{"regexp_matches('headrace', 'd.a')", "true"},
                                        {"regexp_matches('headrace', 'RACE', 'i')", "true"},
                                        {"regexp_matches(NULL, 'a')", "NULL"}};
constexpr Example kFullExamples[] = {{"regexp_full_match('abc', 'a.*')", "true"},
                                     {"regexp_full_match('abc', 'b')", "false"},
                                     {"regexp_full_match(NULL, 'b')", "NULL"}};
constexpr Example kExtractExamples[] = {{"regexp_extract('flight 1545', '[0-9]+')", "1545"},
                                        {"regexp_extract('a=b', '(.)=(.)', 2)", "b"},
                                        {"regexp_extract(NULL, 'a')", "NULL"}};
constexpr Example kExtractAllExamples[] = {{"regexp_extract_all('a1b22', '[0-9]+')", "['1', '22']"},
                                           {"regexp_extract_all(NULL, 'a')", "NULL"}};
constexpr Example kReplaceExamples[] = {{"regexp_replace('banana', 'a', 'o')", "bonana"},
                                        {"regexp_replace('banana', 'a', 'o', 'g')", "bonono"},
                                        {"regexp_replace('a-b', '(.)-(.)', '\\2-\\1')", "b-a"},
                                        {"regexp_replace(NULL, 'a', 'o')", "NULL"}};
constexpr Example kSplitExamples[] = {{"regexp_split('a, b,c', ', *')", "['a', 'b', 'c']"},
                                      {"regexp_split(NULL, ',')", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kRegexpMatches) = {
    .id = "regexp_matches",
    .names = {.sql = "regexp_matches|regexp|regexp_like|rlike"},
    .overloads = kTestForm<Matches<false>>,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern, options",
    .doc =
        "Whether the pattern matches somewhere in the text. Patterns are RE2's; options are "
        "letters: i ignores case, s lets . match line ends, l takes the pattern as plain text.",
    .examples = kMatchesExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegexpFullMatch) = {
    .id = "regexp_full_match",
    .names = {.sql = "regexp_full_match"},
    .overloads = kTestForm<Matches<true>>,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern, options",
    .doc = "Whether the pattern matches the whole text.",
    .examples = kFullExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegexpExtract) = {
    .id = "regexp_extract",
    .names = {.sql = "regexp_extract"},
    .overloads = kGroupForm<Extract, StringType>,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern, group, options",
    .doc =
        "What a group of the first match holds, without a group all of it; empty without a match.",
    .examples = kExtractExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegexpExtractAll) = {
    .id = "regexp_extract_all",
    .names = {.sql = "regexp_extract_all"},
    .overloads = kGroupForm<ExtractAll, ListOfStringType>,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern, group, options",
    .doc = "A list of what a group, or all, of every match holds.",
    .examples = kExtractAllExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegexpReplace) = {
    .id = "regexp_replace",
    .names = {.sql = "regexp_replace"},
    .overloads = kReplaceOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern, replacement, options",
    .doc =
        "The text with the first match, or with the option g every match, replaced; \\1 stands for "
        "group 1, \\0 for the match.",
    .examples = kReplaceExamples,
};

HEADRACE_DEFINE_FUNCTION(kRegexpSplit) = {
    .id = "regexp_split",
    .names = {.sql = "regexp_split_to_array|regexp_split|string_split_regex|str_split_regex"},
    .overloads = kSplitOverloads,
    .flags = function_flag::kElementwise,
    .arguments = "x, pattern, options",
    .doc = "A list of the parts between the matches of the pattern.",
    .examples = kSplitExamples,
};

}  // namespace headrace
