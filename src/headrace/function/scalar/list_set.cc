// Lists as sets, lists of lists, tests of all items, and the length of lists.
#include <algorithm>
#include <string>

#include "arrow/array/builder_primitive.h"
#include "arrow/array/concatenate.h"
#include "arrow/array/util.h"
#include "arrow/type.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/order.h"
#include "headrace/function/scalar/json_parts.h"
#include "headrace/function/scalar/list_column.h"
#include "headrace/function/text_column.h"
#include "headrace/types/format_value.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

using enum ArgPattern;

// ---- two lists ----

/// Items of two lists in one array, so that places compare.
struct Joined {
  ListColumn left;
  ListColumn right;
  ArrayPtr items;
  int64_t right_begin;

  static Result<Joined> Make(std::span<const Argument> args, arrow::MemoryPool* pool) {
    const ListColumn left(args[0]);
    const ListColumn right(args[1]);
    ARROW_ASSIGN_OR_RAISE(ArrayPtr items,
                          arrow::Concatenate({left.values(), right.values()}, pool));
    return Joined{left, right, std::move(items), left.values()->length()};
  }
};

/// The places of a row's items that are not null, in the order of their values.
template <typename Less>
void SortedPlaces(const ListColumn& list, int64_t row, int64_t begin, const Validity& valid,
                  const Less& less, std::vector<int64_t>* places) {
  places->clear();
  for (int64_t place = list.Begin(row); place < list.End(row); ++place) {
    if (valid[begin + place]) places->push_back(begin + place);
  }
  std::sort(places->begin(), places->end(), less);
}

/// `visit(row, left, right, less)` with the sorted places of both lists, for every row of two
/// lists.
template <typename Visit>
Status ForEachPair(KernelContext& ctx, std::span<const Argument> args, const Rows& rows,
                   ArrayPtr* items, const Visit& visit) {
  ARROW_ASSIGN_OR_RAISE(const Joined joined, Joined::Make(args, ctx.pool));
  *items = joined.items;
  const Argument all{joined.items, false};
  const Validity valid(all);
  const Validity left_valid(args[0]);
  const Validity right_valid(args[1]);
  std::vector<int64_t> left;
  std::vector<int64_t> right;
  VisitOrdered(joined.items->type_id(), [&](auto tag) {
    using Value = typename decltype(tag)::Value;
    const typename decltype(tag)::Column column(all);
    const auto less = [&](int64_t a, int64_t b) {
      return ValueLess(Value(column[a]), Value(column[b]));
    };
    for (int64_t row = 0; row < rows.length; ++row) {
      if (!left_valid[row] || !right_valid[row]) continue;
      SortedPlaces(joined.left, row, 0, valid, less, &left);
      SortedPlaces(joined.right, row, joined.right_begin, valid, less, &right);
      visit(row, left, right, less);
    }
  });
  return Status::OK();
}

template <typename Less>
bool HasPlace(const std::vector<int64_t>& sorted, int64_t place, const Less& less) {
  return std::binary_search(sorted.begin(), sorted.end(), place, less);
}

/// What is asked of two lists; kOfNone answers for lists of no items.
struct AnyShared {
  static constexpr bool kOfNone = false;
  template <typename Less>
  bool operator()(const std::vector<int64_t>& left, const std::vector<int64_t>& right,
                  const Less& less) const {
    return std::any_of(right.begin(), right.end(),
                       [&](int64_t place) { return HasPlace(left, place, less); });
  }
};
struct AllShared {
  static constexpr bool kOfNone = true;
  template <typename Less>
  bool operator()(const std::vector<int64_t>& left, const std::vector<int64_t>& right,
                  const Less& less) const {
    return std::all_of(right.begin(), right.end(),
                       [&](int64_t place) { return HasPlace(left, place, less); });
  }
};

template <typename Question>
Result<ArrayPtr> Test(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  // Items without an order are all null, so that no list has any.
  const bool has_items = args[0].array->type()->field(0)->type()->id() != arrow::Type::NA;
  std::vector<uint8_t> answers(static_cast<size_t>(rows.length),
                               !has_items && Question::kOfNone ? 1 : 0);
  ArrayPtr items;
  ARROW_RETURN_NOT_OK(
      ForEachPair(ctx, args, rows, &items,
                  [&](int64_t row, const auto& left, const auto& right, const auto& less) {
                    answers[static_cast<size_t>(row)] = Question()(left, right, less) ? 1 : 0;
                  }));
  return RunRowTest(ctx, rows, [&](int64_t row) { return answers[static_cast<size_t>(row)] != 0; });
}

