// Lists: their items by place, search, order and parts.
#include <algorithm>
#include <numeric>

#include "arrow/array/array_nested.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/array/concatenate.h"
#include "arrow/compute/api_vector.h"
#include "arrow/compute/exec.h"
#include "arrow/type.h"
#include "headrace/function/code_points.h"
#include "headrace/function/define.h"
#include "headrace/function/loop.h"
#include "headrace/function/order.h"
#include "headrace/function/scalar/json_parts.h"
#include "headrace/function/scalar/list_column.h"
#include "headrace/function/scalar/subscript.h"
#include "headrace/function/text_column.h"
#include "headrace/types/encoding.h"
#include "headrace/types/type_table.h"

namespace headrace {
namespace {

using enum ArgPattern;

// ---- items by place ----

/// Place `number` (from 1, or from the end below zero) of a row's items; kNoItem without one.
int64_t PlaceOf(const ListColumn& list, int64_t row, int64_t number) {
  const int64_t length = list.Length(row);
  if (number > 0 && number <= length) return list.Begin(row) + number - 1;
  if (number < 0 && number >= -length) return list.End(row) + number;
  return kNoItem;
}

Result<ArrayPtr> Extract(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const View<int64_t> number(args[1]);
  std::vector<int64_t> places(static_cast<size_t>(rows.length), kNoItem);
  const Validity valid(args[0]);
  for (int64_t row = 0; row < rows.length; ++row) {
    if (valid[row]) places[static_cast<size_t>(row)] = PlaceOf(list, row, number[row]);
  }
  return TakeItems(*list.values(), places, ctx.pool);
}

/// Lists whose items are at `places` of `values`; row r has those before ends[r].
struct Picks {
  std::vector<int64_t> places;
  std::vector<int32_t> ends;

  explicit Picks(int64_t rows) { ends.reserve(static_cast<size_t>(rows)); }
  void EndRow() { ends.push_back(static_cast<int32_t>(places.size())); }
  Result<ArrayPtr> Finish(KernelContext& ctx, const arrow::Array& values) const {
    ARROW_ASSIGN_OR_RAISE(const ArrayPtr items, TakeItems(values, places, ctx.pool));
    return MakeLists(ctx, ends, items);
  }
};

/// `pick(row, picks)` for every row that is not null.
template <typename Pick>
Result<ArrayPtr> PickItems(KernelContext& ctx, const Argument& arg, const Rows& rows, Pick&& pick) {
  const ListColumn list(arg);
  const Validity valid(arg);
  Picks picks(rows.length);
  for (int64_t row = 0; row < rows.length; ++row) {
    if (valid[row]) pick(list, row, picks.places);
    picks.EndRow();
  }
  return picks.Finish(ctx, *list.values());
}

/// Places [first, last) from 0 that the numbers `begin` to `end`, both included, name among
/// `length`: from 1, or from the end below zero.
std::pair<int64_t, int64_t> PlacesBetween(int64_t begin, int64_t end, int64_t length) {
  const auto at = [length](int64_t number) {
    return number < 0 ? std::max<int64_t>(number, -length - 1) + length + 1
                      : std::min(number, length + 1);
  };
  return {std::max<int64_t>(at(begin), 1) - 1, std::min(at(end), length)};
}

Result<ArrayPtr> Slice(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const View<int64_t> begin(args[1]);
  const View<int64_t> end(args[2]);
  return PickItems(ctx, args[0], rows, [&](const ListColumn& list, int64_t row, auto& places) {
    const auto [first, last] = PlacesBetween(begin[row], end[row], list.Length(row));
    for (int64_t i = first; i < last; ++i) places.push_back(list.Begin(row) + i);
  });
}

Result<ArrayPtr> SliceText(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const BytesView text(args[0]);
  const View<int64_t> begin(args[1]);
  const View<int64_t> end(args[2]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const auto [first, last] = PlacesBetween(begin[row], end[row], CountPoints(text[row]));
    return out.Append(PointRange(text[row], first, last));
  });
}

/// One code point; empty when there is none.
Result<ArrayPtr> ExtractPoint(KernelContext& ctx, std::span<const Argument> args,
                              const Rows& rows) {
  const BytesView text(args[0]);
  const View<int64_t> number(args[1]);
  return BuildText(ctx, rows, [&](int64_t row, TextColumn& out) {
    const auto [first, last] = PlacesBetween(number[row], number[row], CountPoints(text[row]));
    return out.Append(PointRange(text[row], first, last));
  });
}

Result<ArrayPtr> Reverse(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  return PickItems(ctx, args[0], rows, [&](const ListColumn& list, int64_t row, auto& places) {
    for (int64_t place = list.End(row); place-- > list.Begin(row);) places.push_back(place);
  });
}

/// One list of the arguments of each row.
Result<ArrayPtr> ListValue(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  arrow::ArrayVector values;
  std::vector<int64_t> begins;
  int64_t total = 0;
  for (const Argument& arg : args) {
    values.push_back(arg.array);
    begins.push_back(total);
    total += arg.array->length();
  }
  Picks picks(rows.length);
  for (int64_t row = 0; row < rows.length; ++row) {
    for (size_t i = 0; i < args.size(); ++i) {
      picks.places.push_back(begins[i] + (args[i].is_constant ? 0 : row));
    }
    picks.EndRow();
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr all, arrow::Concatenate(values, ctx.pool));
  return picks.Finish(ctx, *all);
}

Result<ArrayPtr> EmptyLists(KernelContext& ctx, std::span<const Argument>, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr items, MakeNulls(arrow::null(), 0, ctx.pool));
  return MakeLists(ctx, std::vector<int32_t>(static_cast<size_t>(rows.length), 0), items);
}