/// The items of the first list that are in the second, each once, in the first one's order.
Result<ArrayPtr> Intersect(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  std::vector<int64_t> places;
  std::vector<int32_t> ends;
  ArrayPtr items;
  const auto end_rows = [&](int64_t count) {
    while (static_cast<int64_t>(ends.size()) < count) {
      ends.push_back(static_cast<int32_t>(places.size()));
    }
  };
  ARROW_RETURN_NOT_OK(
      ForEachPair(ctx, args, rows, &items,
                  [&](int64_t row, const auto& left, const auto& right, const auto& less) {
                    end_rows(row);
                    const size_t begin = places.size();
                    for (size_t i = 0; i < left.size(); ++i) {
                      const bool repeated = i > 0 && !less(left[i - 1], left[i]);
                      if (repeated || !HasPlace(right, left[i], less)) continue;
                      int64_t first = left[i];
                      for (size_t j = i; j < left.size() && !less(left[i], left[j]); ++j) {
                        first = std::min(first, left[j]);
                      }
                      places.push_back(first);
                    }
                    std::sort(places.begin() + static_cast<int64_t>(begin), places.end());
                    end_rows(row + 1);
                  }));
  end_rows(rows.length);
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr taken, TakeItems(*items, places, ctx.pool));
  return MakeLists(ctx, ends, taken);
}

// ---- one list ----

Result<ArrayPtr> Length(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) out.data()[row] = list.Length(row);
  return out.Finish(ctx.result_type);
}

/// How many values a list has, nulls and repeats left out.
Result<ArrayPtr> CountUnique(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const Validity row_valid(args[0]);
  const Argument items{list.values(), false};
  const Validity valid(items);
  ARROW_ASSIGN_OR_RAISE(auto out, Output<int64_t>::Make(rows.length, ctx.pool));
  std::fill_n(out.data(), rows.length, 0);
  std::vector<int64_t> places;
  VisitOrdered(items.array->type_id(), [&](auto tag) {
    using Value = typename decltype(tag)::Value;
    const typename decltype(tag)::Column column(items);
    const auto less = [&](int64_t a, int64_t b) {
      return ValueLess(Value(column[a]), Value(column[b]));
    };
    for (int64_t row = 0; row < rows.length; ++row) {
      if (!row_valid[row]) continue;
      SortedPlaces(list, row, 0, valid, less, &places);
      const auto end = std::unique(places.begin(), places.end(),
                                   [&](int64_t a, int64_t b) { return !less(a, b); });
      out.data()[row] = end - places.begin();
    }
  });
  return out.Finish(ctx.result_type);
}

/// The lists in a list behind each other; null ones have no items.
Result<ArrayPtr> Flatten(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn outer(args[0]);
  const Validity row_valid(args[0]);
  if (outer.values()->type_id() == arrow::Type::NA) {
    const std::vector<int32_t> none(static_cast<size_t>(rows.length), 0);
    return MakeLists(ctx, none, outer.values()->Slice(0, 0));
  }
  const Argument lists{outer.values(), false};
  const ListColumn inner(lists);
  const Validity inner_valid(lists);
  std::vector<int64_t> places;
  std::vector<int32_t> ends;
  for (int64_t row = 0; row < rows.length; ++row) {
    for (int64_t i = outer.Begin(row); row_valid[row] && i < outer.End(row); ++i) {
      if (!inner_valid[i]) continue;
      for (int64_t place = inner.Begin(i); place < inner.End(i); ++place) places.push_back(place);
    }
    ends.push_back(static_cast<int32_t>(places.size()));
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr items, TakeItems(*inner.values(), places, ctx.pool));
  return MakeLists(ctx, ends, items);
}

Result<TypePtr> FlattenType(std::span<const TypePtr> args) {
  const TypePtr& inner = args[0]->field(0)->type();
  if (inner->id() == arrow::Type::LIST) return inner;
  if (inner->id() == arrow::Type::NA) return args[0];
  return Error(ErrorKind::kTypeMismatch, "flatten takes a list of lists, got {}",
               SqlNameOf(*args[0]));
}

/// The items that are not null as text, a separator between them.
Result<ArrayPtr> ToText(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const Validity row_valid(args[0]);
  const Validity item_valid(*list.values());
  const BytesView separator(args[1]);
  std::string text;
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) -> Status {
    text.clear();
    bool first = true;
    for (int64_t place = list.Begin(row); row_valid[row] && place < list.End(row); ++place) {
      if (!item_valid[place]) continue;
      if (!std::exchange(first, false)) text.append(separator[row]);
      AppendValue(*list.values(), place, &text);
    }
    return out.Append(text);
  });
}