Result<TypePtr> EmptyListType(std::span<const TypePtr>) { return arrow::list(arrow::null()); }

/// The list with an item at its end, or its beginning.
template <bool kAtEnd>
Result<ArrayPtr> Append(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const Validity valid(args[0]);
  Picks picks(rows.length);
  const int64_t begin = list.values()->length();
  for (int64_t row = 0; row < rows.length; ++row) {
    const int64_t item = begin + (args[1].is_constant ? 0 : row);
    if (!kAtEnd) picks.places.push_back(item);
    for (int64_t place = list.Begin(row); valid[row] && place < list.End(row); ++place) {
      picks.places.push_back(place);
    }
    if (kAtEnd) picks.places.push_back(item);
    picks.EndRow();
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr all,
                        arrow::Concatenate({list.values(), args[1].array}, ctx.pool));
  return picks.Finish(ctx, *all);
}

// ---- order and search ----

/// Calls `visit(column, valid)` with the items as typed values.
template <typename Visit>
Status VisitItems(const ListColumn& list, Visit&& visit) {
  const Argument items{list.values(), false};
  const Validity valid(items);
  const bool known = VisitOrdered(items.array->type_id(), [&](auto tag) {
    visit(tag, typename decltype(tag)::Column(items), valid);
  });
  if (known || items.array->type_id() == arrow::Type::NA) return Status::OK();
  return Error(ErrorKind::kInternal, "no order for {}", items.array->type()->ToString());
}

/// Nulls stand last.
template <bool kDescending>
Result<ArrayPtr> Sort(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const Validity row_valid(args[0]);
  Picks picks(rows.length);
  std::vector<int64_t> all(static_cast<size_t>(list.values()->length()));
  std::iota(all.begin(), all.end(), int64_t{0});
  for (int64_t row = 0; row < rows.length; ++row) {
    for (int64_t place = list.Begin(row); row_valid[row] && place < list.End(row); ++place) {
      picks.places.push_back(place);
    }
    picks.EndRow();
  }
  ARROW_RETURN_NOT_OK(VisitItems(list, [&](auto tag, const auto& items, const Validity& valid) {
    using Value = typename decltype(tag)::Value;
    const auto before = [&](int64_t a, int64_t b) {
      if (!valid[a] || !valid[b]) return valid[a] && !valid[b];
      return kDescending ? ValueLess(Value(items[b]), Value(items[a]))
                         : ValueLess(Value(items[a]), Value(items[b]));
    };
    auto begin = picks.places.begin();
    for (const int32_t end_of_row : picks.ends) {
      const auto end = picks.places.begin() + end_of_row;
      std::stable_sort(begin, end, before);
      begin = end;
    }
  }));
  return picks.Finish(ctx, *list.values());
}