/// Three-valued: `decisive` where an item is that, else null where an item is null.
template <bool kDecisive>
Result<ArrayPtr> Quantify(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const Argument items{list.values(), false};
  const Validity item_valid(items);
  const BooleanView holds(items);
  const Validity row_valid(args[0]);
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(rows.length, ctx.pool));
  ARROW_ASSIGN_OR_RAISE(auto known, arrow::AllocateEmptyBitmap(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    bool is_decided = false;
    bool has_null = false;
    for (int64_t place = list.Begin(row); row_valid[row] && place < list.End(row); ++place) {
      has_null = has_null || !item_valid[place];
      is_decided = is_decided || (item_valid[place] && holds[place] == kDecisive);
    }
    arrow::bit_util::SetBitTo(bits->mutable_data(), row, is_decided == kDecisive);
    arrow::bit_util::SetBitTo(known->mutable_data(), row, is_decided || !has_null);
  }
  auto data = WrapValues(ctx.result_type, rows.length, std::move(bits))->data()->Copy();
  data->buffers[0] = std::move(known);
  data->null_count = arrow::kUnknownNullCount;
  return arrow::MakeArray(std::move(data));
}

Result<TypePtr> QuantifiedType(std::span<const TypePtr> args) {
  const arrow::DataType& item = *args[0]->field(0)->type();
  if (item.id() == arrow::Type::BOOL || item.id() == arrow::Type::NA) return arrow::boolean();
  return Error(ErrorKind::kTypeMismatch, "expected a list of BOOLEAN, got {}", SqlNameOf(*args[0]));
}

Status CheckItems(const arrow::DataType& type) {
  if (type.id() == arrow::Type::NA) return Status::OK();
  const bool is_list = type.id() == arrow::Type::LIST;
  if (is_list &&
      (IsComparable(*type.field(0)->type()) || type.field(0)->type()->id() == arrow::Type::NA)) {
    return Status::OK();
  }
  return Error(ErrorKind::kTypeMismatch, "expected lists of items that have an order, got {}",
               SqlNameOf(type));
}
Result<TypePtr> TestedType(std::span<const TypePtr> args) {
  ARROW_RETURN_NOT_OK(CheckItems(*args[0]));
  return arrow::boolean();
}
Result<TypePtr> SharedType(std::span<const TypePtr> args) {
  ARROW_RETURN_NOT_OK(CheckItems(*args[0]));
  return args[0];
}
Result<TypePtr> CountedType(std::span<const TypePtr> args) {
  ARROW_RETURN_NOT_OK(CheckItems(*args[0]));
  return arrow::int64();
}

template <ScalarKernel kKernel, ResultRule kResult>
constexpr Overload kPairForm[] = {
    {.args = kArgs<kCommon, kCommon>, .result = kResult, .scalar = kKernel},
};
template <ScalarKernel kKernel, ResultRule kResult>
constexpr Overload kOneForm[] = {
    {.args = kArgs<kList>, .result = kResult, .scalar = kKernel},
};
constexpr Example kAnyExamples[] = {{"list_any(list_value(false, true, NULL))", "true"},
                                    {"list_any(list_value(false, NULL))", "NULL"},
                                    {"list_any(list_value(false))", "false"}};
constexpr Example kAllExamples[] = {{"list_all(list_value(true, false, NULL))", "false"},
                                    {"list_all(list_value(true, NULL))", "NULL"},
                                    {"list_all(list_value(true))", "true"}};
constexpr Overload kCardinalityForm[] = {
    {.args = kArgs<kMap>, .result = Int64Type, .scalar = Length},
    {.args = kArgs<kList>, .result = Int64Type, .scalar = Length},
    {.args = kArgs<kString>, .result = Int64Type, .scalar = JsonArrayLength},
};
constexpr Overload kToTextForm[] = {
    {.args = kArgs<kList, kString>, .result = StringType, .scalar = ToText},
};
constexpr Example kHasAnyExamples[] = {
    {"list_has_any(list_value(1, NULL, 3), list_value(3, 4))", "true"},
    {"list_has_any(list_value(1, NULL), list_value(2, NULL))", "false"},
    {"list_has_any(CAST(NULL AS BIGINT[]), list_value(1))", "NULL"}};
constexpr Example kHasAllExamples[] = {
    {"list_has_all(list_value(1, NULL, 3), list_value(3, 1, 3))", "true"},
    {"list_has_all(list_value(1), list_value(1, 2))", "false"},
    {"list_has_all(CAST(NULL AS BIGINT[]), list_value(1))", "NULL"}};
constexpr Example kIntersectExamples[] = {
    {"list_intersect(list_value(3, 1, NULL, 3), list_value(1, 3, NULL))", "[3, 1]"},
    {"list_intersect(list_value(1), list_value(2))", "[]"},
    {"list_intersect(CAST(NULL AS BIGINT[]), list_value(1))", "NULL"}};
constexpr Example kCardinalityExamples[] = {
    {"cardinality(map(list_value('a', 'b'), list_value(1, NULL)))", "2"},
    {"array_length(list_value(1, NULL))", "2"},
    {"array_length('[1, 2]')", "2"},
    {"cardinality(NULL)", "NULL"}};
constexpr Example kUniqueExamples[] = {{"list_unique(list_value(1, NULL, 3, 1))", "2"},
                                       {"list_unique(CAST(NULL AS BIGINT[]))", "NULL"}};
constexpr Example kFlattenExamples[] = {
    {"flatten(list_value(list_value(1, 2), NULL, list_value(NULL)))", "[1, 2, NULL]"},
    {"flatten(CAST(NULL AS BIGINT[][]))", "NULL"}};
constexpr Example kToTextExamples[] = {{"array_to_string(list_value('a', NULL, 'b'), '-')", "a-b"},
                                       {"array_to_string(NULL, '-')", "NULL"}};
}  // namespace

HEADRACE_DEFINE_FUNCTION(kListHasAny) = {
    .id = "list_has_any",
    .names = {.sql = "list_has_any|array_has_any|&&"},
    .overloads = kPairForm<Test<AnyShared>, TestedType>,
    .arguments = "x, y",
    .doc = "Whether two lists share an item; nulls are no items.",
    .examples = kHasAnyExamples,
};

HEADRACE_DEFINE_FUNCTION(kListHasAll) = {
    .id = "list_has_all",
    .names = {.sql = "list_has_all|array_has_all|@>"},
    .overloads = kPairForm<Test<AllShared>, TestedType>,
    .arguments = "x, y",
    .doc = "Whether a list has all items of another; nulls are no items.",
    .examples = kHasAllExamples,
};

HEADRACE_DEFINE_FUNCTION(kListIntersect) = {
    .id = "list_intersect",
    .names = {.sql = "list_intersect|array_intersect"},
    .overloads = kPairForm<Intersect, SharedType>,
    .arguments = "x, y",
    .doc =
        "The items that two lists share, each once, in the order of the first; nulls are left out.",
    .examples = kIntersectExamples,
};

HEADRACE_DEFINE_FUNCTION(kCardinality) = {
    .id = "cardinality",
    .names = {.sql = "cardinality|array_length"},
    .overloads = kCardinalityForm,
    .arguments = "x",
    .doc = "How many entries a map or items a list has, nulls too.",
    .examples = kCardinalityExamples,
};

HEADRACE_DEFINE_FUNCTION(kListUnique) = {
    .id = "list_unique",
    .names = {.sql = "list_unique|array_unique"},
    .overloads = kOneForm<CountUnique, CountedType>,
    .arguments = "x",
    .doc = "How many different items a list has, nulls left out.",
    .examples = kUniqueExamples,
};

HEADRACE_DEFINE_FUNCTION(kFlatten) = {
    .id = "flatten",
    .names = {.sql = "flatten"},
    .overloads = kOneForm<Flatten, FlattenType>,
    .arguments = "x",
    .doc = "The items of the lists in a list, behind each other.",
    .examples = kFlattenExamples,
};

HEADRACE_DEFINE_FUNCTION(kListToText) = {
    .id = "array_to_string",
    .names = {.sql = "array_to_string"},
    .overloads = kToTextForm,
    .arguments = "x, separator",
    .doc = "The items of a list that are not null as text, with the separator between them.",
    .examples = kToTextExamples,
};

HEADRACE_DEFINE_FUNCTION(kListAny) = {
    .id = "list_any",
    .names = {.sql = "list_any"},
    .overloads = kOneForm<Quantify<true>, QuantifiedType>,
    .arguments = "x",
    .doc = "Whether an item is true; null where none is and one is null.",
    .examples = kAnyExamples,
};

HEADRACE_DEFINE_FUNCTION(kListAll) = {
    .id = "list_all",
    .names = {.sql = "list_all"},
    .overloads = kOneForm<Quantify<false>, QuantifiedType>,
    .arguments = "x",
    .doc = "Whether all items are true; null where none is false and one is null.",
    .examples = kAllExamples,
};

}  // namespace headrace