/// The first of equal items, nulls left out.
Result<ArrayPtr> Distinct(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const Validity row_valid(args[0]);
  Picks picks(rows.length);
  std::vector<int64_t> order;
  ARROW_RETURN_NOT_OK(VisitItems(list, [&](auto tag, const auto& items, const Validity& valid) {
    using Value = typename decltype(tag)::Value;
    for (int64_t row = 0; row < rows.length; ++row) {
      order.clear();
      for (int64_t place = list.Begin(row); row_valid[row] && place < list.End(row); ++place) {
        if (valid[place]) order.push_back(place);
      }
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return ValueLess(Value(items[a]), Value(items[b]));
      });
      const auto end = std::unique(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return ValueEquals(Value(items[a]), Value(items[b]));
      });
      std::sort(order.begin(), end);
      picks.places.insert(picks.places.end(), order.begin(), end);
      picks.EndRow();
    }
  }));
  while (static_cast<int64_t>(picks.ends.size()) < rows.length) picks.EndRow();
  return picks.Finish(ctx, *list.values());
}

/// Places from 1 of the first equal item, null equal to null, 0 where there is none.
Result<std::vector<int32_t>> Find(std::span<const Argument> args, const Rows& rows) {
  const ListColumn list(args[0]);
  const Validity row_valid(args[0]);
  const Validity wanted_valid(args[1]);
  std::vector<int32_t> found(static_cast<size_t>(rows.length));
  ARROW_RETURN_NOT_OK(VisitItems(list, [&](auto tag, const auto& items, const Validity& valid) {
    using Value = typename decltype(tag)::Value;
    if (args[1].array->type_id() != list.values()->type_id()) return;  // all null
    const typename decltype(tag)::Column wanted(args[1]);
    const auto equal = [&](int64_t place, int64_t row) {
      if (!valid[place] || !wanted_valid[row]) return !valid[place] && !wanted_valid[row];
      return ValueEquals(Value(items[place]), Value(wanted[row]));
    };
    for (int64_t row = 0; row < rows.length; ++row) {
      for (int64_t place = list.Begin(row); row_valid[row] && place < list.End(row); ++place) {
        if (!equal(place, row)) continue;
        found[static_cast<size_t>(row)] = static_cast<int32_t>(place - list.Begin(row) + 1);
        break;
      }
    }
  }));
  return found;
}

Result<ArrayPtr> Contains(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int32_t> found, Find(args, rows));
  ARROW_ASSIGN_OR_RAISE(auto bits, arrow::AllocateEmptyBitmap(rows.length, ctx.pool));
  for (int64_t row = 0; row < rows.length; ++row) {
    arrow::bit_util::SetBitTo(bits->mutable_data(), row, found[static_cast<size_t>(row)] > 0);
  }
  return WrapValues(ctx.result_type, rows.length, std::move(bits));
}

Result<ArrayPtr> Position(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int32_t> found, Find(args, rows));
  arrow::Int32Builder out(ctx.pool);
  ARROW_RETURN_NOT_OK(out.Reserve(rows.length));
  for (const int32_t place : found) {
    if (place > 0) {
      out.UnsafeAppend(place);
    } else {
      out.UnsafeAppendNull();
    }
  }
  return out.Finish();
}

Result<TypePtr> SortableListType(std::span<const TypePtr> args) {
  const arrow::DataType& item = *args[0]->field(0)->type();
  if (IsComparable(item) || item.id() == arrow::Type::NA) return args[0];
  return Error(ErrorKind::kTypeMismatch, "expected a list of items that have an order, got {}",
               SqlNameOf(*args[0]));
}
Result<TypePtr> FoundType(std::span<const TypePtr> args) {
  ARROW_RETURN_NOT_OK(SortableListType(args));
  return arrow::boolean();
}
Result<TypePtr> PlaceType(std::span<const TypePtr> args) {
  ARROW_RETURN_NOT_OK(SortableListType(args));
  return arrow::int32();
}

}  // namespace

/// A null list has no items.
Result<ArrayPtr> ConcatLists(KernelContext& ctx, std::span<const Argument> args, const Rows& rows) {
  std::vector<ListColumn> lists;
  std::vector<Validity> valid;
  std::vector<int64_t> begins;
  arrow::ArrayVector values;
  int64_t total = 0;
  for (const Argument& arg : args) {
    lists.emplace_back(arg);
    valid.emplace_back(arg);
    begins.push_back(total);
    values.push_back(lists.back().values());
    total += values.back()->length();
  }
  Picks picks(rows.length);
  for (int64_t row = 0; row < rows.length; ++row) {
    for (size_t i = 0; i < lists.size(); ++i) {
      if (!valid[i][row]) continue;
      for (int64_t place = lists[i].Begin(row); place < lists[i].End(row); ++place) {
        picks.places.push_back(begins[i] + place);
      }
    }
    picks.EndRow();
  }
  ARROW_ASSIGN_OR_RAISE(const ArrayPtr all, arrow::Concatenate(values, ctx.pool));
  return picks.Finish(ctx, *all);
}

Result<TypePtr> ConcatListsType(std::span<const TypePtr> args) {
  const bool are_lists = std::all_of(args.begin(), args.end(), [&](const TypePtr& arg) {
    return arg->id() == arrow::Type::LIST && SameLogicalType(*arg, *args[0]);
  });
  if (are_lists) return args[0];
  return Error(ErrorKind::kTypeMismatch, "expected lists of one type, got {} and {}",
               SqlNameOf(*args[0]), SqlNameOf(*args.back()));
}

namespace {

constexpr Overload kExtractForm[] = {
    {.args = kArgs<kList, kInt64>, .result = ItemType, .scalar = Extract},
    {.args = kArgs<kString, kInt64>, .result = StringType, .scalar = ExtractPoint},
    {.args = kArgs<kMap, kItem>, .result = ItemType, .scalar = MapValueOf},
    {.args = kArgs<kStruct, kString>,
     .scalar = StructFieldOf,
     .result_of_literals = StructFieldType},
};
constexpr Overload kSliceForm[] = {
    {.args = kArgs<kList, kInt64, kInt64>, .result = FirstType, .scalar = Slice},
    {.args = kArgs<kString, kInt64, kInt64>, .result = StringType, .scalar = SliceText},
};
template <ScalarKernel kKernel, ResultRule kResult>
constexpr Overload kListForm[] = {
    {.args = kArgs<kList>, .result = kResult, .scalar = kKernel},
};
template <ScalarKernel kKernel, ResultRule kResult>
constexpr Overload kItemForm[] = {
    {.args = kArgs<kList, kItem>, .result = kResult, .scalar = kKernel},
};
constexpr Overload kContainsForm[] = {
    {.args = kArgs<kList, kItem>, .result = FoundType, .scalar = Contains},
    {.args = kArgs<kString, kText>, .result = BooleanType, .scalar = JsonContains},
};
constexpr Overload kConcatForm[] = {
    {.args = kArgs<kCommon, kCommon>,
     .result = ConcatListsType,
     .scalar = ConcatLists,
     .variadic = true},
};
constexpr Overload kListValueForm[] = {
    {.args = {}, .result = EmptyListType, .scalar = EmptyLists},
    {.args = kArgs<kCommon>, .result = ListOfFirstType, .scalar = ListValue, .variadic = true},
};

constexpr Example kListValueExamples[] = {{"list_value(1, NULL, 3)", "[1, NULL, 3]"},
                                          {"list_value('a')", "['a']"},
                                          {"list_value()", "[]"}};
constexpr Example kListExtractExamples[] = {{"list_extract(list_value(3, NULL, 1, 3), 1)", "3"},
                                            {"list_extract(list_value(3, NULL, 1, 3), -1)", "3"},
                                            {"list_extract(list_value(3, NULL, 1, 3), 9)", "NULL"},
                                            {"list_extract('head', 2)", "e"},
                                            {"map(list_value('a'), list_value(NULL))['a']", "NULL"},
                                            {"named_struct('a', 1)['a']", "1"}};
constexpr Example kListSliceExamples[] = {
    {"list_slice(list_value(3, NULL, 1, 3), 2, 3)", "[NULL, 1]"},
    {"list_slice(list_value(3, NULL, 1, 3), -2, -1)", "[1, 3]"},
    {"list_slice(NULL, 1, 2)", "NULL"}};
constexpr Example kListReverseExamples[] = {
    {"list_reverse(list_value(3, NULL, 1, 3))", "[3, 1, NULL, 3]"}, {"list_reverse(NULL)", "NULL"}};
constexpr Example kListConcatExamples[] = {
    {"list_concat(list_value(1), list_value(2, 3))", "[1, 2, 3]"},
    {"list_concat(list_value(1), NULL)", "[1]"}};
constexpr Example kListAppendExamples[] = {{"list_append(list_value(1), 2)", "[1, 2]"},
                                           {"list_append(list_value(1), NULL)", "[1, NULL]"}};
constexpr Example kListPushFrontExamples[] = {
    {"array_push_front(list_value(1), 2)", "[2, 1]"},
    {"array_push_front(list_value(1), NULL)", "[NULL, 1]"}};
constexpr Example kListSortExamples[] = {
    {"list_sort(list_value(3, NULL, 1, 3))", "[1, 3, 3, NULL]"}, {"list_sort(NULL)", "NULL"}};
constexpr Example kListReverseSortExamples[] = {
    {"list_reverse_sort(list_value(3, NULL, 1, 3))", "[3, 3, 1, NULL]"},
    {"list_reverse_sort(NULL)", "NULL"}};
constexpr Example kListDistinctExamples[] = {{"list_distinct(list_value(3, NULL, 1, 3))", "[3, 1]"},
                                             {"list_distinct(NULL)", "NULL"}};
constexpr Example kListContainsExamples[] = {
    {"list_contains(list_value(3, NULL, 1, 3), 1)", "true"},
    {"list_contains(list_value(3, NULL, 1, 3), 2)", "false"},
    {"list_contains(list_value(3, NULL, 1, 3), NULL)", "NULL"}};
constexpr Example kArrayContainsExamples[] = {{"array_contains(list_value(3, NULL, 1), 1)", "true"},
                                              {"array_contains('[3, \"x\"]', 'x')", "true"},
                                              {"array_contains('[3, 1]', 2)", "false"},
                                              {"array_contains(NULL, 2)", "NULL"}};
constexpr Example kListPositionExamples[] = {
    {"list_position(list_value(3, NULL, 1, 3), 1)", "3"},
    {"list_position(list_value(3, NULL, 1, 3), 2)", "NULL"},
    {"list_position(NULL, 2)", "NULL"}};

}  // namespace

HEADRACE_DEFINE_FUNCTION(kListValue) = {
    .id = "list_value",
    .names = {.sql = "list_value|list_pack|array_value|array"},
    .overloads = kListValueForm,
    .nulls = NullRule::kKernel,
    .arguments = "x, ...",
    .doc = "A list of the arguments.",
    .examples = kListValueExamples,
};

HEADRACE_DEFINE_FUNCTION(kListExtract) = {
    .id = "list_extract",
    .names = {.sql = "list_extract|list_element|array_extract"},
    .overloads = kExtractForm,
    .arguments = "x, number",
    .doc =
        "The item at a place from 1, or from the end below zero, null when there is none; the code "
        "point of a text, empty when there is none; the value of a key in a map; a field of a "
        "struct by its constant name. Also written x[number].",
    .examples = kListExtractExamples,
};

HEADRACE_DEFINE_FUNCTION(kListSlice) = {
    .id = "list_slice",
    .names = {.sql = "list_slice|array_slice"},
    .overloads = kSliceForm,
    .arguments = "x, first, last",
    .doc =
        "The items of a list or code points of a text from one place to another, both included, "
        "from 1, or from the end below zero. Also written x[first:last].",
    .examples = kListSliceExamples,
};

HEADRACE_DEFINE_FUNCTION(kListReverse) = {
    .id = "list_reverse",
    .names = {.sql = "list_reverse|array_reverse"},
    .overloads = kListForm<Reverse, FirstType>,
    .arguments = "x",
    .doc = "The items from the last to the first.",
    .examples = kListReverseExamples,
};

HEADRACE_DEFINE_FUNCTION(kListConcat) = {
    .id = "list_concat",
    .names = {.sql = "list_concat|list_cat|array_concat|array_cat"},
    .overloads = kConcatForm,
    .nulls = NullRule::kKernel,
    .arguments = "x, y, ...",
    .doc = "The items of all lists behind each other; a null is an empty list.",
    .examples = kListConcatExamples,
};

HEADRACE_DEFINE_FUNCTION(kListAppend) = {
    .id = "list_append",
    .names = {.sql = "list_append|array_append|array_push_back"},
    .overloads = kItemForm<Append<true>, FirstType>,
    .nulls = NullRule::kKernel,
    .arguments = "x, item",
    .doc = "The list with an item at its end; a null is an empty list.",
    .examples = kListAppendExamples,
};

HEADRACE_DEFINE_FUNCTION(kListPushFront) = {
    .id = "list_push_front",
    .names = {.sql = "array_push_front"},
    .overloads = kItemForm<Append<false>, FirstType>,
    .nulls = NullRule::kKernel,
    .arguments = "x, item",
    .doc =
        "The list with an item at its beginning; a null is an empty list. In SQL also "
        "list_prepend(item, x).",
    .examples = kListPushFrontExamples,
};

HEADRACE_DEFINE_FUNCTION(kListSort) = {
    .id = "list_sort",
    .names = {.sql = "list_sort|array_sort"},
    .overloads = kListForm<Sort<false>, SortableListType>,
    .arguments = "x",
    .doc = "The items in their order, nulls last.",
    .examples = kListSortExamples,
};

HEADRACE_DEFINE_FUNCTION(kListReverseSort) = {
    .id = "list_reverse_sort",
    .names = {.sql = "list_reverse_sort|array_reverse_sort"},
    .overloads = kListForm<Sort<true>, SortableListType>,
    .arguments = "x",
    .doc = "The items in descending order, nulls last.",
    .examples = kListReverseSortExamples,
};

HEADRACE_DEFINE_FUNCTION(kListDistinct) = {
    .id = "list_distinct",
    .names = {.sql = "list_distinct|array_distinct"},
    .overloads = kListForm<Distinct, SortableListType>,
    .arguments = "x",
    .doc = "The different items, each where it stood first; nulls are left out.",
    .examples = kListDistinctExamples,
};

HEADRACE_DEFINE_FUNCTION(kListContains) = {
    .id = "list_contains",
    .names = {.sql = "list_contains|list_has|array_has"},
    .overloads = kItemForm<Contains, FoundType>,
    .arguments = "x, item",
    .doc = "Whether an item of the list equals another value.",
    .examples = kListContainsExamples,
};

HEADRACE_DEFINE_FUNCTION(kArrayContains) = {
    .id = "array_contains",
    .names = {.sql = "array_contains"},
    .overloads = kContainsForm,
    .arguments = "x, item",
    .doc =
        "As list_contains; also of an array in JSON text, whose items are compared as text or as "
        "numbers.",
    .examples = kArrayContainsExamples,
};

HEADRACE_DEFINE_FUNCTION(kListPosition) = {
    .id = "list_position",
    .names = {.sql = "list_position|list_indexof|array_position|array_indexof"},
    .overloads = kItemForm<Position, PlaceType>,
    .nulls = NullRule::kKernel,
    .arguments = "x, item",
    .doc =
        "The place from 1 of the first item that equals a value; null when there is none. A null "
        "value stands for the first item that is null.",
    .examples = kListPositionExamples,
};

}  // namespace headrace
